//! `OPTIONS` about a server as a whole, and requests that are to go no further than so many hops (RFC 9110 section 7.6.2).

use serde_json::json;

use crate::support::{
    Agent, Answer, Appliance, Credential, Http2Client, Http2Origin, Origin, WAYS, Way,
    agent::NAMED,
    appliance::{ALIAS, BEARER, KEY},
    http2_client::{answer, run},
    parent::Parent,
    wire::Message,
};

fn appliance() -> Appliance {
    let key = Credential::key(ALIAS, KEY, &["localhost:*", "http://localhost:*"]);
    Appliance::builder().credential(key).start()
}

/// Asks with this request-target.
#[track_caller]
fn ask(appliance: &Appliance, method: &str, target: &str, host: &str) -> Answer {
    let mut agent = Agent::dial(appliance.address());
    agent.send(format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{}: {}\r\n\r\n", NAMED.0, NAMED.1));
    agent.answer(method)
}

#[test]
fn options_of_a_url_without_a_path_asks_for_the_server_as_a_whole() {
    let appliance = appliance();
    let here = appliance.address().to_string();
    for start in [Origin::http, Origin::https] {
        for (method, behind, expected) in [
            ("OPTIONS", "", "*"),
            ("OPTIONS", "#x", "*"),
            ("OPTIONS", "/", "/"),
            ("OPTIONS", "?", "/?"),
            ("OPTIONS", "?x=1", "/?x=1"),
            ("OPTIONS", "/x", "/x"),
            ("GET", "", "/"),
            ("POST", "", "/"),
            ("options", "", "/"),
        ] {
            let origin = start();
            let (url, host) = (origin.url(""), origin.authority());
            ask(&appliance, method, &format!("{url}{behind}"), &host).expect_origins(200);
            ask(&appliance, method, &format!("/{url}{behind}"), &here).expect_origins(200);
            assert_eq!(appliance.api_without_key().execute(ALIAS, method, &format!("{url}{behind}")).status(), 200);
            let requests = origin.requests();
            let targets: Vec<&str> = requests.iter().map(Message::target).collect();
            assert_eq!(targets, [expected; 3], "{method} {url}{behind}");
            assert!(requests.iter().all(|it| it.values("authorization") == [BEARER] && it.values("host") == [&*host]));
        }
    }
}

#[test]
fn in_a_tunnel_and_over_http2_it_asks_for_the_same() {
    let appliance = appliance();
    let origin = Origin::https();
    for target in ["*".to_owned(), origin.url("")] {
        let mut agent = Agent::via(&appliance, Way::Tunnel, &origin);
        agent.send(format!("OPTIONS {target} HTTP/1.1\r\nHost: {}\r\n\r\n", origin.authority()));
        agent.answer("OPTIONS").expect_origins(200);
    }
    let mut client = Http2Client::to(&appliance, &origin.authority());
    let star = http::Uri::builder().scheme("https").authority(origin.authority()).path_and_query("*").build().unwrap();
    let request = http::Request::builder().method("OPTIONS").uri(star).body(()).unwrap();
    let asked = client.begin(request, true).unwrap();
    run(answer(asked.response)).unwrap().expect_origins(200);
    assert!(origin.requests().iter().all(|it| it.target() == "*"), "{:#?}", origin.requests());
    assert_eq!(origin.requests().len(), 3);
    let new = Http2Origin::start();
    for way in [Way::Path, Way::Absolute] {
        let mut agent = Agent::to(&appliance, way, "https", &new.authority());
        agent.ask("OPTIONS", "", &[NAMED]).expect_origins(200);
    }
    let paths: Vec<String> = new.heads().iter().map(|it| it.uri.path().to_owned()).collect();
    assert_eq!(paths, ["*", "*"]);
}

#[test]
fn a_policy_judges_the_server_as_a_whole_as_its_root() {
    let policy = "[[policies]]\nname = \"root\"\ncredential_pattern = \"*\"\ndefault_action = \"allow\"\n\
        [[policies.rules]]\ncondition = { url_match = \"https://localhost:*/*\" }\naction = \"deny\"\n";
    let appliance = Appliance::builder().sections(policy).start();
    let origin = Origin::https();
    for way in [Way::Path, Way::Absolute] {
        for path in ["", "/", "/x"] {
            let mut agent = Agent::via(&appliance, way, &origin);
            agent.ask("OPTIONS", path, &[NAMED]).expect_refusal(403, "policy_denied");
        }
    }
    let mut agent = Agent::via(&appliance, Way::Tunnel, &origin);
    agent.ask("OPTIONS", "*", &[NAMED]).expect_refusal(403, "policy_denied");
    assert_eq!(origin.connections(), 0);
}

#[test]
fn a_parent_proxy_is_asked_for_a_url_without_a_path() {
    let parent = Parent::open();
    let key = Credential::key(ALIAS, KEY, &["http://origin.test:*"]);
    let builder = Appliance::builder().credential(key).without("upstream.allow_private");
    let appliance = builder.set("upstream.proxy", &parent.setting("")).start();
    let origin = Origin::http();
    let url = format!("http://origin.test:{}", origin.port());
    ask(&appliance, "OPTIONS", &url, "origin.test").expect_origins(200);
    assert_eq!(parent.heads()[0].start, format!("OPTIONS {url} HTTP/1.1"));
}

#[test]
fn the_last_hop_is_ours() {
    let appliance = appliance();
    let (old, new) = (Origin::https(), Http2Origin::start());
    for zero in ["0", "00", "000000000000000000000000000"] {
        let field = ("Max-Forwards", zero);
        for (at, authority) in [old.authority(), new.authority()].iter().enumerate() {
            for way in WAYS {
                let path = format!("/last-{zero}-{at}-{way:?}");
                let mut agent = Agent::to(&appliance, way, "https", authority);
                is_ours(&agent.ask("OPTIONS", &path, &[NAMED, field]));
                is_ours(&agent.ask("OPTIONS", &path, &[NAMED, field]));
                let line = appliance.audit_of(&path);
                assert_eq!((line.get("status"), line.get("outcome")), ("200", "ok"), "{}", line.text);
            }
            let mut client = Http2Client::to(&appliance, authority);
            is_ours(&client.ask("OPTIONS", "/", &[("max-forwards", zero)]));
        }
    }
    assert_eq!((old.connections(), new.known().connections), (0, 0));
    for way in WAYS {
        for forwards in ["0", "5", "x"] {
            let mut agent = Agent::via(&appliance, way, &old);
            agent.ask("TRACE", "/", &[NAMED, ("Max-Forwards", forwards)]).expect_refusal(405, "invalid_request");
        }
    }
    assert_eq!(old.connections(), 0);
}

#[track_caller]
fn is_ours(answer: &Answer) {
    assert_eq!((answer.status(), answer.text().as_str()), (200, ""), "{answer:#?}");
    assert!(answer.values("allow").join(", ").contains("OPTIONS"), "{answer:#?}");
    assert_eq!(answer.values("content-length"), ["0"], "{answer:#?}");
    assert!(answer.values("proxy-status").is_empty(), "it is no error: {answer:#?}");
}

#[test]
fn each_hop_is_counted() {
    let appliance = appliance();
    for (sent, arrives) in [
        ("1", "0"),
        ("5", "4"),
        ("010", "9"),
        ("18446744073709551615", "18446744073709551614"),
        ("99999999999999999999999", "18446744073709551614"),
    ] {
        let (old, new) = (Origin::https(), Http2Origin::start());
        for way in WAYS {
            let field = ("max-FORWARDS", sent);
            Agent::via(&appliance, way, &old).ask("OPTIONS", "/", &[NAMED, field]).expect_origins(200);
            Agent::to(&appliance, way, "https", &new.authority())
                .ask("OPTIONS", "/", &[NAMED, field])
                .expect_origins(200);
        }
        Http2Client::to(&appliance, &old.authority())
            .ask("OPTIONS", "/", &[("max-forwards", sent)])
            .expect_origins(200);
        assert!(old.requests().iter().all(|it| it.values("max-forwards") == [arrives]), "{:#?}", old.requests());
        assert!(new.heads().iter().all(|it| it.headers["max-forwards"] == *arrives), "{sent}");
        assert_eq!((old.requests().len(), new.heads().len()), (4, 3));
    }
}

#[test]
fn other_methods_and_requests_that_begin_with_us_are_not_counted() {
    let appliance = appliance();
    for (method, value) in [("GET", "0"), ("POST", "3"), ("DELETE", "x")] {
        let origin = Origin::https();
        Agent::via(&appliance, Way::Path, &origin)
            .ask(method, "/", &[NAMED, ("Max-Forwards", value)])
            .expect_origins(200);
        assert_eq!(origin.only_request().values("max-forwards"), [value]);
    }
    let origin = Origin::https();
    let params = json!({ "method": "OPTIONS", "url": origin.url("/"), "headers": { "Max-Forwards": "1" } });
    let asked = json!({ "credential": ALIAS, "action": "http.request", "params": params });
    assert_eq!(appliance.api_without_key().post("/v1/execute", &asked).status(), 200);
    assert_eq!(origin.only_request().values("max-forwards"), ["1"]);
}

#[test]
fn hops_that_are_no_number_are_refused() {
    let appliance = appliance();
    let origin = Origin::https();
    for (at, value) in ["", "-1", "+1", "x", "1, 2", "1.0", "0x1", "1 2"].into_iter().enumerate() {
        for way in WAYS {
            let path = format!("/hops-{at}-{way:?}");
            let mut agent = Agent::via(&appliance, way, &origin);
            agent.ask("OPTIONS", &path, &[NAMED, ("Max-Forwards", value)]).expect_refusal(400, "invalid_request");
            assert_eq!(appliance.audit_of(&path).get("status"), "400", "{value:?}");
        }
        let mut client = Http2Client::to(&appliance, &origin.authority());
        client.ask("OPTIONS", "/", &[("max-forwards", value)]).expect_refusal(400, "invalid_request");
    }
    let twice = [NAMED, ("Max-Forwards", "5"), ("Max-Forwards", "5")];
    for way in WAYS {
        Agent::via(&appliance, way, &origin).ask("OPTIONS", "/", &twice).expect_refusal(400, "invalid_request");
    }
    assert_eq!(origin.connections(), 0);
}
