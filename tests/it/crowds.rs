//! Many at once: what there is no room for is told so at once, no client takes the room of all others, and whatever was
//! too much is over when it is over.

use std::{
    fs, io,
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Output},
    time::{Duration, Instant},
};

use crate::support::{
    Agent, Answer, Appliance, Origin, WAYS, Way,
    agent::NAMED,
    holding::Holding,
    process::run,
    scrape::Scrape,
    skip,
    wait::{PATIENCE, until},
};
use crate::unix_socket::with_socket;

/// Asserts that this is the answer where there is no room, for anybody (`""`) or for this client.
#[track_caller]
fn assert_full(answer: Answer, reason: &str) {
    assert_eq!(answer.values("retry-after"), ["1"], "{answer:#?}");
    assert_eq!(answer.expect_refusal(503, "overloaded").reason(), reason);
}

/// Asks for the health over a connection that was opened before.
#[track_caller]
fn health(agent: &mut Agent) -> Answer {
    let host = agent.host();
    // Who is turned away may be answered before it asks.
    drop(agent.try_send(format!("GET /health HTTP/1.1\r\nHost: {host}\r\n\r\n")));
    agent.answer("GET")
}

#[test]
fn a_connection_too_many_is_told_so_and_there_is_room_again_when_another_goes() {
    let (builder, socket, _folder) = with_socket();
    let appliance = builder.set("limits.connections", "6").start();
    // Whatever address of this machine it calls from.
    let one = |at: u8| Agent::dial_from([127, at, 0, 2], appliance.address());
    let other = || Agent::dial_unix(&socket);
    let mut held: Vec<Agent> = (0..5).map(one).collect();
    for agent in &mut held {
        assert_eq!(health(agent).status(), 200);
    }
    let mut crowding = one(5);
    assert_full(health(&mut crowding), "client_limit");
    assert!(crowding.is_closed() && crowding.ended_well());
    let mut first = other();
    assert_eq!(health(&mut first).status(), 200);
    let mut late = other();
    assert_full(health(&mut late), "");
    assert!(late.is_closed() && late.ended_well());
    // Who says nothing is told all the same.
    assert_full(other().answer("GET"), "");
    // It is CONNECT that tunnels begin with.
    let refused = other().connect("localhost:443", &[]).unwrap_err();
    assert_full(*refused, "");
    held.pop().unwrap().break_off();
    let scrape = until("there is room", || {
        let mut late = other();
        drop(late.try_send("GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: application/openmetrics-text\r\n\r\n"));
        let answer = late.answer("GET");
        (answer.status() == 200).then(|| Scrape::read(&answer))
    });
    assert!(scrape.count("vultrino_refusals_total", &[("code", "overloaded")]) >= 4, "{}", scrape.text);
    assert_eq!(scrape.count("vultrino_client_connections", &[]), 6);
    for agent in held.iter_mut().chain([&mut first]) {
        assert_eq!(health(agent).status(), 200, "who is in stays in");
    }
    assert_eq!(appliance.printed().matches("clients are turned away").count(), 1, "{}", appliance.printed());
}

#[test]
fn a_key_has_its_share_of_open_requests_wherever_it_calls_from() {
    let builder = Appliance::builder().server().role("agent", "execute", "").key("one", "agent").key("other", "agent");
    let builder = builder.key("third", "agent").set("limits.requests", "8");
    let appliance = builder.set("limits.requests_per_client", "6").start();
    let (holding, [one, other, third]) = (Holding::start(), ["one", "other", "third"].map(|it| appliance.key(it)));
    let agent = |way, key| Agent::keyed(&appliance, way, &holding.origin, key);
    let mut held: Vec<Agent> = WAYS.into_iter().cycle().take(6).map(|way| holding.hold(agent(way, one))).collect();
    for way in WAYS {
        assert_full(agent(way, one).get("/crowding"), "client_limit");
        agent(way, other).get("/other").expect_origins(200);
    }
    let line = appliance.audit_of("/crowding");
    assert_eq!((line.get("status"), line.get("outcome"), line.get("reason")), ("503", "denied", "client_limit"));
    held.extend([holding.hold(agent(Way::Path, other)), holding.hold(agent(Way::Tunnel, other))]);
    for way in WAYS {
        assert_full(agent(way, third).get("/late"), "");
    }
    let line = appliance.audit_of("/late");
    assert_eq!((line.get("status"), line.get("outcome"), line.get("reason")), ("503", "error", "overloaded"));
    holding.release();
    for agent in &mut held {
        agent.answer("GET").expect_origins(200);
    }
    for way in WAYS {
        agent(way, third).get("/after").expect_origins(200);
        agent(way, one).get("/after").expect_origins(200);
    }
}

#[test]
fn an_address_without_a_key_has_its_share_of_open_requests() {
    let (builder, socket, _folder) = with_socket();
    let appliance = builder.set("limits.requests", "4").start();
    let holding = Holding::start();
    // Whatever address of this machine it calls from.
    let one = |at: u8| Agent::dial_from([127, 0, at, 2], appliance.address()).towards(Way::Path, &holding.origin);
    let other = || Agent::through(&socket, &appliance, Way::Path, &holding.origin).unwrap();
    let mut held: Vec<Agent> = (0..3).map(|at| holding.hold(one(at))).collect();
    let mut crowding = one(3);
    assert_full(crowding.get("/crowding"), "client_limit");
    other().get("/other").expect_origins(200);
    held.push(holding.hold(other()));
    assert_full(other().get("/late"), "");
    // A client that goes leaves its room to others.
    held.pop().unwrap().break_off();
    until("there is room", || (other().get("/late").status() == 200).then_some(()));
    appliance.set("limits.requests", "1");
    until("the lower limit counts", || (other().get("/late").status() == 503).then_some(()));
    appliance.set("limits.requests", "100");
    until("the higher limit counts", || (crowding.get("/crowding").status() == 200).then_some(()));
    holding.release();
    for agent in &mut held {
        agent.answer("GET").expect_origins(200);
    }
}

/// Each user of this machine is a client on the unix socket.
#[test]
fn a_user_does_not_take_the_unix_socket_from_others() {
    let (builder, socket, folder) = with_socket();
    let _appliance = builder.set("limits.connections", "4").start();
    for (path, mode) in [(folder.path(), 0o755), (&*socket, 0o666)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut held: Vec<Agent> = (0..3).map(|_| Agent::dial_unix(&socket)).collect();
    for agent in &mut held {
        assert_eq!(health(agent).status(), 200);
    }
    assert_full(health(&mut Agent::dial_unix(&socket)), "client_limit");
    let mut other = Command::new("setpriv");
    other.args(["--reuid=65534", "--clear-groups", "curl", "-sS", "--unix-socket"]).arg(&socket);
    other.args(["-o", "/dev/null", "-w", "%{http_code}", "http://localhost/health"]);
    match other.output() {
        Ok(Output { status, stdout, .. }) if status.success() => assert_eq!(String::from_utf8_lossy(&stdout), "200"),
        done => skip::note("a_user_does_not_take_the_unix_socket_from_others", &format!("no other user: {done:?}")),
    }
}

#[test]
fn a_flood_that_takes_all_descriptors_costs_little_and_is_over_when_it_is_over() {
    const CLIENTS: usize = 300;
    if run(Command::new("sh").args(["-c", "command -v prlimit"]), "").expect_success().is_empty() {
        return skip::note("a_flood_that_takes_all_descriptors_costs_little", "no prlimit");
    }
    let appliance = Appliance::builder().through(&["prlimit", "--nofile=64:64"]).start();
    let origin = Origin::https();
    let mut flood: Vec<TcpStream> = (0..CLIENTS).filter_map(|_| TcpStream::connect(appliance.address()).ok()).collect();
    let asked =
        format!("GET /{} HTTP/1.1\r\nHost: {}\r\nX-Vultrino-Credential: ", origin.url("/x"), appliance.address());
    for client in &mut flood {
        // Half of a question; who was turned away already need not read it.
        drop(io::Write::write_all(client, asked.as_bytes()));
    }
    let (begun, before) = (Instant::now(), ticks(appliance.pid()));
    until("a second has passed", || (begun.elapsed() > Duration::from_secs(1)).then_some(()));
    let (elapsed, used) = (begun.elapsed(), Duration::from_millis(10) * (ticks(appliance.pid()) - before));
    assert!(used < elapsed / 3, "{used:?} of {elapsed:?}");
    // Whom it has let in it serves.
    let mut served = 0;
    for client in &mut flood {
        drop(io::Write::write_all(client, b"walls\r\n\r\n"));
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut answer = String::new();
        if io::Read::read_to_string(&mut io::Read::take(&mut *client, 12), &mut answer).is_ok() {
            served += usize::from(answer == "HTTP/1.1 200");
            assert!(["HTTP/1.1 200", "HTTP/1.1 503", ""].contains(&&*answer), "{answer}");
        }
    }
    assert!((1..64).contains(&served), "{served}");
    drop(flood);
    until("there is room", || {
        let mut agent = Agent::via(&appliance, Way::Path, &origin);
        let head = agent.head("GET", "/after", &[NAMED]);
        (agent.try_send(head).is_ok() && agent.try_answer("GET").is_ok_and(|it| it.status() == 200)).then_some(())
    });
    for way in WAYS {
        Agent::via(&appliance, way, &origin).get("/after").expect_origins(200);
    }
    appliance.expect_printed("more than may be open");
}

/// Hundredths of a second that a process has computed.
fn ticks(pid: u32) -> u32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let behind_name = stat.rsplit_once(") ").unwrap().1;
    behind_name.split(' ').skip(11).take(2).map(|it| it.parse::<u32>().unwrap()).sum()
}
