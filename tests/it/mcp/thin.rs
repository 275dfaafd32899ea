//! The program that passes everything on: what it says to a server, and what it makes of what that answers.

use serde_json::{Value, json};

use crate::support::{
    Origin,
    mcp::{Mcp, thin},
};

const KEY: &str = "vk_canary4f9a8e7d6c5b4a392817160512";
const LONG: usize = 64 << 20;

fn answering(status: &str, fields: &str, body: &str) -> Origin {
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
    );
    Origin::http_with(move |visit| {
        while visit.request()?.is_some() {
            visit.write(answer.as_bytes())?;
        }
        Ok(())
    })
}

fn through(url: &str) -> Mcp {
    Mcp::run(thin(url).env("VULTRINO_API_KEY", KEY).env("RUST_LOG", "trace"))
}

#[test]
fn a_message_writes_nothing_into_the_head_that_carries_it() {
    let origin = answering("200 OK", "", r#"{"jsonrpc":"2.0","id":7,"result":{}}"#);
    let mut mcp = through(&origin.url("/"));
    let evil = "a\r\nX-Evil: 1\r\n\r\nGET /evil HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let version = json!({ "io.modelcontextprotocol/protocolVersion": evil });
    let frames = [
        ("ping", json!({})),
        (evil, json!({})),
        ("\u{0}\u{7f}größer", json!({})),
        ("tools/call", json!({ "name": evil, "arguments": {} })),
        ("tools/call", json!({ "name": "日本", "arguments": {} })),
        ("resources/read", json!({ "uri": evil })),
        ("prompts/get", json!({ "name": evil })),
        ("tools/list", json!({ "_meta": version })),
        (
            "initialize",
            json!({ "protocolVersion": evil, "capabilities": {}, "clientInfo": { "name": evil, "version": evil } }),
        ),
        ("ping", json!({})),
    ];
    for (method, params) in &frames {
        let frame = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        let answer = mcp.send(frame.to_string()).unwrap();
        assert_eq!(answer["id"], 7, "to {frame}: {answer}");
    }
    for request in origin.requests() {
        assert_eq!((request.method(), request.target()), ("POST", "/mcp"), "{request:#?}");
        assert!(request.values("x-evil").is_empty(), "{request:#?}");
        assert_eq!(request.values("authorization"), [format!("Bearer {KEY}")], "{request:#?}");
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert!(frames.iter().any(|(method, _)| body["method"] == *method), "{body}");
    }
}

#[test]
fn what_is_no_server_of_ours_is_told_so_and_gets_no_second_request() {
    let elsewhere = Origin::http();
    let redirect = format!("Location: {}\r\n", elsewhere.url("/mcp"));
    let long = format!("\"{}\"", "x".repeat(LONG));
    for (status, fields, body) in [
        ("200 OK", "", "<html></html>"),
        ("200 OK", "", ""),
        ("200 OK", "", "[]"),
        ("200 OK", "", "\"canary\n\""),
        ("200 OK", "", r#"{"result":{}}"#),
        ("200 OK", "", &long),
        ("200 OK", "", r#"{"jsonrpc":"2.0","id":"another","result":{}}"#),
        ("200 OK", "", r#"{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{}}"#),
        ("202 Accepted", "", ""),
        ("503 Service Unavailable", "", r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"x"}}"#),
        ("404 Not Found", "", "<html></html>"),
        ("404 Not Found", "", r#"{"error":"not_found","message":"x"}"#),
        ("500 Internal Server Error", "", "{"),
        ("302 Found", &redirect, ""),
        ("307 Temporary Redirect", &redirect, "{}"),
        ("401 Unauthorized", "", r#"{"error":"unauthorized","message":"x"}"#),
        ("429 Too Many Requests", "", r#"{"error":"rate_limited","message":"x"}"#),
        ("503 Service Unavailable", "", r#"{"error":"overloaded","message":"x"}"#),
    ] {
        let origin = answering(status, fields, body);
        let mut mcp = through(&origin.url("/mcp"));
        let called = mcp.call("list_credentials", &json!({}));
        let expected = match &status[..3] {
            "401" => "unauthorized",
            "429" => "rate_limited",
            "503" => "overloaded",
            "404" if body.starts_with('{') => "invalid_request",
            _ => "internal_error",
        };
        assert_eq!(called.code(), expected, "{status} {body:.60}: {called:?}");
        let fault = mcp.ask("tools/list", &json!({})).unwrap_err();
        assert!(fault.message.ends_with('.'), "{fault:?}");
        assert_eq!(origin.requests().len(), 2, "{status}");
        let printed = mcp.program().finish();
        assert!(!printed.contains(&KEY[11..]), "{printed}");
    }
    let mut nobody = through("http://127.0.0.1:1");
    assert_eq!(nobody.call("list_credentials", &json!({})).code(), "internal_error");
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn a_failure_of_tls_is_not_told_as_a_server_that_does_not_run() {
    let origin = Origin::https();
    let mut mcp = through(&origin.url("/"));
    let ping = json!({ "jsonrpc": "2.0", "id": 7, "method": "ping", "params": {} });
    let message = mcp.send(ping.to_string()).unwrap()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("invalid peer certificate: UnknownIssuer"), "{message}");
    assert!(!message.contains("vultrino serve"), "{message}");
}
