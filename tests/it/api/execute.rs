//! `POST /v1/execute`: the same exchange as behind the proxy, described in JSON.

use serde_json::{Value, json};

use crate::{
    api::{Client, json as body},
    support::{
        Answer, Appliance, Credential, Origin,
        appliance::{ALIAS, BEARER},
    },
};

#[track_caller]
fn execute(appliance: &Appliance, params: &Value) -> Answer {
    let asked = json!({ "credential": ALIAS, "action": "http.request", "params": params });
    Client::of(appliance).send("POST", "/v1/execute", &asked)
}

#[test]
fn a_request_is_made_with_the_credential_and_told_as_json() {
    let appliance = Appliance::start();
    let origin = Origin::answering(b"HTTP/1.1 201 Created\r\nX-One: 1\r\nx-one: 2\r\nContent-Length: 2\r\n\r\n{}");
    let params = json!({
        "method": "POST",
        "url": origin.url("/repos?a=1#frag"),
        "headers": { "Accept": "application/json", "Connection": "close, X-Hop", "X-Hop": "1", "Host": "evil.test" },
        "query": { "q": "a b&c", "é": "/" },
        "body": "title=é",
    });
    let answer = body(&execute(&appliance, &params));
    assert_eq!(answer["status"], 201);
    assert_eq!(answer["body"], "{}");
    assert_eq!(answer["headers"]["x-one"], "1, 2", "{answer}");
    assert!(answer.get("encoding").is_none() && answer.get("truncated").is_none(), "{answer}");

    let request = origin.only_request();
    assert_eq!(request.start, "POST /repos?a=1&q=a%20b%26c&%C3%A9=%2F HTTP/1.1");
    assert_eq!(request.values("host"), [origin.authority()]);
    assert_eq!(request.values("authorization"), [BEARER]);
    assert_eq!(request.values("accept"), ["application/json"]);
    assert_eq!(request.values("user-agent"), [concat!("vultrino/", env!("CARGO_PKG_VERSION"))]);
    assert!(request.values("x-hop").is_empty());
    assert_eq!(request.body, "title=é".as_bytes());
    let line = appliance.audit_of("/repos");
    assert_eq!((line.get("credential"), line.get("status"), line.get("outcome")), (ALIAS, "201", "ok"));
    assert_eq!((&*line.door, &*line.action), ("API", "http_request"));
}

/// An origin that answers every request with this head and body.
fn replying(status: &str, body: Vec<u8>) -> Origin {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
    Origin::answering([head.into_bytes(), body].concat())
}

#[test]
fn what_the_origin_refuses_is_told_and_not_refused() {
    let appliance = Appliance::start();
    for status in [301, 401, 404, 429, 500, 502] {
        let origin = replying(&format!("{status} No"), b"no".to_vec());
        let answer = execute(&appliance, &json!({ "method": "GET", "url": origin.url("/x") }));
        assert!(answer.values("proxy-status").is_empty());
        let told = body(&answer);
        assert_eq!((&told["status"], &told["body"]), (&json!(status), &json!("no")));
    }
}

#[test]
fn a_body_that_is_no_text_comes_as_base64() {
    let appliance = Appliance::start();
    let origin = replying("200 OK", vec![0xff, 0xfe, 0]);
    let told = body(&execute(&appliance, &json!({ "method": "GET", "url": origin.url("/x") })));
    assert_eq!((&told["body"], &told["encoding"]), (&json!("//4A"), &json!("base64")));
}

#[test]
fn a_body_that_is_too_long_is_cut_and_the_origin_is_left() {
    let appliance = Appliance::start();
    let origin = Origin::https_with(|visit| {
        visit.head()?;
        visit.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")?;
        loop {
            visit.write(vec![b'a'; 1 << 16])?;
        }
    });
    let told = body(&execute(&appliance, &json!({ "method": "GET", "url": origin.url("/x") })));
    assert_eq!((&told["truncated"], told["body"].as_str().unwrap().len()), (&json!(true), 10 << 20));
    origin.closed();
}

#[test]
fn head_and_no_content_have_no_body() {
    let appliance = Appliance::start();
    for (method, origin) in [
        ("HEAD", Origin::answering("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n")),
        ("GET", Origin::answering("HTTP/1.1 204 No Content\r\n\r\n")),
    ] {
        let told = body(&execute(&appliance, &json!({ "method": method, "url": origin.url("/x"), "body": null })));
        assert_eq!(told["body"], "");
    }
}

#[test]
fn what_is_no_request_is_refused_before_anything_is_dialled() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    let url = origin.url("/x");
    for (params, status, code) in [
        (json!({ "method": "GET", "url": "https://u:p@localhost/" }), 400, "invalid_request"),
        (json!({ "method": "GET", "url": "ftp://localhost/" }), 400, "invalid_request"),
        (json!({ "method": "GET", "url": origin.url("/a/../b") }), 400, "invalid_request"),
        (json!({ "method": "GET", "url": origin.url("/a b") }), 400, "invalid_request"),
        (json!({ "method": "GET\r\n", "url": url }), 400, "invalid_request"),
        (json!({ "method": "", "url": url }), 400, "invalid_request"),
        (json!({ "method": "TRACE", "url": url }), 405, "invalid_request"),
        (json!({ "method": "connect", "url": url }), 405, "invalid_request"),
        (json!({ "url": url }), 400, "invalid_request"),
        (json!({ "method": "GET" }), 400, "invalid_request"),
        (json!({ "method": "GET", "url": url, "timeout": 1 }), 400, "invalid_request"),
        (json!({ "method": "GET", "url": url, "headers": { "X Y": "1" } }), 400, "invalid_request"),
        (json!({ "method": "GET", "url": url, "headers": { "": "1" } }), 400, "invalid_request"),
        (json!({ "method": "GET", "url": url, "headers": { "X-Y": "a\r\nEvil: 1" } }), 400, "invalid_request"),
        (json!({ "method": "GET", "url": url, "headers": { "X-Y": "a\u{0}" } }), 400, "invalid_request"),
        (json!({ "method": "GET", "url": url, "headers": { "X-Y": 1 } }), 400, "invalid_request"),
        (json!({ "method": "GET", "url": url, "headers": { "X-Vultrino-Credential": "b" } }), 400, "invalid_request"),
        (json!({ "method": "GET", "url": url, "headers": { "x_vultrino_credential": "b" } }), 400, "invalid_request"),
        (
            json!({ "method": "GET", "url": url, "headers": { "Authorization": format!("Bearer vk_{}", "a".repeat(32)) } }),
            400,
            "invalid_request",
        ),
        (json!({ "method": "GET", "url": format!("https://localhost/{}", "a".repeat(70_000)) }), 414, "uri_too_long"),
        (json!({ "method": "GET", "url": "https://api.github.com/" }), 403, "forbidden"),
        (json!({ "method": "GET", "url": format!("http://{}/", origin.authority()) }), 403, "forbidden"),
        (json!({ "method": "GET", "url": "https://127.1/" }), 403, "forbidden"),
    ] {
        let answer = execute(&appliance, &params);
        assert_eq!((answer.status(), &*answer.refusal().code), (status, code), "{params} {}", answer.text());
    }
    let client = Client::of(&appliance);
    let asked = |credential: Value, action: &str| json!({ "credential": credential, "action": action, "params": {} });
    let send = |it: Value| client.send("POST", "/v1/execute", &it);
    for action in ["crypto.sign", "http", "", "plugin.action"] {
        send(asked(json!(ALIAS), action)).expect_refusal(400, "invalid_request");
    }
    for credential in [json!(""), json!("a/b"), Value::Null] {
        let it =
            json!({ "credential": credential, "action": "http.request", "params": { "method": "GET", "url": url } });
        send(it).expect_refusal(400, "invalid_request");
    }
    let unknown =
        json!({ "credential": "nobody", "action": "http.request", "params": { "method": "GET", "url": url } });
    send(unknown).expect_refusal(404, "not_found");
    assert_eq!(origin.connections(), 0);
}

#[test]
fn plaintext_takes_a_binding_that_permits_it() {
    let plain = Credential::key("plain", "sekrit-plain", &["http://localhost:*"]);
    let appliance = Appliance::builder().credential(plain).start();
    let origin = Origin::http();
    let params = json!({ "method": "GET", "url": origin.url("/x") });
    let asked = json!({ "credential": "plain", "action": "http.request", "params": params });
    body(&Client::of(&appliance).send("POST", "/v1/execute", &asked));
    assert_eq!(origin.only_request().values("authorization"), ["Bearer sekrit-plain"]);
}

#[test]
fn an_origin_that_fails_is_told_apart() {
    let appliance = Appliance::builder().set("server.timeout", "1").start();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let get = |url: String| execute(&appliance, &json!({ "method": "GET", "url": url }));
    get(format!("https://localhost:{port}/")).expect_refusal(502, "upstream_error");
    let cut = Origin::answering("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
    get(cut.url("/cut")).expect_refusal(502, "upstream_error");
    let silent = Origin::https_with(|visit| {
        visit.head()?;
        std::thread::sleep(std::time::Duration::from_secs(3));
        Ok(())
    });
    get(silent.url("/silent")).expect_refusal(504, "upstream_timeout");
}
