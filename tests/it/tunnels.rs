//! CONNECT and what follows it: TLS or HTTP in clear, only to the host that was named, and every request inside is judged.

use std::{thread, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::support::{
    Agent, Appliance, Credential, Origin, Way,
    agent::{NAMED, trusting},
    appliance::{ALIAS, BEARER},
    origin::{Rest, break_off, judge},
    queues::queued,
};

#[test]
fn a_connect_that_is_not_plainly_one_is_refused() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    let (port, authority) = (origin.port(), origin.authority());
    let lines = |target: &str, more: &str| format!("CONNECT {target} HTTP/1.1\r\nHost: {authority}\r\n{more}\r\n");
    for request in [
        lines("localhost", ""),
        lines("localhost:", ""),
        lines("localhost:0", ""),
        lines(&format!("localhost:0{port}"), ""),
        lines("localhost:65536", ""),
        lines("localhost:https", ""),
        lines(&format!(":{port}"), ""),
        lines(&format!("{authority}/x"), ""),
        lines(&format!("/{authority}"), ""),
        lines(&format!("{authority}?x"), ""),
        lines(&format!("{authority}#x"), ""),
        lines(&format!("https://{authority}"), ""),
        lines(&format!("https://{authority}/x"), ""),
        lines(&format!("u@{authority}"), ""),
        lines(&format!("u:p@{authority}"), ""),
        lines(&format!("{authority}, {authority}"), ""),
        lines(&format!("local%68ost:{port}"), ""),
        lines(&format!("[::1:{port}"), ""),
        lines(&format!("[fe80::1%25eth0]:{port}"), ""),
        lines("*", ""),
        lines(&authority, "Content-Length: 5\r\n") + "hello",
        lines(&authority, "Transfer-Encoding: chunked\r\n") + "0\r\n\r\n",
    ] {
        let mut agent = Agent::dial(appliance.address());
        agent.send(&request);
        agent.answer("CONNECT").expect_refusal(400, "invalid_request");
        assert!(agent.is_closed(), "{request}");
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn what_follows_a_refused_connect_is_no_request() {
    let key = Credential::key(ALIAS, "k", &["localhost:*", "http://localhost:*"]);
    let appliance = Appliance::builder().credential(key).start();
    for origin in [Origin::http(), Origin::https()] {
        let smuggled = Agent::via(&appliance, Way::Absolute, &origin).head("GET", "/smuggled", &[NAMED]);
        let lines = |target: &str| format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
        for (target, status) in [
            ("localhost", 400),
            ("u@localhost:443", 400),
            ("other.test:22", 403),
            (&*appliance.address().to_string(), 403),
        ] {
            for at_once in [false, true] {
                let mut agent = Agent::dial(appliance.address());
                agent.send(if at_once { lines(target) + &smuggled } else { lines(target) });
                let answer = agent.answer("CONNECT");
                if at_once {
                    assert!([400, 403].contains(&answer.refusal().status), "{target} {answer:#?}");
                } else {
                    assert_eq!(answer.refusal().status, status, "{target}");
                    drop(agent.try_send(&smuggled));
                }
                assert_eq!(answer.values("connection"), ["close"], "{target} {at_once}");
                assert!(agent.is_closed(), "{target} {at_once}");
            }
        }
        let mut agent = Agent::dial(appliance.address());
        agent.send(lines(&origin.authority()) + &smuggled);
        agent.answer("CONNECT").expect_refusal(400, "invalid_request");
        assert!(agent.is_closed());
        assert_eq!(origin.connections(), 0, "{:#?}", origin.requests());
    }
}

#[test]
fn a_connect_without_a_valid_key_may_be_asked_again() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    let authority = origin.authority();
    let mut agent = Agent::dial(appliance.address());
    for pair in ["a:nokey", "walls:nokey"] {
        let basic = format!("Basic {}", BASE64_STANDARD.encode(pair));
        let refused = agent.connect(&authority, &[("Proxy-Authorization", &basic)]).unwrap_err();
        assert!(refused.values("connection").is_empty(), "{refused:#?}");
        refused.expect_refusal(407, "proxy_authentication_required");
    }
    agent.connect(&authority, &[]).unwrap();
    let mut agent = agent.start_tls(&appliance.ca_file(), "localhost").unwrap();
    agent.send(format!("GET / HTTP/1.1\r\nHost: {authority}\r\n\r\n"));
    agent.answer("GET").expect_origins(200);
}

#[test]
fn a_connect_is_answered_200_and_dials_nobody_yet() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    let mut agent = Agent::dial(appliance.address());
    agent.connect(&origin.authority(), &[("User-Agent", "x"), ("Proxy-Connection", "keep-alive")]).unwrap();
    let agent = agent.start_tls(&appliance.ca_file(), "localhost").unwrap();
    assert_eq!(origin.connections(), 0, "dialled before there was a request");
    drop(agent);
}

#[test]
fn a_connect_on_a_connection_that_has_served_requests_works() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    let mut agent = Agent::via(&appliance, Way::Absolute, &origin);
    agent.get("/1").expect_origins(200);
    agent.connect(&origin.authority(), &[]).unwrap();
    let mut agent = agent.start_tls(&appliance.ca_file(), "localhost").unwrap();
    let head = format!("GET /2 HTTP/1.1\r\nHost: {}\r\n\r\n", origin.authority());
    agent.send(head);
    agent.answer("GET").expect_origins(200);
    assert_eq!(origin.requests().len(), 2);
}

#[test]
fn another_server_name_than_the_one_asked_for_is_refused_in_the_handshake() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    let mut agent = Agent::dial(appliance.address());
    agent.connect(&origin.authority(), &[]).unwrap();
    let refused = agent.start_tls(&appliance.ca_file(), "evil.test").err().unwrap().to_string();
    assert!(refused.contains("UnrecognisedName"), "{refused}");
    let line = appliance.audit("the refusal", |lines| {
        lines.iter().find(|it| it.door == "TUNNEL" && it.get("reason") == "sni_mismatch").cloned()
    });
    assert_eq!(line.get("outcome"), "denied", "{}", line.text);
    assert_eq!(origin.connections(), 0);
}

#[test]
fn a_client_that_names_no_server_gets_the_one_it_asked_for() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    let mut agent = Agent::dial(appliance.address());
    agent.connect(&origin.authority(), &[]).unwrap();
    let mut config = trusting(&appliance.ca_file());
    config.enable_sni = false;
    let mut agent = agent.start_tls_with(config, "localhost").unwrap();
    agent.send(format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", origin.authority()));
    agent.answer("GET").expect_origins(200);
    assert_eq!(origin.only_request().values("authorization"), [BEARER]);
}

#[test]
fn another_host_inside_a_tunnel_is_misdirected() {
    let (origin, other) = (Origin::https(), Origin::https());
    let appliance = Appliance::start();
    let (here, there) = (origin.authority(), other.authority());
    let foreign = [
        format!("GET /no HTTP/1.1\r\nHost: {there}\r\n"),
        format!("GET /no HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n", origin.port()),
        "GET /no HTTP/1.1\r\nHost: localhost\r\n".to_owned(),
        format!("GET https://{there}/no HTTP/1.1\r\nHost: {there}\r\n"),
        format!("GET https://{there}/no HTTP/1.1\r\nHost: {here}\r\n"),
        format!("GET http://{here}/no HTTP/1.1\r\nHost: {here}\r\n"),
    ];
    for head in &foreign {
        for kept_alive in [false, true] {
            let mut agent = Agent::via(&appliance, Way::Tunnel, &origin);
            if kept_alive {
                agent.get("/yes").expect_origins(200);
            }
            agent.send(format!("{head}X-Vultrino-Credential: {ALIAS}\r\n\r\n"));
            agent.answer("GET").expect_refusal(421, "misdirected_request");
        }
    }
    assert_eq!(other.connections(), 0);
    let requests = origin.requests();
    assert!(requests.iter().all(|it| it.target() == "/yes"), "{requests:#?}");
    assert_eq!(requests.len(), foreign.len());
}

#[test]
fn an_absolute_target_that_names_the_tunnels_host_is_served() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    let mut agent = Agent::via(&appliance, Way::Tunnel, &origin);
    let authority = origin.authority();
    agent.send(format!("GET https://{authority}/abs?q HTTP/1.1\r\nHost: {authority}\r\n\r\n"));
    agent.answer("GET").expect_origins(200);
    assert_eq!(origin.only_request().start, "GET /abs?q HTTP/1.1");
}

#[test]
fn a_path_that_looks_like_path_style_is_a_path_inside_a_tunnel() {
    let appliance = Appliance::start();
    let (origin, other) = (Origin::https(), Origin::https());
    let target = format!("/{}", other.url("/x"));
    Agent::via(&appliance, Way::Tunnel, &origin).get(&target).expect_origins(200);
    assert_eq!((origin.only_request().target(), other.connections()), (&*target, 0));
}

#[test]
fn only_ports_of_the_web_and_of_bindings_are_reached() {
    let key = Credential::key(ALIAS, "k", &["bound.test:8443"]);
    let appliance = Appliance::builder().credential(key).start();
    for port in [1, 22, 25, 53, 6379, 8080, 8443, 65535] {
        let refused = Agent::dial(appliance.address()).connect(&format!("other.test:{port}"), &[]).unwrap_err();
        refused.expect_refusal(403, "forbidden");
    }
    for authority in ["other.test:443", "bound.test:8443"] {
        Agent::dial(appliance.address()).connect(authority, &[]).unwrap();
    }
    let appliance = Appliance::builder().without_credentials().set("proxy.connect_ports", "[8443]").start();
    Agent::dial(appliance.address()).connect("other.test:8443", &[]).unwrap();
    let refused = Agent::dial(appliance.address()).connect("other.test:443", &[]).unwrap_err();
    refused.expect_refusal(403, "forbidden");
}

#[test]
fn what_is_neither_tls_nor_http_goes_nowhere() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    for bytes in [
        "SSH-2.0-OpenSSH_9.6\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        "\0\0\0\0\0\0\0\0\0\0\0\0".to_owned(),
        "\u{16}\u{3}\u{1}\u{0}\u{5}hello, this is no hello".to_owned(),
        "EHLO mail\r\n\r\n".to_owned(),
    ] {
        let mut agent = Agent::dial(appliance.address());
        agent.connect(&origin.authority(), &[]).unwrap();
        drop(agent.try_send(&bytes));
        let rest = agent.rest();
        let refused = rest.is_empty() || rest[0] == 0x15 || rest.starts_with(b"HTTP/1.1 400 ");
        assert!(refused, "{bytes:?} was answered {rest:?}: neither an alert of TLS nor a refusal");
    }
    let mut agent = Agent::via(&appliance, Way::Tunnel, &origin);
    agent.get("/next").expect_origins(200);
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn an_upload_that_loses_its_client_is_cancelled_even_if_its_origin_does_not_read() {
    // So long that nothing here ends because of it.
    let appliance = Appliance::builder().set("server.timeout", "600").set("server.max_body_size", "0").start();
    for way in [Way::Path, Way::Absolute, Way::Tunnel] {
        for farewell in [false, true] {
            let origin = Origin::https_with(|visit| {
                visit.head()?;
                visit.broken_off();
                break_off()
            });
            let mut agent = Agent::via(&appliance, way, &origin);
            let head = agent.head("POST", "/upload", &[NAMED, ("Content-Length", "1000000000")]);
            agent.send(head);
            origin.until("the head has arrived", |seen| seen.iter().any(|it| it.count > 0).then_some(()));
            fill(&mut agent, &origin);
            if farewell {
                agent.close();
            } else {
                agent.break_off();
            }
            let end = format!("the upload {way:?} {farewell} is cut");
            let seen = origin.until(&end, |seen| seen.iter().all(|it| it.over).then(|| seen.to_vec()));
            assert_eq!(judge(&seen[0].bytes), (vec![], Rest::Cut), "{way:?} {farewell}");
            let line = appliance.audit_of(&format!("{}/upload", origin.authority()));
            assert_eq!(line.get("outcome"), "client_abort", "{way:?} {}", line.text);
        }
    }
}

/// Sends until the first piece that does not get through to an origin that does not read.
fn fill(agent: &mut Agent, origin: &Origin) {
    loop {
        let before = queued(origin.port());
        agent.send([b'x'; 16 << 10]);
        // Not to wait for anything: a pause is what is looked for.
        let moved = (0..100).any(|_| {
            thread::sleep(Duration::from_millis(2));
            queued(origin.port()) != before
        });
        if !moved {
            return;
        }
    }
}
