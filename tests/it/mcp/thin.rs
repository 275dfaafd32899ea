//! The program that passes everything on: what it says to a server, and what it makes of what that answers.

use serde_json::json;

use crate::support::{
    Origin,
    mcp::{Mcp, thin},
};

const KEY: &str = "vk_canary4f9a8e7d6c5b4a3928171605";
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
