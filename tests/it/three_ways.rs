//! The main job: in each of the three ways the credential arrives, once, and everything else as the client sent it.

use crate::support::{
    Agent, Appliance, Credential, Origin, WAYS, Way,
    agent::NAMED,
    appliance::{ALIAS, BEARER},
    origin::OK,
    wire::Message,
};

#[test]
fn each_way_injects_the_key_once_and_passes_nothing_of_ours() {
    let appliance = Appliance::start();
    for way in WAYS {
        let origin = Origin::https();
        let fields = [
            NAMED,
            ("X-Vultrino-Policy", "lenient"),
            ("X-Vultrino-Whatever", "1"),
            ("Proxy-Connection", "keep-alive"),
            ("User-Agent", "walls/1.0 (a; b)"),
            ("AuThOrIzAtIoN", "Bearer my-own"),
            ("X-Mixed-CASE", "Kept, as \"is\""),
        ];
        Agent::via(&appliance, way, &origin).ask("GET", "/user?a=1", &fields).expect_origins(200);
        let request = origin.only_request();
        request.assert_nothing_of_ours();
        assert_eq!(request.start, "GET /user?a=1 HTTP/1.1", "{way:?}");
        assert_eq!(request.values("host"), [origin.authority()], "{way:?}");
        assert_eq!(request.values("authorization"), [BEARER], "{way:?}");
        assert_eq!(names(&request), ["authorization", "host", "user-agent", "x-mixed-case"], "{way:?}");
        for (name, value) in &fields[4..] {
            if !name.eq_ignore_ascii_case("authorization") {
                assert!(request.fields.contains(&((*name).to_owned(), (*value).to_owned())), "{way:?} {name}");
            }
        }
    }
}

#[test]
fn a_plaintext_origin_is_reached_where_the_binding_permits_it() {
    let key = Credential::key(ALIAS, "plain-key", &["http://localhost:*"]);
    let appliance = Appliance::builder().credential(key).start();
    for way in [Way::Path, Way::Absolute] {
        let origin = Origin::http();
        Agent::via(&appliance, way, &origin).get("/x").expect_origins(200);
        let request = origin.only_request();
        request.assert_nothing_of_ours();
        assert_eq!(request.values("authorization"), ["Bearer plain-key"], "{way:?}");
        assert_eq!(request.values("host"), [origin.authority()], "{way:?}");
    }
}

#[test]
fn a_user_name_and_password_go_up_as_basic() {
    let basic = Credential::basic(ALIAS, "al%ice", "p:ss w\u{21}rd", &["localhost:*"]);
    let appliance = Appliance::builder().credential(basic).start();
    for way in WAYS {
        let origin = Origin::https();
        let own = [NAMED, ("Authorization", "Basic bWU6bWU=")];
        Agent::via(&appliance, way, &origin).ask("GET", "/", &own).expect_origins(200);
        assert_eq!(origin.only_request().values("authorization"), ["Basic YWwlaWNlOnA6c3MgdyFyZA=="], "{way:?}");
    }
}

#[test]
fn a_header_name_of_its_own_replaces_that_field_and_no_other() {
    let key = Credential::key(ALIAS, "k-123", &["localhost:*"]);
    let key = key.with("--metadata").with(r#"{"header_name":"X-API-Key"}"#);
    let appliance = Appliance::builder().credential(key).start();
    for way in WAYS {
        let origin = Origin::https();
        let own = [NAMED, ("x-api-key", "mine"), ("X-API-KEY", "mine too"), ("Authorization", "Bearer my-own")];
        Agent::via(&appliance, way, &origin).ask("GET", "/", &own).expect_origins(200);
        let request = origin.only_request();
        assert_eq!(request.values("x-api-key"), ["k-123"], "{way:?}");
        assert_eq!(request.values("authorization"), ["Bearer my-own"], "{way:?}");
    }
}

#[test]
fn a_header_may_carry_the_key_behind_a_prefix() {
    let key = Credential::key(ALIAS, "k-123", &["localhost:*"]).with("--header").with("Authorization=Token");
    let appliance = Appliance::builder().credential(key).start();
    for way in WAYS {
        let origin = Origin::https();
        Agent::via(&appliance, way, &origin).ask("GET", "/", &[NAMED]).expect_origins(200);
        assert_eq!(origin.only_request().values("authorization"), ["Token k-123"], "{way:?}");
    }
}

#[test]
fn an_address_instead_of_a_name_is_reached_too() {
    let key = Credential::key(ALIAS, "by-address", &["127.0.0.1:*"]);
    let appliance = Appliance::builder().credential(key).start();
    for way in WAYS {
        let origin = Origin::https();
        let authority = format!("127.0.0.1:{}", origin.port());
        Agent::to(&appliance, way, "https", &authority).get("/").expect_origins(200);
        let request = origin.only_request();
        assert_eq!(request.values("host"), [&*authority], "{way:?}");
        assert_eq!(request.values("authorization"), ["Bearer by-address"], "{way:?}");
        assert_eq!(origin.seen()[0].server_name, None, "{way:?}: an address is no server name");
    }
}

#[test]
fn path_and_query_arrive_byte_for_byte() {
    let appliance = Appliance::start();
    let targets = [
        "/",
        "/?",
        "/a%2Fb/group%2fproject/@scope%2Fname",
        "/q?x=%2f&y=a+b&z=%E4%f6&&=;'()*!$,:@/?~-._&last=",
        "/q?a[0]=1&a[]=2&url=https://u:p@other.example:1/x?y",
        "/%7Euser/caf%C3%A9",
    ];
    for way in WAYS {
        let origin = Origin::https();
        let mut agent = Agent::via(&appliance, way, &origin);
        for target in targets {
            agent.get(target).expect_origins(200);
        }
        let arrived: Vec<String> = origin.requests().iter().map(|it| it.target().to_owned()).collect();
        assert_eq!(arrived, targets, "{way:?}");
    }
}

#[test]
fn a_fragment_is_neither_judged_nor_sent() {
    let policy = "[[policies]]\nname = \"fragments\"\ncredential_pattern = \"*\"\ndefault_action = \"deny\"\n\
        [[policies.rules]]\ncondition = { url_match = \"https://localhost:*/ok\" }\naction = \"allow\"\n";
    let appliance = Appliance::builder().sections(policy).start();
    for way in WAYS {
        let origin = Origin::https();
        let mut agent = Agent::via(&appliance, way, &origin);
        agent.get("/ok#/elsewhere?x").expect_origins(200);
        agent.get("/elsewhere#/ok").expect_refusal(403, "policy_denied");
        assert_eq!(origin.only_request().target(), "/ok", "{way:?}");
    }
}

#[test]
fn a_host_field_beside_an_absolute_target_leads_nowhere() {
    let (good, evil) = (Origin::https(), Origin::https());
    let key = Credential::key(ALIAS, "k", &[&good.authority()]);
    let appliance = Appliance::builder().credential(key).start();
    let (here, there) = (good.authority(), evil.authority());
    let request = |host: &str| format!("GET https://{here}/x HTTP/1.1\r\nHost: {host}\r\n{}: {ALIAS}\r\n\r\n", NAMED.0);
    for host in [&*there, "evil.test", "localhost", "127.0.0.1"] {
        let mut agent = Agent::dial(appliance.address());
        agent.send(request(host));
        agent.answer("GET").expect_origins(200);
    }
    assert_eq!((evil.connections(), good.requests().len()), (0, 4));
    for request in good.requests() {
        assert_eq!(request.values("host"), [&*here]);
        assert_eq!(request.values("authorization"), ["Bearer k"]);
    }
    assert!(good.seen().iter().all(|it| it.server_name.as_deref() == Some("localhost")));
}

#[test]
fn a_url_without_a_path_asks_for_the_root() {
    let appliance = Appliance::start();
    for way in [Way::Path, Way::Absolute] {
        let origin = Origin::https();
        let mut agent = Agent::via(&appliance, way, &origin);
        agent.get("").expect_origins(200);
        agent.get("?q=1").expect_origins(200);
        let arrived: Vec<String> = origin.requests().iter().map(|it| it.target().to_owned()).collect();
        assert_eq!(arrived, ["/", "/?q=1"], "{way:?}");
    }
}

#[test]
fn method_and_body_arrive_as_sent() {
    let appliance = Appliance::start();
    let every_byte: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    for way in WAYS {
        let origin = Origin::https();
        let mut agent = Agent::via(&appliance, way, &origin);
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "GET", "PURGE"] {
            let head = agent.head(method, "/m", &[NAMED, ("Content-Length", "70000"), ("Content-Type", "a/b")]);
            agent.send([head.as_bytes(), &every_byte].concat());
            agent.answer(method).expect_origins(200);
            let request = origin.requests().pop().unwrap();
            assert_eq!((request.method(), request.values("content-type")), (method, vec!["a/b"]), "{way:?}");
            assert!(request.body == every_byte, "{way:?} {method}: {} bytes arrived", request.body.len());
        }
    }
}

#[test]
fn the_answer_comes_back_as_the_origin_gave_it() {
    let appliance = Appliance::start();
    let fields =
        "Server: it/1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-RateLimit-Limit: 7\r\nETag: \"x\"\r\nX-ODD-case: Yes";
    for status in ["200 OK", "201 Made", "401 Not you", "404 ", "418 I'm a teapot", "429 Slow", "500 Oh", "503 No"] {
        let origin = Origin::answering(format!("HTTP/1.1 {status}\r\n{fields}\r\nContent-Length: 4\r\n\r\nbody"));
        for way in WAYS {
            let answer = Agent::via(&appliance, way, &origin).get("/").expect_origins(status[..3].parse().unwrap());
            assert_eq!(answer.text(), "body", "{way:?}");
            let sent = fields.lines().map(|line| line.split_once(": ").unwrap());
            for (name, value) in sent {
                assert!(answer.fields.contains(&(name.to_owned(), value.to_owned())), "{way:?} {name}: {answer:#?}");
            }
            let ours = ["via", "date", "x-cache", "age", "access-control-allow-origin"];
            assert!(ours.iter().all(|name| answer.values(name).is_empty()), "{way:?} {answer:#?}");
        }
    }
}

#[test]
fn redirects_come_back_and_are_not_followed() {
    let appliance = Appliance::builder().credential(Credential::key(ALIAS, "k", &["localhost:*"])).start();
    let elsewhere = Origin::https();
    for status in [301, 302, 303, 307, 308] {
        let location = elsewhere.url("/steal");
        let origin =
            Origin::answering(format!("HTTP/1.1 {status} X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"));
        for way in WAYS {
            let answer = Agent::via(&appliance, way, &origin).get("/").expect_origins(status);
            assert_eq!(answer.values("location"), [&*location], "{way:?}");
        }
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn one_slash_after_the_scheme_is_the_same_as_two() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    let mut agent = Agent::dial(appliance.address());
    let host = appliance.address();
    for scheme in ["https:/", "https://", "HTTPS://", "HtTpS:/"] {
        let target = format!("/{scheme}{}/one?x=//y", origin.authority());
        agent.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nX-Vultrino-Credential: {ALIAS}\r\n\r\n"));
        agent.answer("GET").expect_origins(200);
    }
    let requests = origin.requests();
    assert!(requests.iter().all(|it| it.start == "GET /one?x=//y HTTP/1.1"), "{requests:#?}");
    assert_eq!(requests.len(), 4);
}

#[test]
fn a_prefix_that_a_front_proxy_did_not_strip_is_understood() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    let mut agent = Agent::dial(appliance.address());
    let host = appliance.address();
    for scheme in ["https:/", "https://"] {
        let target = format!("/proxy/{scheme}{}/one?x", origin.authority());
        agent.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nX-Vultrino-Credential: {ALIAS}\r\n\r\n"));
        agent.answer("GET").expect_origins(200);
    }
    assert!(origin.requests().iter().all(|it| it.start == "GET /one?x HTTP/1.1"));
}

#[test]
fn health_is_answered_and_other_pages_are_not_there() {
    let appliance = Appliance::start();
    let mut agent = Agent::dial(appliance.address());
    let host = appliance.address();
    agent.send(format!("GET /health HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    let answer = agent.answer("GET");
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body, serde_json::json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }));
    for target in ["/", "/user", "/v1/nothing", "/health/x", "/api.github.com/user"] {
        agent.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        agent.answer("GET").expect_refusal(404, "not_found");
    }
}

#[test]
fn a_request_of_http_1_0_is_answered_and_then_the_connection_ends() {
    let appliance = Appliance::start();
    let origin = Origin::answering(OK);
    let mut agent = Agent::dial(appliance.address());
    let (host, target) = (appliance.address(), origin.url("/old"));
    agent.send(format!("GET /{target} HTTP/1.0\r\nHost: {host}\r\nX-Vultrino-Credential: {ALIAS}\r\n\r\n"));
    agent.answer("GET").expect_origins(200);
    assert!(agent.is_closed());
    assert_eq!(origin.only_request().start, "GET /old HTTP/1.1");
    // Before 1.1 there was no Host.
    let mut agent = Agent::dial(appliance.address());
    agent.send(format!("GET {target} HTTP/1.0\r\n\r\n"));
    agent.answer("GET").expect_origins(200);
    assert_eq!(origin.requests()[1].values("host"), [origin.authority()]);
}

fn names(request: &Message) -> Vec<String> {
    let mut names: Vec<String> = request.fields.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort();
    names
}
