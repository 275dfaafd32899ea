//! A page in a browser of this machine cannot use the listener, neither across origins nor by rebinding its own name.

use crate::support::{
    Agent, Answer, Appliance, Origin, Way,
    appliance::{ALIAS, BEARER},
};

/// A path-style request with this method, `Host` and fields.
#[track_caller]
fn ask(appliance: &Appliance, origin: &Origin, method: &str, host: &str, fields: &[(&str, &str)]) -> Answer {
    let mut agent = Agent::dial(appliance.address());
    let lines: String = fields.iter().flat_map(|(name, value)| [name, ": ", value, "\r\n"]).collect();
    agent.send(format!("{method} /{} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n", origin.url("/x")));
    agent.answer(method)
}

const NAMED: (&str, &str) = ("X-Vultrino-Credential", ALIAS);

#[test]
fn a_foreign_host_is_refused() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    let port = appliance.address().port();
    for host in [
        "attacker.com".to_owned(),
        format!("attacker.com:{port}"),
        format!("localhost.attacker.com:{port}"),
        format!("127.0.0.1.nip.io:{port}"),
        "169.254.169.254".to_owned(),
        origin.authority().replace("localhost", "rebound.test"),
    ] {
        let answer = ask(&appliance, &origin, "GET", &host, &[NAMED]);
        assert_eq!(answer.status(), 403, "{host} {answer:?}");
        answer.expect_refusal(403, "forbidden");
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn our_own_names_are_accepted() {
    let appliance = Appliance::builder().set("server.allowed_hosts", "[\"gateway.test\"]").start();
    let origin = Origin::https();
    let port = appliance.address().port();
    for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}"), format!("LocalHost:{port}")] {
        ask(&appliance, &origin, "GET", &host, &[NAMED]).expect_origins(200);
    }
    for host in ["gateway.test".to_owned(), format!("gateway.test:{port}")] {
        ask(&appliance, &origin, "GET", &host, &[NAMED]).expect_origins(200);
    }
    ask(&appliance, &origin, "GET", "gateway.test.evil.test", &[NAMED]).expect_refusal(403, "forbidden");
}

#[test]
fn a_page_of_another_origin_is_refused() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    let host = appliance.address().to_string();
    for fields in [
        &[("Origin", "https://evil.test")][..],
        &[("Origin", "null")],
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Sec-Fetch-Site", "same-site")],
        &[("Origin", "https://evil.test"), ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "cors")],
    ] {
        let answer = ask(&appliance, &origin, "GET", &host, &[&[NAMED], fields].concat());
        assert!(answer.values("access-control-allow-origin").is_empty(), "{answer:#?}");
        answer.expect_refusal(403, "forbidden");
        // Without the header, either reason is a good one.
        let answer = ask(&appliance, &origin, "POST", &host, &[fields, &[("Content-Length", "0")]].concat());
        let refusal = answer.refusal();
        assert!(["forbidden", "missing_credential"].contains(&&*refusal.code), "{refusal:?}");
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn a_preflight_gets_no_permission() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    let fields = [
        ("Origin", "https://evil.test"),
        ("Access-Control-Request-Method", "GET"),
        ("Access-Control-Request-Headers", "x-vultrino-credential"),
    ];
    let answer = ask(&appliance, &origin, "OPTIONS", &appliance.address().to_string(), &fields);
    let names = ["access-control-allow-origin", "access-control-allow-headers", "access-control-allow-methods"];
    assert!(names.iter().all(|name| answer.values(name).is_empty()), "{answer:#?}");
    let refusal = answer.refusal();
    assert!(
        [("missing_credential", 400), ("forbidden", 403)].contains(&(&*refusal.code, refusal.status)),
        "{refusal:?}"
    );
    assert_eq!(origin.connections(), 0);
}

#[test]
fn a_page_that_is_no_page_may_ask() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    let host = appliance.address().to_string();
    // What a browser's address bar and its extensions send.
    ask(&appliance, &origin, "GET", &host, &[NAMED, ("Sec-Fetch-Site", "none")]).expect_origins(200);
}

#[test]
fn inside_tunnels_origin_and_host_are_the_clients_own() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    let fields = [("Origin", "https://app.test"), ("Sec-Fetch-Site", "cross-site")];
    Agent::via(&appliance, Way::Tunnel, &origin).ask("GET", "/x", &fields).expect_origins(200);
    let request = origin.only_request();
    assert_eq!(request.values("origin"), ["https://app.test"]);
    assert_eq!(request.values("authorization"), [BEARER]);
}
