//! Origins and names that would lead a request elsewhere, and refusals that would tell what lies inside.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use crate::support::{
    Agent, Appliance, Credential, Origin, WAYS, Way,
    agent::NAMED,
    appliance::{ALIAS, KEY},
    certificates::{Flaw, server},
    origin::answer_each,
};

/// The credentials whose injection some clients carry along to wherever a redirect leads.
fn credentials() -> [Credential; 3] {
    let hosts = ["localhost:*"];
    [
        Credential::key(ALIAS, KEY, &hosts),
        Credential::key(ALIAS, KEY, &hosts).with("--metadata").with("{\"header_name\":\"X-API-Key\"}"),
        Credential::basic(ALIAS, "u", KEY, &hosts),
    ]
}

#[test]
fn a_redirect_is_followed_by_no_way_in_and_with_no_credential() {
    let (elsewhere, plain) = (Origin::https(), Origin::http());
    for credential in credentials() {
        let shown = format!("{credential:?}");
        let appliance = Appliance::builder().credential(credential).start();
        for (status, location) in
            [(301, elsewhere.url("/a")), (302, plain.url("/b")), (307, elsewhere.url("/c")), (308, plain.url("/d"))]
        {
            let head = format!("HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
            let origin = Origin::answering(head);
            for way in WAYS {
                let answer = Agent::via(&appliance, way, &origin).get("/").expect_origins(status);
                assert_eq!(answer.values("location"), [&*location], "{way:?} {shown}");
            }
            let told = appliance.api_without_key().execute(ALIAS, "GET", &origin.url("/"));
            assert!(told.text().contains(&format!("\"status\":{status}")), "{}", told.text());
            let ran = appliance.cli(&["request", ALIAS, &origin.url("/"), "--json"]);
            assert!(ran.stdout.contains(&status.to_string()), "{ran:?}");
            assert_eq!(origin.requests().len(), WAYS.len() + 2, "{shown}");
        }
    }
    assert_eq!((elsewhere.connections(), plain.connections()), (0, 0));
}

#[test]
fn a_proxy_in_the_environment_of_a_command_is_not_used_either() {
    let (appliance, origin, trap) = (Appliance::start(), Origin::https(), Origin::http());
    let mut command = appliance.command(&["request", ALIAS, &origin.url("/")]);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        command.env(name, trap.url(""));
    }
    crate::support::process::run(&mut command, "").expect_success();
    assert_eq!((origin.requests().len(), trap.connections()), (1, 0));
}

/// A port that answers no SYN: its queue of connections is full, and nobody takes them.
struct Filtered {
    address: SocketAddr,
    _listener: socket2::Socket,
    _waiting: Vec<TcpStream>,
}

fn filtered() -> Filtered {
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let waiting = std::iter::from_fn(|| TcpStream::connect_timeout(&address, Duration::from_millis(300)).ok());
    let waiting: Vec<_> = waiting.take(100).collect();
    assert!(waiting.len() < 100, "the system takes connections that nobody accepts");
    Filtered { address, _listener: listener, _waiting: waiting }
}

/// What an answer tells, but for the time.
fn told(mut agent: Agent) -> String {
    let answer = agent.ask("GET", "/", &[]);
    let fields = answer.fields.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("date"));
    format!("{} {:?} {}", answer.start, fields.collect::<Vec<_>>(), answer.text())
}

#[test]
fn refusals_tell_nothing_of_the_ports_behind_them() {
    let appliance = Appliance::builder().set("upstream.connect_timeout", "1").start();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let filtered = filtered();
    let untrusted = Origin::tls(server(Flaw::UnknownCa, rustls::DEFAULT_VERSIONS), answer_each);
    let no_tls = Origin::not_tls(|visit| visit.write("SSH-2.0-OpenSSH_9.6\r\n"));
    let silent = Origin::not_tls(|visit| {
        visit.drain();
        Ok(())
    });
    let ports = [closed, filtered.address.port(), untrusted.port(), no_tls.port(), silent.port()];
    for way in [Way::Path, Way::Absolute] {
        let ask = |authority: String| {
            let agent = Agent::to(&appliance, way, "https", &authority);
            match way {
                Way::Path => {
                    let mut agent = agent;
                    let answer = agent.ask("GET", "/", &[NAMED]);
                    format!("{} {}", answer.start, answer.text())
                }
                _ => told(agent),
            }
        };
        let texts: BTreeSet<String> = ports.iter().map(|port| ask(format!("localhost:{port}"))).collect();
        assert_eq!(texts.len(), 1, "{texts:#?}");
        assert!(texts.iter().all(|it| it.contains("502")), "{texts:#?}");
    }
    let blocked = Appliance::builder().without("upstream.allow_private").start();
    let open = Origin::https();
    let texts: BTreeSet<String> = [ports.to_vec(), vec![open.port()]]
        .concat()
        .iter()
        .flat_map(|port| ["127.0.0.1", "127.9.9.9", "localhost"].map(|host| format!("{host}:{port}")))
        .map(|authority| told(Agent::to(&blocked, Way::Absolute, "https", &authority)))
        .collect();
    assert_eq!(texts.len(), 1, "{texts:#?}");
    assert!(texts.iter().all(|it| it.contains("403")), "{texts:#?}");
    assert_eq!(open.connections(), 0);
}

#[test]
fn a_range_that_is_opened_opens_itself_alone() {
    let appliance = Appliance::builder().set("upstream.allow_private", "[\"127.9.0.0/16\"]").start();
    let listener = TcpListener::bind("127.9.1.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let ask = |host: &str| {
        let mut agent = Agent::to(&appliance, Way::Absolute, "http", &format!("{host}:{port}"));
        let head = agent.head("GET", "/", &[]);
        agent.send(head);
        agent
    };
    let agent = ask("127.9.1.1");
    drop(listener.accept().unwrap());
    drop(agent);
    for host in ["127.0.0.1", "127.8.255.255", "127.10.0.0", "localhost", "169.254.169.254", "10.1.2.3"] {
        ask(host).answer("GET").expect_refusal(403, "forbidden").because("address");
    }
    let own = appliance.address();
    let mut agent = Agent::to(&appliance, Way::Absolute, "http", &own.to_string());
    agent.ask("GET", "/health", &[]).expect_refusal(403, "forbidden").because("address");
}
