//! HTTP in clear inside a tunnel, as clients that tunnel everything send it: judged like absolute form.

use std::process::Command;

use crate::{
    clients::{
        node_package,
        seat::{CLIENTS, PROGRAMS},
    },
    support::{
        Agent, Appliance, Credential, Http2Origin, Origin, Way,
        agent::{NAMED, Shown},
        appliance::{ALIAS, BEARER, KEY},
        process::run,
        skip,
        wait::until,
        world::variable,
    },
};

/// A credential that may also go in plaintext.
fn appliance() -> Appliance {
    let key = Credential::key(ALIAS, KEY, &["localhost:*", "http://localhost:*"]);
    Appliance::builder().credential(key).start()
}

#[test]
fn requests_in_clear_are_served_with_the_credential() {
    let (appliance, origin) = (appliance(), Origin::http());
    let authority = origin.authority();
    let mut agent = Agent::via(&appliance, Way::Tunnel, &origin);
    agent.get("/get?a=1").expect_origins(200);
    agent.post("/post", &[], b"content").expect_origins(200);
    agent.send(format!(
        "PUT /put HTTP/1.1\r\nHost: {authority}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    ));
    agent.answer("PUT").expect_origins(200);
    agent.send(format!("HEAD http://{authority}/absolute HTTP/1.1\r\nHost: {authority}\r\n\r\n"));
    assert_eq!(agent.answer("HEAD").status(), 200);
    let pipelined: String =
        ["/1", "/2"].map(|path| format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\n\r\n")).concat();
    agent.send(pipelined);
    agent.answer("GET").expect_origins(200);
    agent.answer("GET").expect_origins(200);
    let requests = origin.requests();
    let targets: Vec<_> = requests.iter().map(|it| it.target().to_owned()).collect();
    assert_eq!(targets, ["/get?a=1", "/post", "/put", "/absolute", "/1", "/2"]);
    for request in &requests {
        assert_eq!(request.values("authorization"), [BEARER], "{request:#?}");
        request.assert_nothing_of_ours();
    }
    let line = appliance.audit_of(&format!("http://{authority}/put"));
    assert_eq!((&*line.door, line.get("credential"), line.get("status")), ("CONNECT", ALIAS, "200"), "{}", line.text);
}

#[test]
fn the_first_byte_decides_however_late_and_alone_it_comes() {
    let (appliance, origin) = (appliance(), Origin::http());
    for method in ["GET", "get", "M-SEARCH", "!odd"] {
        let mut agent = Agent::via(&appliance, Way::Tunnel, &origin);
        let head = agent.head(method, "/x", &[]);
        let (first, rest) = head.split_at(1);
        agent.send(first);
        assert_eq!(agent.some_within_a_moment(), None, "{method}");
        agent.send(rest);
        agent.answer(method).expect_origins(200);
    }
}

#[test]
fn a_credential_goes_only_where_it_is_bound_in_clear() {
    // That of each appliance is bound to TLS alone.
    for builder in [Appliance::builder(), Appliance::builder().set("proxy.unmatched", "\"deny\"")] {
        let (appliance, origin) = (builder.start(), Origin::http());
        for fields in [&[][..], &[NAMED]] {
            let answers = [Way::Absolute, Way::Tunnel].map(|way| {
                let answer = Agent::via(&appliance, way, &origin).ask("GET", "/x", fields);
                (answer.status(), answer.text())
            });
            assert_eq!(answers[0], answers[1], "{fields:?}");
        }
        assert!(origin.requests().iter().all(|it| it.values("authorization").is_empty()));
    }
    let in_clear = Credential::key(ALIAS, KEY, &["http://localhost:*"]);
    let (appliance, origin) = (Appliance::builder().credential(in_clear).start(), Http2Origin::start());
    let mut agent = Agent::to(&appliance, Way::Tunnel, "https", &origin.authority());
    agent.ask("GET", "/x", &[NAMED]).expect_refusal(403, "forbidden").because("host_not_bound");
    assert_eq!(origin.known().heads.len(), 0);
}

#[test]
fn what_a_tunnel_is_for_does_not_change_in_clear() {
    let (appliance, origin, other) = (appliance(), Origin::http(), Origin::http());
    let (here, there) = (origin.authority(), other.authority());
    for head in [
        format!("GET / HTTP/1.1\r\nHost: {there}\r\n"),
        format!("GET http://{there}/ HTTP/1.1\r\nHost: {there}\r\n"),
        format!("GET http://{there}/ HTTP/1.1\r\nHost: {here}\r\n"),
        format!("GET https://{here}/ HTTP/1.1\r\nHost: {here}\r\n"),
    ] {
        let mut agent = Agent::via(&appliance, Way::Tunnel, &origin);
        agent.send(format!("{head}X-Vultrino-Credential: {ALIAS}\r\n\r\n"));
        agent.answer("GET").expect_refusal(421, "misdirected_request");
    }
    let mut agent = Agent::via(&appliance, Way::Tunnel, &origin);
    agent.send(format!("CONNECT {there} HTTP/1.1\r\nHost: {there}\r\n\r\n"));
    agent.answer("CONNECT").expect_refusal(405, "invalid_request");
    assert_eq!((origin.connections(), other.connections()), (0, 0));
}

#[test]
fn a_page_in_a_browser_gets_no_credential_that_it_does_not_name() {
    let (appliance, origin) = (appliance(), Origin::http());
    for way in [Way::Absolute, Way::Tunnel] {
        let mut agent = Agent::via(&appliance, way, &origin);
        agent.ask("GET", "/page", &[("User-Agent", "Mozilla/5.0 (X11; Linux x86_64)")]).expect_origins(200);
    }
    assert!(origin.requests().iter().all(|it| it.values("authorization").is_empty()), "{:#?}", origin.requests());
}

#[test]
fn a_key_that_is_revoked_serves_no_tunnel_in_clear() {
    let key = Credential::key(ALIAS, KEY, &["http://localhost:*"]);
    let appliance =
        Appliance::builder().server().credential(key).role("agent", "execute", "").key("a", "agent").start();
    let origin = Origin::http();
    let mut agent = Agent::keyed(&appliance, Way::Tunnel, &origin, appliance.key("a"));
    agent.get("/before").expect_origins(200);
    appliance.cli(&["key", "revoke", &appliance.key("a")[..11]]).expect_success();
    until("the key is refused", || {
        let head = agent.head("GET", "/after", &[]);
        let answer = agent.try_send(head).and_then(|()| agent.try_answer("GET"));
        answer.map_or(true, |it| it.status() == 401).then_some(())
    });
    Agent::showing(&appliance, Way::Tunnel, &origin, Shown::Bearer(appliance.key("a")))
        .err()
        .unwrap()
        .expect_refusal(407, "proxy_authentication_required");
}

/// Runs a client that knows the proxy and nothing else, and prints an origin's answers to so many requests.
#[track_caller]
fn assert_served(appliance: &Appliance, count: usize, origin: &Origin, command: &mut Command) {
    let proxy = format!("http://{}", appliance.address());
    command.env_clear().env("PATH", variable("PATH").unwrap_or_default());
    command.env("NODE_PATH", format!("{CLIENTS}/node_modules"));
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy"] {
        command.env(name, &proxy);
    }
    assert_eq!(run(command, "").expect_success().trim_end(), "ok".repeat(count), "{command:?}");
    let requests = origin.requests();
    assert_eq!(requests.len(), count, "{command:?}");
    assert!(requests.iter().all(|it| it.values("authorization") == [BEARER]), "{requests:#?}");
    assert_eq!(appliance.audit_of(&origin.url("/whole")).door, "CONNECT", "{command:?}");
}

#[test]
fn clients_that_tunnel_everything_are_served() {
    let (appliance, origin) = (appliance(), Origin::http());
    let mut curl = Command::new("curl");
    assert_served(&appliance, 1, &origin, curl.args(["-sS", "-p", "--max-time", "20"]).arg(origin.url("/whole")));
    for (program, package) in
        [("undici_proxy.mjs", "undici"), ("undici_proxy.mjs", "undici-7"), ("undici_env.mjs", "undici")]
    {
        if node_package(package).is_none() {
            skip::note(
                "clear_tunnels::clients_that_tunnel_everything_are_served",
                &format!("{package} is not installed"),
            );
            continue;
        }
        let origin = Origin::http();
        let mut node = Command::new("node");
        node.arg(format!("{PROGRAMS}/node/{program}")).args([&*origin.url(""), package]);
        assert_served(&appliance, 2, &origin, &mut node);
    }
}
