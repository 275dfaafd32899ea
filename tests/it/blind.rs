//! Tunnels that nobody looks into: which they are, what may open one, and that what passes is what was sent.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    thread,
};

use crate::support::{
    Agent, Appliance, Credential, Origin, WAYS, Way,
    agent::NAMED,
    appliance::{ALIAS, KEY},
    audit_line::AuditLine,
    memory::Peak,
    queues::queued,
    visit::Visit,
    wait::until,
};

/// A server that speaks first, as that of SSH does, then sends everything back, and says farewell after its client.
fn banner(visit: &mut Visit) -> io::Result<()> {
    visit.write("SSH-2.0-banner\r\n")?;
    loop {
        match visit.more() {
            Err(end) if end.kind() == io::ErrorKind::UnexpectedEof => return visit.write("farewell"),
            more => more?,
        }
        let bytes = std::mem::take(&mut visit.unread);
        visit.write(bytes)?;
    }
}

/// A tunnel to this authority that is answered 200, before anything is said in it.
fn connect(appliance: &Appliance, authority: &str, fields: &str) -> Agent {
    let mut agent = Agent::dial(appliance.address());
    agent.send(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{fields}\r\n"));
    let head = agent.answer_head();
    assert_eq!(head.start, "HTTP/1.1 200 Connection established", "{head:#?}");
    assert!(head.fields.is_empty(), "{head:#?}");
    agent
}

/// Whether the tunnel is passed on unseen; otherwise it is TLS with a certificate of ours.
fn is_blind(appliance: &Appliance, host: &str, port: u16, fields: &str) -> bool {
    let mut agent = connect(appliance, &format!("{host}:{port}"), fields);
    let first = agent.some_within_a_moment();
    if let Some(bytes) = &first {
        assert_eq!(String::from_utf8_lossy(bytes), "SSH-2.0-banner\r\n");
    } else {
        agent.start_tls(&appliance.ca_file(), host).unwrap();
    }
    first.is_some()
}

/// The lines about tunnels, so many.
fn tunnels(appliance: &Appliance, count: usize) -> Vec<AuditLine> {
    appliance.audit(&format!("{count} tunnels"), |lines| {
        let all: Vec<_> = lines.iter().filter(|it| it.door == "TUNNEL").cloned().collect();
        (all.len() == count).then_some(all)
    })
}

fn told<const N: usize>(line: &AuditLine, names: [&str; N]) -> [String; N] {
    names.map(|it| line.get(it).to_owned())
}

#[test]
fn a_client_that_pins_its_server_meets_that_server_and_no_credential_goes_there() {
    let origin = Origin::https();
    let appliance = Appliance::builder().reaching(&origin).set("proxy.tunnel_hosts", "[\"localhost\"]").start();
    let agent = connect(&appliance, &origin.authority(), "");
    assert!(agent.start_tls(&appliance.ca_file(), "localhost").is_err(), "the certificate is one of ours");
    let agent = connect(&appliance, &origin.authority(), "");
    let mut agent = agent.start_tls(&appliance.home().join("origins.pem"), "localhost").unwrap();
    let head = format!(
        "GET /pinned HTTP/1.1\r\nHost: {}\r\nConnection: x\r\n{}: {}\r\n\r\n",
        origin.authority(),
        NAMED.0,
        NAMED.1
    );
    agent.send(head);
    agent.answer("GET").expect_origins(200);
    agent.close();
    let request = origin.requests().pop().unwrap();
    assert!(request.values("authorization").is_empty(), "{request:#?}");
    assert_eq!((request.values("connection"), request.values(NAMED.0)), (vec!["x"], vec![NAMED.1]));
    let line = tunnels(&appliance, 2).pop().unwrap();
    let named = told(&line, ["method", "url", "status", "outcome", "credential", "name", "reason"]);
    assert_eq!(named, ["CONNECT", &*origin.authority(), "200", "ok", "-", "local", "-"]);
    assert_eq!(line.action, "connect");
    assert!(
        line.get("up").parse::<u64>().unwrap() > 300 && line.get("down").parse::<u64>().unwrap() > 500,
        "{}",
        line.text
    );
    assert!(!appliance.audit_text().contains("/pinned"));
}

#[test]
fn which_tunnels_are_looked_into_is_told_by_the_mode_and_by_what_the_caller_may_use() {
    let origin = Origin::not_tls(banner);
    let port = origin.port();
    let start = |mode: &str| {
        Appliance::builder()
            .server()
            .credential(Credential::key("by-host", KEY, &["localhost:*"]))
            .credential(Credential::key("by-name", KEY, &["named.localhost:*"]).with("--no-auto"))
            .credential(Credential::key("plain", KEY, &["http://plain.localhost:*"]))
            .role("all", "execute", "")
            .key("all", "all")
            .role("none", "execute", "nothing-*")
            .key("none", "none")
            .reaching(&origin)
            .set("proxy.unmatched", "\"forward\"")
            .set("proxy.tunnel_hosts", "[\"*.pinned.localhost\", \"127.0.0.1\"]")
            .set("proxy.intercept", mode)
            .start()
    };
    let hosts = [
        "localhost",
        "named.localhost",
        "plain.localhost",
        "other.localhost",
        "a.pinned.localhost",
        "127.0.0.1",
        "pinned.localhost",
    ];
    for (mode, all, none) in
        [("\"all\"", "ttttbbt", "ttttbbt"), ("\"bound\"", "tttbbbb", "bbbbbbb"), ("\"off\"", "bbbbbbb", "bbbbbbb")]
    {
        let appliance = start(mode);
        for (key, expected) in [("all", all), ("none", none)] {
            let field = format!("Proxy-Authorization: Bearer {}\r\n", appliance.key(key));
            let seen: String =
                hosts.iter().map(|host| if is_blind(&appliance, host, port, &field) { 'b' } else { 't' }).collect();
            assert_eq!(seen, expected, "{mode} {key}");
        }
    }
}

#[test]
fn what_is_refused_of_other_tunnels_is_refused_of_blind_ones() {
    let origin = Origin::not_tls(banner);
    let port = origin.port();
    let appliance = Appliance::builder()
        .credential(Credential::key(ALIAS, KEY, &["bound.localhost:*"]))
        .reaching(&origin)
        .set("proxy.intercept", "\"off\"")
        .set("proxy.unmatched", "\"deny\"")
        .set("proxy.tunnel_hosts", "[\"pinned.localhost\"]")
        .start();
    let refused = |authority: &str| {
        let mut agent = Agent::dial(appliance.address());
        let refused = agent.connect(authority, &[]).unwrap_err();
        assert!(agent.is_closed());
        refused
    };
    refused(&format!("other.localhost:{port}")).expect_refusal(403, "forbidden").because("unmatched");
    refused("pinned.localhost:22").expect_refusal(403, "forbidden").because("port");
    for host in ["bound.localhost", "pinned.localhost"] {
        assert!(is_blind(&appliance, host, port, ""), "{host}");
    }
    let lines = tunnels(&appliance, 4);
    let outcomes: Vec<_> = lines[..2].iter().map(|it| told(it, ["outcome", "status"])).collect();
    assert!(outcomes.iter().all(|it| it[0] == "denied"), "{lines:#?}");
}

#[test]
fn no_tunnel_is_said_to_be_open_that_leads_nowhere() {
    let gone = Origin::http();
    let closed = gone.port();
    drop(gone);
    let appliance = Appliance::builder()
        .set("proxy.intercept", "\"off\"")
        .set("proxy.connect_ports", &format!("[443, {closed}]"))
        .start();
    // A listener's own port is known only when it listens.
    let own = appliance.address().port();
    appliance.set("proxy.connect_ports", &format!("[443, {closed}, {own}]"));
    let refuse = |authority: &str| *Agent::dial(appliance.address()).connect(authority, &[]).unwrap_err();
    let mut before = 0;
    until("the listener's own port may be named", || {
        before += 1;
        (refuse(&format!("localhost:{own}")).refusal().reason() == "address").then_some(())
    });
    refuse(&format!("localhost:{closed}")).expect_refusal(502, "upstream_error");
    refuse(&format!("no-such-host.invalid:{closed}")).expect_refusal(502, "upstream_error");
    for host in
        ["10.0.0.1", "169.254.169.254", "[::ffff:169.254.169.254]", "metadata.google.internal", "[fd00:ec2::254]"]
    {
        refuse(&format!("{host}:443")).expect_refusal(403, "forbidden").because("address");
    }
    let lines = tunnels(&appliance, before + 7);
    let outcomes: Vec<_> = lines[before..].iter().map(|it| told(it, ["status", "outcome"]).join(" ")).collect();
    assert_eq!(outcomes[..2], ["502 upstream_error", "502 upstream_error"]);
    assert!(outcomes[2..].iter().all(|it| it == "403 denied"), "{outcomes:?}");
}

#[test]
fn bytes_pass_as_they_are_and_each_side_ends_for_itself() {
    let origin = Origin::not_tls(banner);
    let appliance = Appliance::builder().reaching(&origin).set("proxy.intercept", "\"off\"").start();
    let mut agent = connect(&appliance, &origin.authority(), "");
    agent.read_until("SSH-2.0-banner\r\n");
    let every: Vec<u8> = (0..=255).collect();
    agent.send([&every[..], b"GET / HTTP/1.1\r\nProxy-Authorization: x\r\n\r\n"].concat());
    agent.end_input();
    let rest = agent.rest();
    assert!(rest.starts_with(&every) && rest.ends_with(b"farewell"), "{rest:?}");
    assert!(agent.ended_well());
    drop(agent);
    let line = tunnels(&appliance, 1).remove(0);
    assert_eq!(told(&line, ["outcome", "up", "down"]), ["ok", "298", "322"], "{}", line.text);
    // The other way round.
    let origin = Origin::not_tls(|visit| {
        visit.write("that is all")?;
        visit.close();
        visit.take(5)
    });
    let appliance = Appliance::builder().reaching(&origin).set("proxy.intercept", "\"off\"").start();
    let mut agent = connect(&appliance, &origin.authority(), "");
    assert_eq!(agent.rest(), b"that is all");
    agent.send("later");
    agent.end_input();
    let seen = origin.closed();
    assert_eq!(seen[0].bytes, b"later");
    assert_eq!(tunnels(&appliance, 1)[0].get("outcome"), "ok");
}

#[test]
fn a_reset_is_passed_on_as_one() {
    let origin = Origin::not_tls(|visit| {
        visit.more()?;
        visit.broken_off();
        Ok(())
    });
    let appliance = Appliance::builder().reaching(&origin).set("proxy.intercept", "\"off\"").start();
    let agent = connect(&appliance, &origin.authority(), "");
    agent.reset("x");
    origin.closed();
    let line = tunnels(&appliance, 1).remove(0);
    assert_eq!(told(&line, ["outcome", "up"]), ["client_abort", "1"], "{}", line.text);
}

#[test]
fn much_passes_both_ways_at_once_and_little_of_it_is_kept() {
    const LENGTH: usize = 64 << 20;
    let origin = Origin::not_tls(|visit| {
        let mut socket = visit.socket().try_clone()?;
        let writing = thread::spawn(move || {
            let piece = vec![7; 64 << 10];
            (0..LENGTH / piece.len()).try_for_each(|_| socket.write_all(&piece))
        });
        visit.take(LENGTH)?;
        writing.join().unwrap()
    });
    let appliance = Appliance::builder().reaching(&origin).set("proxy.intercept", "\"off\"").start();
    let mut agent = connect(&appliance, &origin.authority(), "");
    let mut peak = Peak::of(appliance.pid());
    // Nobody reads yet, so nothing more is taken from the origin than fits on the way.
    let mut last = 0;
    until("all buffers are full", || {
        let now = queued(origin.port());
        (std::mem::replace(&mut last, now) == now && now > 0).then_some(())
    });
    let mut reading = agent.socket_copy();
    let read = thread::spawn(move || {
        let (mut buffer, mut count) = (vec![0; 64 << 10], 0);
        loop {
            match reading.read(&mut buffer).unwrap() {
                0 => return count,
                some => count += some,
            }
        }
    });
    let piece = vec![9; 64 << 10];
    for _ in 0..LENGTH / piece.len() {
        agent.send(&piece);
        peak.look();
    }
    agent.end_input();
    let early = agent.unread();
    assert_eq!(read.join().unwrap() + early, LENGTH);
    let peak = peak.mib();
    assert!(peak < 40, "{peak} MiB at the peak");
    let line = tunnels(&appliance, 1).remove(0);
    assert_eq!(
        told(&line, ["outcome", "up", "down"]),
        ["ok", &*LENGTH.to_string(), &*LENGTH.to_string()],
        "{}",
        line.text
    );
}

#[test]
fn a_key_that_is_revoked_ends_its_blind_tunnels_and_no_others() {
    let origin = Origin::not_tls(banner);
    let builder = ["gone", "stays"]
        .into_iter()
        .fold(Appliance::builder().server(), |it, name| it.role(name, "execute", "").key(name, name));
    let appliance = builder.reaching(&origin).set("proxy.tunnel_hosts", "[\"localhost\"]").start();
    let authority = origin.authority();
    let open = |name: &str| {
        let mut agent =
            connect(&appliance, &authority, &format!("Proxy-Authorization: Bearer {}\r\n", appliance.key(name)));
        agent.read_until("banner\r\n");
        agent
    };
    let refused = Agent::dial(appliance.address()).connect(&authority, &[]).unwrap_err();
    refused.expect_refusal(407, "proxy_authentication_required");
    let (mut gone, mut stays) = (open("gone"), open("stays"));
    appliance.cli(&["key", "revoke", &appliance.key("gone")[..11]]).expect_success();
    assert!(gone.is_closed() && !gone.ended_well());
    stays.send("still there?");
    stays.read_until("still there?");
    let line = tunnels(&appliance, 2).pop().unwrap();
    assert_eq!(
        told(&line, ["outcome", "status", "name", "down"]),
        ["revoked_midstream", "200", "gone", "16"],
        "{}",
        line.text
    );
}

#[test]
fn what_is_looked_into_follows_the_configuration() {
    let origin = Origin::not_tls(banner);
    let appliance = Appliance::builder().reaching(&origin).start();
    assert!(!is_blind(&appliance, "localhost", origin.port(), ""));
    appliance.set("proxy.tunnel_hosts", "[\"localhost\"]");
    until("the host is left alone", || is_blind(&appliance, "localhost", origin.port(), "").then_some(()));
    appliance.set("proxy.tunnel_hosts", "[]");
    until("it is looked into again", || (!is_blind(&appliance, "localhost", origin.port(), "")).then_some(()));
}

#[test]
fn other_ways_are_served_as_ever_while_tunnels_are_blind() {
    let origin = Origin::https();
    let appliance =
        Appliance::builder().set("proxy.intercept", "\"off\"").set("proxy.tunnel_hosts", "[\"localhost\"]").start();
    for way in WAYS {
        if way != Way::Tunnel {
            Agent::via(&appliance, way, &origin).get("/").expect_origins(200);
        }
    }
    assert!(origin.requests().iter().all(|it| it.values("authorization").len() == 1));
}

#[test]
fn many_tunnels_count_against_the_rate_of_their_key() {
    let origin = Origin::not_tls(banner);
    let builder = Appliance::builder().server().role("agent", "execute", "").key("agent", "agent").reaching(&origin);
    let appliance = builder.set("proxy.tunnel_hosts", "[\"localhost\"]").set("rate_limits.proxy", "2").start();
    let shown = format!("Bearer {}", appliance.key("agent"));
    for _ in 0..2 {
        let field = format!("Proxy-Authorization: {shown}\r\n");
        connect(&appliance, &origin.authority(), &field).read_until("banner\r\n");
    }
    let fields = [("Proxy-Authorization", &*shown)];
    let refused = Agent::dial(appliance.address()).connect(&origin.authority(), &fields).unwrap_err();
    refused.expect_refusal(429, "rate_limited");
    assert!(tunnels(&appliance, 3).iter().any(|it| it.get("status") == "429"));
    assert_eq!(origin.connections(), 2);
}

#[test]
fn a_client_that_leaves_while_it_is_dialled_for_is_gone() {
    let origin = Origin::not_tls(banner);
    let appliance = Appliance::builder().reaching(&origin).set("proxy.intercept", "\"off\"").start();
    let mut socket = TcpStream::connect(appliance.address()).unwrap();
    socket.write_all(format!("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n\r\n", origin.authority()).as_bytes()).unwrap();
    socket.shutdown(Shutdown::Both).unwrap();
    origin.closed();
    // Whether it was seen to leave before or after the dial, there is one line.
    let line = tunnels(&appliance, 1).remove(0);
    assert!(["ok", "client_abort", "upstream_abort"].contains(&line.get("outcome")), "{}", line.text);
}

#[test]
fn silence_of_both_sides_ends_a_tunnel_and_a_websocket_in_the_end() {
    let switched = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    let origin = Origin::not_tls(banner);
    let socket =
        Origin::https_with(move |visit| visit.head().and_then(|_| visit.write(switched)).and_then(|()| visit.more()));
    let appliance = Appliance::builder()
        .reaching(&origin)
        .set("proxy.tunnel_hosts", "[\"pinned.localhost\"]")
        .set("limits.tunnel_idle_timeout", "1")
        .start();
    let mut tunnel = connect(&appliance, &format!("pinned.localhost:{}", origin.port()), "");
    let mut agent = Agent::via(&appliance, Way::Absolute, &socket);
    agent.send(agent.head("GET", "/socket", &[NAMED, ("Connection", "Upgrade"), ("Upgrade", "websocket")]));
    agent.answer_head();
    tunnel.read_until("banner\r\n");
    assert!(tunnel.is_closed() && agent.is_closed() && !tunnel.ended_well() && !agent.ended_well());
    origin.closed();
    socket.closed();
    for line in [appliance.audit_of("/socket"), tunnels(&appliance, 1).remove(0)] {
        assert_eq!(told(&line, ["outcome", "reason"]), ["ok", "idle"], "{}", line.text);
    }
}

#[test]
fn a_tunnel_takes_its_share_of_what_its_client_may_have_open() {
    let origin = Origin::not_tls(banner);
    let appliance = Appliance::builder()
        .reaching(&origin)
        .set("proxy.intercept", "\"off\"")
        .set("limits.requests_per_client", "2")
        .start();
    let authority = origin.authority();
    let mut open = [(); 2].map(|()| connect(&appliance, &authority, ""));
    for agent in &mut open {
        agent.read_until("banner\r\n");
    }
    let refused = Agent::dial(appliance.address()).connect(&authority, &[]).unwrap_err();
    refused.expect_refusal(503, "overloaded");
    assert_eq!(origin.connections(), 2);
    drop(open);
    until("there is room again", || {
        let mut agent = Agent::dial(appliance.address());
        agent.send(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n"));
        (agent.answer_head().start == "HTTP/1.1 200 Connection established").then_some(())
    });
}
