//! The memory for heads that have not arrived completely: a client that uses up its share is sent away, others are served.

use h2::Reason;
use tokio::{sync::watch, task::JoinSet, time::timeout};

use crate::{
    sharing::{SECRETS, two_callers},
    support::{
        Agent, Origin, Way,
        audit_line::AuditLine,
        frames::{ACK, CONTINUATION, END_HEADERS, END_STREAM, GOAWAY, HEADERS, SETTINGS, block, frame},
        http2_client::RawClient,
        skip,
        swarm::{Swarm, may_open, runtime},
        wait::{PATIENCE, until},
    },
};

/// Bytes of the heads of one client: a quarter of 64 MiB.
const SHARE: usize = 16 << 20;
/// Connections beyond those whose heads fit.
const MORE: usize = 20;

/// All of a head but its end, and close to the limit.
fn unfinished() -> Vec<u8> {
    let long = "y".repeat(1000);
    let mut fields = vec![(":method", "GET"), (":scheme", "https"), (":authority", "localhost:1"), (":path", "/")];
    fields.resize(fields.len() + 58, ("x-long", &long));
    let section = block(&fields);
    let piece = |(at, piece)| match at {
        0 => frame(HEADERS, END_STREAM, 1, piece),
        _ => frame(CONTINUATION, 0, 1, piece),
    };
    section.chunks(16_384).enumerate().flat_map(piece).collect()
}

#[test]
fn a_client_whose_http2_heads_do_not_end_uses_up_its_own_share() {
    const TEST: &str = "a_client_whose_http2_heads_do_not_end_uses_up_its_own_share";
    let head = unfinished();
    let most = SHARE / (head.len() - 4 * 9);
    if !may_open(most as u64 + 500) {
        return skip::note(TEST, "too few open files are allowed");
    }
    let folder = tempfile::TempDir::with_prefix("vs-").unwrap();
    let socket = folder.path().join("proxy.sock");
    let builder = two_callers().set("server.socket", &format!("{:?}", socket.display().to_string()));
    let appliance = builder.set("limits.header_timeout", "60").set("rate_limits.proxy", "0").start();
    let (origin, swarm) = (Origin::https(), Swarm::of_http2(&appliance, Some(appliance.key("ann"))));
    runtime().block_on(async {
        let (mut clients, (finish, _)) = (JoinSet::new(), watch::channel(false));
        for _ in 0..most + MORE {
            let mut client = RawClient::to(&swarm, "localhost:1").await.unwrap();
            // Its own confirmation would be a frame between the pieces of the head.
            client.until(|it| it.kind == SETTINGS && it.flags & ACK == 0).await.unwrap();
            client.write(&head).await.unwrap();
            let mut finish = finish.subscribe();
            clients.spawn(async move {
                tokio::select! {
                    end = client.until(|it| it.kind == GOAWAY) => return end,
                    _ = finish.wait_for(|it| *it) => {}
                }
                client.write(&frame(CONTINUATION, END_HEADERS, 1, &[])).await?;
                client.until(|it| matches!(it.kind, GOAWAY | HEADERS)).await
            });
        }
        for _ in 0..MORE {
            let sent_away = timeout(PATIENCE, clients.join_next()).await.expect("one more is sent away");
            let end = sent_away.unwrap().unwrap().unwrap().go_away().unwrap();
            assert_eq!(end.reason, Reason::ENHANCE_YOUR_CALM);
        }
        // Another client has a share of its own.
        let (name, bearer) = (SECRETS[1].0, format!("Bearer {}", appliance.key("bob")));
        let mut agent = Agent::through(&socket, &appliance, Way::Path, &origin).unwrap();
        let long = "y".repeat(50_000);
        let request =
            agent.head("GET", "/", &[("X-Vultrino-Credential", name), ("Authorization", &bearer), ("X", &long)]);
        let (first, rest) = request.split_at(40_000);
        agent.send(first);
        agent.send(rest);
        agent.answer("GET").expect_origins(200);
        finish.send(true).unwrap();
        let all = timeout(PATIENCE, clients.join_all()).await.expect("all come to an end");
        let answered = all.iter().filter(|it| it.as_ref().is_ok_and(|it| it.kind == HEADERS)).count();
        assert!(answered > most / 2, "{answered} of {most}");
    });
}

/// A `ClientHello` without its end, in records (RFC 8446 sections 4 and 5.1).
fn unfinished_hello() -> Vec<u8> {
    const LENGTH: u16 = 60_000;
    let [high, low] = LENGTH.to_be_bytes();
    let message = [&[1, 0, high, low][..], &vec![3; usize::from(LENGTH) - 1]].concat();
    let record = |piece: &[u8]| {
        let [high, low] = u16::try_from(piece.len()).unwrap().to_be_bytes();
        [&[22, 3, 1, high, low], piece].concat()
    };
    message.chunks(16 << 10).flat_map(record).collect()
}

#[test]
fn a_client_whose_client_hellos_do_not_end_uses_up_its_own_share() {
    let hello = unfinished_hello();
    let appliance = two_callers().set("limits.handshake_timeout", "60").set("rate_limits.proxy", "0").start();
    let (origin, bearer) = (Origin::https(), format!("Bearer {}", appliance.key("ann")));
    let begun = |_| {
        let mut agent = Agent::dial(appliance.address());
        agent.connect("localhost:1", &[("Proxy-Authorization", &bearer)]).unwrap();
        drop(agent.try_send(&hello));
        agent
    };
    let all: Vec<Agent> = (0..SHARE / hello.len() + MORE).map(begun).collect();
    until("those beyond are refused, on the record", || {
        let lines = AuditLine::read(&appliance.audit_text());
        let refused = lines.iter().filter(|it| it.action == "connect" && it.get("reason") == "client_limit").count();
        (refused >= MORE).then_some(())
    });
    // What is short takes nothing of it.
    Agent::keyed(&appliance, Way::Tunnel, &origin, appliance.key("bob"))
        .ask("GET", "/", &[("X-Vultrino-Credential", SECRETS[1].0)])
        .expect_origins(200);
    drop(all);
}
