//! A page in a browser of this machine cannot use the listener, neither across origins nor by rebinding its own name.

use crate::support::{
    Agent, Answer, Appliance, Credential, Http2Client, Origin, Shown, Way,
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
    let fields = [NAMED, ("Origin", "https://app.test"), ("Sec-Fetch-Site", "cross-site")];
    Agent::via(&appliance, Way::Tunnel, &origin).ask("GET", "/x", &fields).expect_origins(200);
    let request = origin.only_request();
    assert_eq!(request.values("origin"), ["https://app.test"]);
    assert_eq!(request.values("authorization"), [BEARER]);
}

/// What a browser that uses the proxy sends for a page of another site.
const FOREIGN: [(&str, &str); 5] = [
    ("Sec-Fetch-Site", "cross-site"),
    ("Sec-Fetch-Site", "unheard-of"),
    ("Origin", "https://evil.test"),
    ("Origin", "http://localhost"),
    ("Origin", "null"),
];

#[test]
fn a_page_that_uses_the_proxy_gets_no_credential_that_it_does_not_name() {
    let appliance = Appliance::start();
    let strict = Appliance::builder().set("proxy.unmatched", "\"deny\"").start();
    let user = Shown::Password(ALIAS, "").value().unwrap();
    let proxy = [("Proxy-Authorization", &*user)];
    for field in FOREIGN {
        for way in [Way::Absolute, Way::Tunnel] {
            // Chosen by host, and by the user name of the proxy's address.
            for fields in [&[][..], &proxy] {
                let origin = Origin::https();
                let mut agent = Agent::with(&appliance, way, "https", &origin.authority(), fields).unwrap();
                let own = if way == Way::Absolute { fields } else { &[] };
                agent.ask("GET", "/x", &[own, &[field]].concat()).expect_origins(200);
                let request = origin.only_request();
                assert!(request.values("authorization").is_empty(), "{way:?} {field:?} {fields:?}");
                assert_eq!(request.values(field.0), [field.1], "{way:?}");
                let mut agent = Agent::with(&strict, way, "https", &origin.authority(), fields).unwrap();
                let answer = agent.ask("GET", "/x", &[own, &[field]].concat());
                answer.expect_refusal(403, "forbidden").because("cross_origin");
            }
            let origin = Origin::https();
            Agent::via(&strict, way, &origin).ask("GET", "/x", &[NAMED, field]).expect_origins(200);
            assert_eq!(origin.only_request().values("authorization"), [BEARER], "{way:?} {field:?}");
        }
        let origin = Origin::https();
        let lower = field.0.to_ascii_lowercase();
        let fields = [(&*lower, field.1)];
        Http2Client::to(&appliance, &origin.authority()).ask("GET", "/x", &fields).expect_origins(200);
        assert!(origin.only_request().values("authorization").is_empty(), "{field:?}");
    }
}

#[test]
fn pages_of_the_origin_itself_and_programs_get_theirs() {
    let appliance = Appliance::start();
    for way in [Way::Absolute, Way::Tunnel] {
        let origin = Origin::https();
        let own = origin.url("").trim_end_matches('/').to_owned();
        for fields in [
            &[][..],
            &[("Origin", &*own)],
            &[("Sec-Fetch-Site", "same-origin")],
            &[("Sec-Fetch-Site", "none"), ("User-Agent", "Mozilla/5.0")],
        ] {
            Agent::via(&appliance, way, &origin).ask("GET", "/x", fields).expect_origins(200);
        }
        assert!(origin.requests().iter().all(|it| it.values("authorization") == [BEARER]), "{way:?}");
        assert_eq!(origin.requests().len(), 4, "{way:?}");
    }
}

/// Browsers do not say there whose page it is.
#[test]
fn in_clear_a_browser_gets_no_credential_that_it_does_not_name() {
    let key = Credential::key(ALIAS, "plain-key", &["http://localhost:*"]);
    let appliance = Appliance::builder().credential(key).start();
    let user = Shown::Password(ALIAS, "").value().unwrap();
    let browser = ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36");
    let accept = ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    for (fields, injected) in [
        (vec![browser], false),
        (vec![accept], false),
        (vec![browser, ("Proxy-Authorization", &*user)], false),
        (vec![browser, NAMED], true),
        (vec![("User-Agent", "curl/8.5.0"), ("Accept", "*/*")], true),
        (vec![("Proxy-Authorization", &*user)], true),
    ] {
        let origin = Origin::http();
        Agent::via(&appliance, Way::Absolute, &origin).ask("GET", "/x", &fields).expect_origins(200);
        assert_eq!(!origin.only_request().values("authorization").is_empty(), injected, "{fields:?}");
    }
}
