//! WebSocket: the handshake is a request like any other, what follows is passed on as it is, and nothing else upgrades.

use std::io;

use crate::support::{
    Agent, Appliance, Credential, Origin, WAYS, Way,
    agent::NAMED,
    appliance::{ALIAS, BEARER, KEY},
    origin::{OK, break_off},
    visit::Visit,
};

/// What a client of RFC 6455 sends.
const ASK: [(&str, &str); 5] = [
    NAMED,
    ("Connection", "keep-alive, Upgrade"),
    ("Upgrade", "WebSocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];
const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nContent-Length: 0\r\n\r\n";

/// Sends everything back until the client says farewell, then says it, too.
fn echo(visit: &mut Visit) -> io::Result<()> {
    visit.head()?;
    visit.write(format!("{SWITCHED}hello, "))?;
    loop {
        let bytes = std::mem::take(&mut visit.unread);
        visit.write(bytes)?;
        match visit.more() {
            Err(end) if end.kind() == io::ErrorKind::UnexpectedEof => return visit.write("farewell"),
            more => more?,
        }
    }
}

/// Asks for the upgrade and sends these bytes right behind.
fn ask(agent: &mut Agent, path: &str, behind: &str) {
    let head = agent.head("GET", path, &ASK);
    agent.send(head + behind);
}

/// An agent whose connection has become a WebSocket.
fn open(agent: Agent, path: &str) -> Agent {
    let mut agent = agent;
    ask(&mut agent, path, "");
    assert_eq!(agent.answer_head().start, "HTTP/1.1 101 Switching Protocols");
    agent
}

/// A credential that may also go in plaintext.
fn appliance() -> Appliance {
    let key = Credential::key(ALIAS, KEY, &["localhost:*", "http://localhost:*"]);
    Appliance::builder().credential(key).start()
}

#[test]
fn a_websocket_opens_in_each_way_with_the_credential_and_loses_no_byte() {
    let appliance = appliance();
    for (way, tls) in WAYS.into_iter().flat_map(|way| [(way, true), (way, false)]) {
        let origin = if tls { Origin::https_with(echo) } else { Origin::http_with(echo) };
        let mut agent = Agent::via(&appliance, way, &origin);
        ask(&mut agent, "/socket", "not to be lost");
        let head = agent.answer_head();
        assert_eq!(head.start, "HTTP/1.1 101 Switching Protocols");
        assert_eq!((head.values("upgrade"), head.values("connection")), (vec!["websocket"], vec!["Upgrade"]));
        assert_eq!(head.values("sec-websocket-accept"), ["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]);
        assert_eq!(head.fields.len(), 3, "{head:#?}");
        agent.read_until("hello, not to be lost");
        agent.send(b"\x81\x02\xff\x00\r\n\r\n");
        assert_eq!(agent.read_until("\r\n\r\n"), "\u{81}\u{2}\u{ff}\0\r\n\r\n");
        agent.end_input();
        assert_eq!(agent.rest(), b"farewell", "{way:?}");
        assert!(agent.ended_well(), "{way:?}");
        let seen = origin.closed();
        let (request, length) = crate::support::wire::head(&seen[0].bytes).unwrap();
        assert_eq!(request.values("authorization"), [BEARER], "{way:?}");
        assert_eq!((request.values("upgrade"), request.values("connection")), (vec!["websocket"], vec!["Upgrade"]));
        assert_eq!(request.values("sec-websocket-key"), ["dGhlIHNhbXBsZSBub25jZQ=="]);
        assert_eq!(&seen[0].bytes[length..], b"not to be lost\x81\x02\xff\x00\r\n\r\n");
        let line = appliance.audit_of(&format!("{}/socket", origin.authority()));
        let told = ["status", "outcome", "up", "down", "credential"].map(|it| line.get(it));
        assert_eq!(told, ["101", "ok", "22", "37", ALIAS], "{}", line.text);
    }
}

#[test]
fn either_side_may_say_farewell_first() {
    let appliance = appliance();
    for way in WAYS {
        let origin = Origin::https_with(|visit| {
            visit.head()?;
            visit.write(SWITCHED)?;
            visit.write("all that I had to say")?;
            visit.close();
            visit.take("later".len())
        });
        let mut agent = open(Agent::via(&appliance, way, &origin), "/first");
        assert_eq!(agent.rest(), b"all that I had to say");
        assert!(agent.ended_well(), "{way:?}");
        agent.send("later");
        origin.until("what came after its farewell", |seen| seen[0].bytes.ends_with(b"later").then_some(()));
        agent.end_input();
        origin.closed();
        let line = appliance.audit_of(&format!("{}/first", origin.authority()));
        assert_eq!([line.get("outcome"), line.get("up")], ["ok", "5"], "{way:?} {}", line.text);
    }
}

#[test]
fn whoever_breaks_off_breaks_off_the_other() {
    let appliance = appliance();
    for way in WAYS {
        let origin = Origin::https_with(|visit| {
            visit.head()?;
            visit.write(SWITCHED)?;
            visit.take(2)?;
            break_off()
        });
        let mut agent = open(Agent::via(&appliance, way, &origin), "/origin");
        agent.send("go");
        agent.rest();
        assert!(way != Way::Tunnel || !agent.ended_well(), "a cut looks like a farewell");
        let line = appliance.audit_of(&format!("{}/origin", origin.authority()));
        assert_eq!(line.get("outcome"), "upstream_abort", "{way:?} {}", line.text);
    }
    let origin = Origin::https_with(|visit| {
        visit.head()?;
        visit.write(SWITCHED)?;
        visit.more()
    });
    open(Agent::via(&appliance, Way::Tunnel, &origin), "/client").break_off();
    origin.closed();
    let line = appliance.audit_of(&format!("{}/client", origin.authority()));
    assert_eq!(line.get("outcome"), "client_abort", "{}", line.text);
}

#[test]
fn silence_that_would_end_a_request_does_not_end_a_websocket() {
    let appliance = Appliance::builder().set("server.timeout", "1").start();
    let (origin, silent) =
        (Origin::https_with(echo), Origin::https_with(|visit| visit.head().and_then(|_| visit.more())));
    let mut agents = WAYS.map(|way| open(Agent::via(&appliance, way, &origin), "/quiet"));
    for agent in &mut agents {
        agent.read_until("hello, ");
    }
    // So long that a request would have timed out twice.
    for _ in 0..2 {
        Agent::via(&appliance, Way::Absolute, &silent).get("/").expect_refusal(504, "upstream_timeout");
    }
    for agent in &mut agents {
        agent.send("still there?");
        agent.read_until("still there?");
    }
}

#[test]
fn a_key_that_is_revoked_ends_its_websockets_and_no_others() {
    let builder = ["gone", "stays"].into_iter().fold(Appliance::builder().server(), |it, name| {
        it.credential(Credential::key(name, name, &["localhost:*"])).role(name, "execute", name).key(name, name)
    });
    let appliance = builder.start();
    let origins = ["gone", "stays"].map(|_| Origin::https_with(echo));
    let open = |at: usize, name: &str, way| {
        let mut agent = Agent::keyed(&appliance, way, &origins[at], appliance.key(name));
        let head = agent.head("GET", "/socket", &[&ASK[1..], &[("X-Vultrino-Credential", name)]].concat());
        agent.send(head);
        agent.read_until("hello, ");
        agent
    };
    let mut gone = WAYS.map(|way| open(0, "gone", way));
    let mut stays = WAYS.map(|way| open(1, "stays", way));
    appliance.cli(&["key", "revoke", &appliance.key("gone")[..11]]).expect_success();
    for agent in &mut gone {
        assert!(agent.is_closed() && !agent.ended_well());
    }
    origins[0].closed();
    let lines = appliance.audit("three ends", |lines| {
        let ends: Vec<_> = lines.iter().filter(|it| it.get("status") == "101").cloned().collect();
        (ends.len() == 3).then_some(ends)
    });
    assert!(lines.iter().all(|it| it.get("outcome") == "revoked_midstream" && it.get("down") == "7"), "{lines:#?}");
    for agent in &mut stays {
        agent.send("still there?");
        agent.read_until("still there?");
    }
}

#[test]
fn an_upgrade_that_is_refused_leaves_the_connection_as_it_was() {
    let appliance = appliance();
    let refusal =
        "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 4\r\n\r\nno";
    for way in WAYS {
        let origin = Origin::https_with(move |visit| {
            while let Some(request) = visit.request()? {
                let more = if request.target() == "/socket" { refusal.to_owned() + "pe" } else { String::new() };
                visit.write(if more.is_empty() { OK.to_vec() } else { more.into_bytes() })?;
            }
            Ok(())
        });
        let mut agent = Agent::via(&appliance, way, &origin);
        for _ in 0..2 {
            ask(&mut agent, "/socket", "");
            let answer = agent.answer("GET").expect_origins(426);
            assert_eq!((answer.text(), answer.values("upgrade").len()), ("nope".to_owned(), 0), "{way:?}");
            agent.get("/next").expect_origins(200);
        }
        let line = appliance.audit_of(&format!("{}/socket", origin.authority()));
        assert_eq!([line.get("status"), line.get("outcome")], ["426", "ok"], "{}", line.text);
    }
}

#[test]
fn a_websocket_takes_no_connection_that_waits_and_leaves_none() {
    let appliance = appliance();
    let origin = Origin::https_with(|visit| {
        while let Some(request) = visit.head()? {
            if request.values("upgrade").is_empty() {
                visit.write(OK)?;
            } else {
                visit.write(SWITCHED)?;
                visit.more()?;
                return Ok(());
            }
        }
        Ok(())
    });
    let mut agent = Agent::via(&appliance, Way::Tunnel, &origin);
    agent.get("/1").expect_origins(200);
    let mut socket = open(agent, "/socket");
    assert_eq!(origin.connections(), 2, "the upgrade went over a connection that had served");
    socket.send("done");
    socket.rest();
    for way in WAYS {
        Agent::via(&appliance, way, &origin).get("/2").expect_origins(200);
    }
}

#[test]
fn only_a_whole_and_plain_request_for_websocket_is_passed_on_as_one() {
    let appliance = appliance();
    let origin = Origin::https();
    let ask = |agent: &mut Agent, method: &str, fields: &[(&str, &str)]| {
        agent.ask(method, "/", &[&[NAMED], fields].concat()).expect_origins(200);
    };
    for fields in [
        [("Connection", "Upgrade"), ("Upgrade", "h2c")],
        [("Connection", "Upgrade"), ("Upgrade", "websocket, h2c")],
        [("Connection", "Upgrade"), ("Upgrade", "h2c, websocket")],
        [("Connection", "Upgrade"), ("Upgrade", "websocket/13")],
        [("Connection", "Upgrade"), ("Upgrade", "TLS/1.0")],
        [("Connection", "Upgrade"), ("Upgrade", "")],
        [("Connection", "Upgrade"), ("X-Upgrade", "websocket")],
        [("Connection", "keep-alive"), ("Upgrade", "websocket")],
        [("X-Connection", "Upgrade"), ("Upgrade", "websocket")],
        [("Upgrade", "websocket"), ("Upgrade", "websocket")],
    ] {
        for way in WAYS {
            ask(&mut Agent::via(&appliance, way, &origin), "GET", &fields);
        }
    }
    for method in ["POST", "OPTIONS", "HEAD", "get"] {
        ask(
            &mut Agent::via(&appliance, Way::Tunnel, &origin),
            method,
            &[("Connection", "Upgrade"), ("Upgrade", "websocket")],
        );
    }
    let upgrade = [NAMED, ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Content-Length", "4")];
    let mut agent = Agent::via(&appliance, Way::Absolute, &origin);
    let head = agent.head("GET", "/body", &upgrade);
    agent.send(head + "body");
    agent.answer("GET").expect_origins(200);
    let mut agent = Agent::via(&appliance, Way::Absolute, &origin);
    let head = agent.head("GET", "/old", &ASK).replace("HTTP/1.1", "HTTP/1.0");
    agent.send(head);
    agent.answer("GET").expect_origins(200);
    let requests = origin.requests();
    assert_eq!(requests.len(), 36);
    for request in requests {
        assert!(request.values("upgrade").is_empty(), "{request:#?}");
        assert!(request.values("connection").iter().all(|it| *it == "close"), "{request:#?}");
    }
}

#[test]
fn a_switch_to_what_nobody_asked_for_is_no_answer() {
    let appliance = appliance();
    for fields in [
        "Upgrade: h2c\r\nConnection: Upgrade\r\n",
        "Upgrade: websocket, h2c\r\nConnection: Upgrade\r\n",
        "Upgrade: websocket\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n",
        "Connection: Upgrade\r\n",
    ] {
        let origin = Origin::answering(format!("HTTP/1.1 101 Switching Protocols\r\n{fields}\r\nsomething"));
        for way in WAYS {
            let mut agent = Agent::via(&appliance, way, &origin);
            ask(&mut agent, "/socket", "");
            agent.answer("GET").expect_refusal(502, "upstream_error");
        }
        origin.closed();
    }
    let origin = Origin::answering(SWITCHED);
    for way in WAYS {
        Agent::via(&appliance, way, &origin).get("/plain").expect_refusal(502, "upstream_error");
    }
    origin.closed();
}

#[test]
fn a_policy_judges_the_handshake() {
    let appliance = Appliance::builder()
        .sections(
            "\n[[policies]]\nname = \"no-sockets\"\ncredential_pattern = \"*\"\ndefault_action = \"allow\"\n\
             [[policies.rules]]\ncondition = { url_match = \"https://localhost:*/socket\" }\naction = \"deny\"\n",
        )
        .start();
    let origin = Origin::https_with(echo);
    for way in WAYS {
        let mut agent = Agent::via(&appliance, way, &origin);
        ask(&mut agent, "/socket", "");
        agent.answer("GET").expect_refusal(403, "policy_denied");
        open(Agent::via(&appliance, way, &origin), "/open");
    }
}

#[test]
fn a_websocket_is_on_the_record_once_also_when_the_server_ends_first() {
    let mut appliance = appliance();
    let origin = Origin::https_with(echo);
    let mut agent = open(Agent::via(&appliance, Way::Tunnel, &origin), "/socket");
    agent.read_until("hello, ");
    appliance.signal("TERM");
    appliance.expect_printed("a second signal ends them");
    agent.send("still there?");
    agent.read_until("still there?");
    let status = appliance.end();
    assert!(status.success(), "{status}: {}", appliance.printed());
    assert!(agent.is_closed());
    let line = appliance.audit_of("/socket");
    assert_eq!(["outcome", "up", "down"].map(|it| line.get(it)), ["interrupted", "12", "19"], "{}", line.text);
    let text = appliance.restart().audit_text();
    assert_eq!(text.lines().filter(|it| it.contains("/socket")).count(), 1, "{text}");
}
