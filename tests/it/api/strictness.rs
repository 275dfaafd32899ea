//! What the API demands of every request, and never says again of what it read.

use serde_json::json;

use crate::{
    api::{Client, json as body},
    support::{Agent, Appliance, Origin, appliance::ALIAS},
};

const CANARY: &str = "sekrit-canary-9f8e7d6c";
const TYPE: (&str, &str) = ("Content-Type", "application/json");

#[test]
fn a_body_is_json_of_one_meaning() {
    let appliance = Appliance::start();
    let client = Client::of(&appliance);
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"credential":"{CANARY}","action":"a","params":{open}{close}}}"#)
    };
    for text in [
        String::new(),
        CANARY.to_owned(),
        format!("\"{CANARY}\""),
        format!("[\"{CANARY}\"]"),
        format!(r#"["{CANARY}","http.request",{{"method":"GET","url":"https://{CANARY}/"}}]"#),
        format!(r#"{{"credential":"{ALIAS}","action":"http.request","params":["GET","https://{CANARY}/"]}}"#),
        format!(r#"{{"credential":"{CANARY}"}}"#),
        format!(r#"{{"credential":["{CANARY}"],"action":"a","params":{{}}}}"#),
        format!(r#"{{"credential":{{"{CANARY}":1}},"action":"a","params":{{}}}}"#),
        format!(r#"{{"credential":"a","action":"a","params":{{}},"{CANARY}":1}}"#),
        format!(r#"{{"credential":"a","credential":"{CANARY}","action":"a","params":{{}}}}"#),
        format!(r#"{{"credential":"a","action":"http.request","params":{{"method":"GET","url":"{CANARY}"}}}}"#),
        format!(r#"{{"credential":"a","action":"http.request","params":{{"x":{{"a":"{CANARY}","a":1}}}}}}"#),
        format!(r#"{{"credential":"a","action":"http.request","params":"{CANARY}"}}"#),
        format!(r#"{{"credential":"{CANARY}","action":"a","params":{{}}}} x"#),
        format!(r#"{{"credential":"{CANARY}","action":"a","params":{{}}"#),
        format!(r#"{{"credential":"{CANARY}\ud800","action":"a","params":{{}}}}"#),
        nested(40),
        nested(20_000),
    ] {
        let answer = client.raw("POST", "/v1/execute", &[TYPE], &text);
        let refusal = answer.expect_refusal(400, "invalid_request");
        assert!(!refusal.text.contains(CANARY), "{refusal:?}");
    }
    let bytes = [br#"{"credential":""#, &[0xff, 0xfe][..], br#"","action":"a","params":{}}"#].concat();
    client.raw("POST", "/v1/execute", &[TYPE], bytes).expect_refusal(400, "invalid_request");
    assert!(!appliance.printed().contains(CANARY) && !appliance.audit_text().contains(CANARY));
}

#[test]
fn a_body_says_that_it_is_json() {
    let appliance = Appliance::start();
    let client = Client::of(&appliance);
    let text = json!({ "credential": ALIAS, "action": "nothing", "params": {} }).to_string();
    for fields in [
        &[][..],
        &[("Content-Type", "text/plain")],
        &[("Content-Type", "application/x-www-form-urlencoded")],
        &[("Content-Type", "application/jsonx")],
        &[TYPE, TYPE],
        &[TYPE, ("Content-Encoding", "gzip")],
    ] {
        let refusal = client.raw("POST", "/v1/execute", fields, &text).expect_refusal(400, "invalid_request");
        assert!(refusal.message.contains("Content-"), "{refusal:?}");
    }
    for kind in ["application/json", "Application/JSON; charset=utf-8"] {
        let refusal = client.raw("POST", "/v1/execute", &[("Content-Type", kind)], &text);
        assert!(refusal.expect_refusal(400, "invalid_request").message.contains("no such action"));
    }
}

#[test]
fn a_body_that_is_too_long_is_refused_declared_or_not() {
    let appliance = Appliance::builder().set("server.max_body_size", "1000").start();
    let client = Client::of(&appliance);
    let text = json!({ "credential": "a".repeat(1000), "action": "a", "params": {} }).to_string();
    client.raw("POST", "/v1/execute", &[TYPE], &text).expect_refusal(413, "payload_too_large");
    let mut agent = Agent::dial(appliance.address());
    let (host, length) = (appliance.address(), text.len());
    let head = format!("POST /v1/execute HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n");
    agent.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{text}\r\n"));
    agent.answer("POST").expect_refusal(413, "payload_too_large");
    assert!(agent.is_closed(), "what is not read does not end");
    let mut agent = Agent::dial(appliance.address());
    agent.send(format!("{head}Content-Length: 1001\r\n\r\n"));
    agent.answer("POST").expect_refusal(413, "payload_too_large");
}

#[test]
fn a_client_that_waits_to_be_asked_for_its_body_is_asked() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    let host = appliance.address();
    let params = json!({ "method": "GET", "url": origin.url("/x") });
    let text = json!({ "credential": ALIAS, "action": "http.request", "params": params }).to_string();
    let head = |path: &str, kind: &str, expect: &str| {
        let length = text.len();
        format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nExpect: {expect}\r\n\r\n"
        )
    };
    let mut agent = Agent::dial(host);
    agent.send(head("/v1/execute", "application/json", "100-continue"));
    assert_eq!(agent.answer_head().start, "HTTP/1.1 100 Continue");
    agent.send(&text);
    body(&agent.answer("POST"));
    // What is refused is not asked for.
    for (path, kind, status) in [("/v1/execute", "text/plain", 400), ("/v1/nothing", "application/json", 404)] {
        let mut agent = Agent::dial(host);
        agent.send(head(path, kind, "100-continue"));
        assert_eq!(agent.answer("POST").status(), status);
        assert!(agent.is_closed());
    }
    let mut agent = Agent::dial(host);
    agent.send(head("/v1/execute", "application/json", "something else"));
    agent.answer("POST").expect_refusal(417, "expectation_failed");
}

#[test]
fn methods_and_paths_that_are_not_there_are_told_so() {
    let appliance = Appliance::start();
    let client = Client::of(&appliance);
    for (method, path, allow) in [
        ("DELETE", "/health", "GET,HEAD"),
        ("POST", "/v1/types", "GET,HEAD"),
        ("GET", "/v1/execute", "POST"),
        ("BREW", "/v1/execute", "POST"),
    ] {
        let answer = client.ask(method, path);
        assert_eq!(answer.values("allow"), [allow], "{method} {path}");
        answer.expect_refusal(405, "invalid_request");
        let answer = client.ask("OPTIONS", path);
        assert_eq!((answer.status(), &*answer.values("allow")), (204, &[allow][..]), "{path}");
    }
    for path in
        ["/", "/v1", "/v1/", "/v1/nothing", "/V1/types", "/v1/types/", "/health/", "/v1//types", "/%76%31/types"]
    {
        let refusal = client.get(path).refusal();
        assert_eq!((refusal.status, &*refusal.code), (404, "not_found"), "{path}");
    }
    let (got, head) = (client.get("/v1/types"), client.ask("HEAD", "/v1/types"));
    assert_eq!(head.values("content-length"), got.values("content-length"));
    assert!(head.body.is_empty() && head.values("transfer-encoding").is_empty());
}

#[test]
fn one_connection_carries_many_requests() {
    let appliance = Appliance::start();
    let host = appliance.address();
    let mut agent = Agent::dial(host);
    let get = format!("GET /v1/types HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let bad = format!(
        "POST /v1/execute HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
    );
    agent.send([&*get, &bad, &get].concat());
    body(&agent.answer("GET"));
    agent.answer("POST").expect_refusal(400, "invalid_request");
    body(&agent.answer("GET"));
}
