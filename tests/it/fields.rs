//! Which fields go up: not those of the hop, not those that a client names to lose, not a twin of the injected one.

use std::fs;

use serde_json::{Map, json};

use crate::support::{
    Agent, Appliance, Credential, Http2Client, Origin, WAYS, Way,
    agent::NAMED,
    appliance::{ALIAS, BEARER},
};

#[test]
fn fields_of_the_hop_stay_here() {
    let appliance = Appliance::start();
    for way in WAYS {
        let origin = Origin::https();
        let fields = [
            NAMED,
            ("Connection", "keep-alive, X-Named, x-also-named"),
            ("Keep-Alive", "timeout=5"),
            ("Proxy-Connection", "keep-alive"),
            ("TE", "trailers, deflate"),
            ("Upgrade", "h2c, websocket"),
            ("X-Named", "for the hop"),
            ("X-Also-Named", "too"),
            ("X-Not-Named", "for the origin"),
        ];
        Agent::via(&appliance, way, &origin).ask("GET", "/", &fields).expect_origins(200);
        let request = origin.only_request();
        let mut names: Vec<String> = request.fields.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        // That we can read trailers is ours to say (RFC 9110 section 10.1.4).
        names.retain(|name| name != "te" && name != "connection");
        names.sort();
        assert_eq!(names, ["authorization", "host", "x-not-named"], "{way:?} {request:#?}");
        let te = request.values("te");
        assert!(te.is_empty() || te == ["trailers"], "{way:?} {te:?}");
        let connection = request.values("connection").join(", ").to_ascii_lowercase();
        assert!(["", "te", "keep-alive", "keep-alive, te"].contains(&&*connection), "{way:?} {connection}");
    }
}

#[test]
fn a_client_cannot_name_the_injected_field_as_one_of_the_hop() {
    let key = Credential::key("custom", "k-123", &["localhost:*"]);
    let key = key.with("--metadata").with(r#"{"header_name":"X-API-Key"}"#);
    let plain = Credential::key(ALIAS, "k-456", &["localhost:*"]);
    let appliance = Appliance::builder().credential(key).credential(plain).start();
    for way in WAYS {
        for connection in ["authorization", "Authorization, close", "close, x-api-key", "x-vultrino-credential"] {
            let origin = Origin::https();
            let ask = |alias| {
                let fields = [("Connection", connection), ("X-Vultrino-Credential", alias), ("X-API-Key", "mine")];
                Agent::via(&appliance, way, &origin).ask("GET", "/", &fields).expect_origins(200);
                origin.requests().pop().unwrap()
            };
            assert_eq!(ask("custom").values("x-api-key"), ["k-123"], "{way:?} {connection}");
            let request = ask(ALIAS);
            assert_eq!(request.values("authorization"), ["Bearer k-456"], "{way:?} {connection}");
            assert_eq!(request.values("host"), [origin.authority()], "{way:?} {connection}");
        }
    }
}

#[test]
fn twins_of_the_injected_field_go() {
    let key = Credential::key("custom", "k-123", &["localhost:*"]);
    let key = key.with("--metadata").with(r#"{"header_name":"X-API-Key"}"#);
    let plain = Credential::key(ALIAS, "k-456", &["localhost:*"]);
    let appliance = Appliance::builder().credential(key).credential(plain).start();
    for way in WAYS {
        let origin = Origin::https();
        let twins = [("AUTHORIZATION", "1"), ("X_API_KEY", "4"), ("x-api_key", "5"), ("X-Api-Key", "6")];
        for (alias, name, value) in [("custom", "x-api-key", "k-123"), (ALIAS, "authorization", "Bearer k-456")] {
            let fields = [&[("X-Vultrino-Credential", alias)], &twins[..]].concat();
            Agent::via(&appliance, way, &origin).ask("GET", "/", &fields).expect_origins(200);
            let request = origin.requests().pop().unwrap();
            let folded = |it: &str| it.to_ascii_lowercase().replace('_', "-");
            let found: Vec<&str> =
                request.fields.iter().filter(|(it, _)| folded(it) == name).map(|(_, value)| &**value).collect();
            assert_eq!(found, [value], "{way:?} {request:#?}");
        }
    }
}

/// Pairs of fields that, beside [`NAMED`], two parsers could take for two values.
const REPEATED: [[(&str, &str); 2]; 6] = [
    [("Authorization", "Bearer a"), ("Authorization", "Bearer b")],
    [("Authorization", "Bearer a"), ("authorization", "Bearer a")],
    [("Content-Type", "text/plain"), ("content-type", "application/json")],
    [("Content-Type", "text/plain"), ("Content_Type", "application/json")],
    [("X-Vultrino-Policy", "a"), ("x-vultrino-policy", "b")],
    [("x-vultrino-credential", "other"), ("X-Other", "a")],
];

#[test]
fn fields_that_may_stand_once_are_refused_when_they_are_repeated() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    for way in WAYS {
        for (at, fields) in REPEATED.iter().enumerate() {
            let path = format!("/repeated-{way:?}-{at}");
            let answer = Agent::via(&appliance, way, &origin).ask("GET", &path, &[&[NAMED], &fields[..]].concat());
            answer.expect_refusal(400, "invalid_request");
            let line = appliance.audit_of(&format!("{}{path}", origin.authority()));
            assert_eq!((line.get("status"), line.get("outcome")), ("400", "denied"), "{}", line.text);
        }
    }
    let proxy = [("Proxy-Authorization", "Basic YTo="), ("proxy-authorization", "Basic YTo=")];
    Agent::via(&appliance, Way::Absolute, &origin).ask("GET", "/", &proxy).expect_refusal(400, "invalid_request");
    let mut agent = Agent::dial(appliance.address());
    agent.connect(&origin.authority(), &proxy).unwrap_err().expect_refusal(400, "invalid_request");
    // On our own paths too, and over HTTP/2.
    let mut api = appliance.api_without_key();
    for (at, fields) in REPEATED.iter().enumerate() {
        assert_eq!(
            api.ask("GET", "/v1/credentials", &[&[NAMED], &fields[..]].concat(), b"").status(),
            400,
            "{fields:?}"
        );
        api = appliance.api_without_key();
        let path = format!("/repeated-h2-{at}");
        let mut client = Http2Client::to(&appliance, &origin.authority());
        let lower = [NAMED, fields[0], fields[1]].map(|(name, value)| (name.to_ascii_lowercase(), value));
        let answer = client.ask("GET", &path, &lower.each_ref().map(|(name, value)| (&**name, *value)));
        answer.expect_refusal(400, "invalid_request");
        appliance.audit_of(&format!("{}{path}", origin.authority()));
    }
    // A description in JSON cannot name a field twice, but in two cases.
    for names in [["Authorization", "authorization"], ["Content-Type", "Content_Type"], ["Host", "host"]] {
        let headers: Map<_, _> = names.map(|it| (it.to_owned(), json!("a"))).into_iter().collect();
        let params = json!({ "method": "GET", "url": origin.url("/x"), "headers": headers });
        let asked = json!({ "credential": ALIAS, "action": "http.request", "params": params });
        appliance.api_without_key().post("/v1/execute", &asked).expect_refusal(400, "invalid_request");
        if names[0] != "Host" {
            let [one, two] = names.map(|it| format!("{it}: a"));
            let out = appliance.cli(&["request", ALIAS, &origin.url("/x"), "-H", &one, "-H", &two]);
            assert!(!out.status.success() && out.stderr.contains("is repeated"), "{out:?}");
        }
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn twins_of_framing_go() {
    let appliance = Appliance::start();
    for way in WAYS {
        for (name, value) in [
            ("Content_Length", "3"),
            ("content_length", "3"),
            ("Transfer_Encoding", "chunked"),
            ("TRANSFER_ENCODING", "chunked"),
        ] {
            let origin = Origin::https();
            let mut agent = Agent::via(&appliance, way, &origin);
            agent.ask("GET", "/", &[NAMED, (name, value)]).expect_origins(200);
            agent.post("/", &[(name, value)], b"hello").expect_origins(200);
            for request in origin.requests() {
                let twin = request.fields.iter().find(|(it, _)| it.contains('_'));
                assert_eq!(twin, None, "{way:?} {request:#?}");
            }
            assert_eq!(origin.requests()[1].body, b"hello", "{way:?} {name}");
        }
    }
}

#[test]
fn a_key_of_ours_is_known_behind_any_number_of_spaces() {
    let appliance = Appliance::start();
    let key = "a1B2".repeat(8);
    for way in WAYS {
        let (status, code) = match way {
            Way::Path | Way::Tunnel => (401, "unauthorized"),
            Way::Absolute => (407, "proxy_authentication_required"),
        };
        let origin = Origin::https();
        for spaces in [" ", "  ", "     "] {
            let authorization = format!("Bearer{spaces}vk_{key}");
            let fields = [NAMED, ("Authorization", &*authorization)];
            Agent::via(&appliance, way, &origin).ask("GET", "/", &fields).expect_refusal(status, code);
        }
        assert_eq!(origin.connections(), 0, "{way:?}");
    }
}

#[test]
fn twins_of_our_own_fields_go() {
    let appliance = Appliance::start();
    for way in WAYS {
        let origin = Origin::https();
        let fields =
            [NAMED, ("X_Vultrino_Credential", "other"), ("x-vultrino_policy", "p"), ("PROXY_AUTHORIZATION", "a")];
        Agent::via(&appliance, way, &origin).ask("GET", "/", &fields).expect_origins(200);
        origin.only_request().assert_nothing_of_ours();
    }
}

#[test]
fn configured_fields_are_stripped_and_added() {
    let appliance = Appliance::builder()
        .set("proxy.strip_headers", r#"["X-Vultrino-Credential", "X-Vultrino-Policy", "X-Internal"]"#)
        .set("proxy.inject_headers", r#"{ "X-Forwarded-By" = "appliance-7" }"#)
        .start();
    for way in WAYS {
        let origin = Origin::https();
        let fields = [NAMED, ("x-internal", "a"), ("X-Forwarded-By", "client")];
        Agent::via(&appliance, way, &origin).ask("GET", "/", &fields).expect_origins(200);
        let request = origin.only_request();
        assert_eq!(request.values("x-forwarded-by"), ["appliance-7"], "{way:?}");
        assert_eq!(request.values("x-internal"), Vec::<&str>::new(), "{way:?}");
        assert_eq!(request.values("authorization"), [BEARER], "{way:?}");
    }
}

#[test]
fn an_upgrade_to_http_2_is_not_passed_on() {
    let appliance = Appliance::start();
    for way in WAYS {
        let origin = Origin::https();
        let fields = [
            NAMED,
            ("Connection", "Upgrade, HTTP2-Settings"),
            ("Upgrade", "h2c"),
            ("HTTP2-Settings", "AAMAAABkAAQAAP__"),
        ];
        Agent::via(&appliance, way, &origin).ask("GET", "/", &fields).expect_origins(200);
        let request = origin.only_request();
        request.assert_nothing_of_ours();
        assert!(request.values("http2-settings").is_empty(), "{way:?} {request:#?}");
    }
}

#[test]
fn a_credential_that_would_break_a_head_is_refused_when_it_is_added() {
    let appliance = Appliance::start();
    let before = fs::read(appliance.home().join("credentials.enc")).unwrap();
    let add = ["add", "--alias", "bad", "--host", "localhost", "--key"];
    let key = "abc";
    let metadata = |name: &str| format!(r#"{{"header_name":"{name}"}}"#);
    for broken in ["a\r\nX: y", "a\nb", "a\rb", "a\u{7f}b", "a\u{1}b"] {
        let output = appliance.cli(&[&add[..], &[broken]].concat());
        assert_eq!(output.status.code(), Some(2), "{broken:?} {output:?}");
    }
    for name in [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "Connection",
        "X-Vultrino-Key",
        "a b",
        "a:b",
        "",
        "Proxy-Authorization",
    ] {
        let output = appliance.cli(&[&add[..], &[key, "--metadata", &metadata(name)]].concat());
        assert_eq!(output.status.code(), Some(2), "{name:?} {output:?}");
    }
    let basic = ["add", "--alias", "bad", "--type", "basic_auth", "--host", "localhost"];
    for (user, password) in [("a:b", "c"), ("a\nb", "c"), ("a", "b\r\nc")] {
        let output = appliance.cli(&[&basic[..], &["--username", user, "--password", password]].concat());
        assert_eq!(output.status.code(), Some(2), "{user:?} {output:?}");
    }
    assert!(fs::read(appliance.home().join("credentials.enc")).unwrap() == before, "the store changed");
}

#[test]
fn the_way_of_the_client_is_no_concern_of_the_origin() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    for way in WAYS {
        let fields = [NAMED, ("User-Agent", "same"), ("Accept", "*/*"), ("Accept-Encoding", "gzip, br")];
        Agent::via(&appliance, way, &origin).ask("GET", "/x?y", &fields).expect_origins(200);
    }
    let requests = origin.requests();
    assert!(requests.iter().all(|it| it == &requests[0]), "{requests:#?}");
    assert_eq!(requests.len(), [Way::Path, Way::Absolute, Way::Tunnel].len());
}
