//! Answers as JSON for those who read no HTTP: `POST /v1/execute`, `http_request` over MCP, and `vultrino request`.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use crate::support::{
    Appliance, Credential, Origin,
    appliance::{ALIAS, KEY},
    mcp::{DOORS, Door},
};

fn appliance() -> Appliance {
    Appliance::builder()
        .server()
        .credential(Credential::key(ALIAS, KEY, &["localhost:*"]))
        .role("agent", "read,execute", "")
        .key("agent", "agent")
        .start()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn answering(fields: &str, body: &[u8]) -> Origin {
    let head = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
    Origin::answering([head.as_bytes(), body].concat())
}

/// What each reader is told, with these headers in the request.
fn told(appliance: &Appliance, origin: &Origin, headers: &[(&str, &str)]) -> Vec<(String, Value)> {
    let url = origin.url("/x");
    let map: Value = headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let params = json!({ "method": "GET", "url": url, "headers": map });
    let asked = json!({ "credential": ALIAS, "action": "http.request", "params": params });
    let mut all =
        vec![("/v1/execute".to_owned(), appliance.api(appliance.key("agent")).post("/v1/execute", &asked).json())];
    for door in DOORS {
        let arguments = json!({ "credential": ALIAS, "method": "GET", "url": url, "headers": map });
        let answer = Door::open(door, appliance, appliance.key("agent")).call("http_request", &arguments).done();
        all.push((format!("{door:?}"), answer));
    }
    let mut command = vec!["request".to_owned(), "--json".to_owned()];
    command.extend(headers.iter().flat_map(|(name, value)| ["-H".to_owned(), format!("{name}: {value}")]));
    command.extend([ALIAS.to_owned(), url]);
    let arguments: Vec<&str> = command.iter().map(String::as_str).collect();
    all.push(("request".to_owned(), serde_json::from_str(&appliance.cli(&arguments).expect_success()).unwrap()));
    all
}

#[test]
fn repeated_fields_are_kept_apart() {
    let appliance = appliance();
    let cookies = "Set-Cookie: a=1; Expires=Wed, 01 Jan 2031 00:00:00 GMT\r\nVary: x\r\nset-cookie: b=2\r\nVary: y\r\n";
    let origin = answering(cookies, b"ok");
    for (reader, answer) in told(&appliance, &origin, &[]) {
        assert_eq!(answer["headers"]["set-cookie"], "a=1; Expires=Wed, 01 Jan 2031 00:00:00 GMT\nb=2", "{reader}");
        assert_eq!(answer["headers"]["vary"], "x, y", "{reader}");
        let list = answer["header_list"].as_array().unwrap();
        let cookies: Vec<_> = list.iter().filter(|it| it[0] == "set-cookie").map(|it| it[1].clone()).collect();
        assert_eq!(cookies, ["a=1; Expires=Wed, 01 Jan 2031 00:00:00 GMT", "b=2"], "{reader} {answer}");
    }
    let origin = answering("Vary: x\r\n", b"ok");
    for (reader, answer) in told(&appliance, &origin, &[]) {
        assert!(answer.get("header_list").is_none(), "{reader} {answer}");
    }
}

#[test]
fn gzip_that_nobody_asked_for_is_undone() {
    let appliance = appliance();
    let packed = gzip("{\"é\":1}");
    for coding in ["Content-Encoding: gzip\r\n", "content-encoding: X-GZip\r\n"] {
        let origin = answering(coding, &packed);
        for (reader, answer) in told(&appliance, &origin, &[]) {
            assert_eq!(answer["body"], "{\"é\":1}", "{reader} {answer}");
            assert!(answer["headers"].get("content-encoding").is_none(), "{reader} {answer}");
            assert!(answer["headers"].get("content-length").is_none(), "{reader} {answer}");
        }
    }
    // Asked for, another coding, or two of them: as they are.
    let origin = answering("Content-Encoding: gzip\r\n", &packed);
    for (reader, answer) in told(&appliance, &origin, &[("Accept-Encoding", "gzip")]) {
        assert_eq!(answer["headers"]["content-encoding"], "gzip", "{reader} {answer}");
    }
    for coding in [
        "Content-Encoding: br\r\n",
        "Content-Encoding: gzip, br\r\n",
        "Content-Encoding: gzip\r\nContent-Encoding: br\r\n",
    ] {
        for (reader, answer) in told(&appliance, &answering(coding, b"packed"), &[]) {
            assert_eq!(answer["body"], "packed", "{reader} {answer}");
        }
    }
}

#[test]
fn a_part_of_gzip_is_a_part_of_what_is_in_it() {
    let appliance = appliance();
    let whole = "0123456789".repeat(1 << 20);
    let origin = answering("Content-Encoding: gzip\r\n", &gzip(&whole));
    for door in DOORS {
        let mut mcp = door.open(&appliance, appliance.key("agent"));
        let arguments =
            json!({ "credential": ALIAS, "method": "GET", "url": origin.url("/x"), "offset": 12, "length": 5 });
        let answer = mcp.call("http_request", &arguments).done();
        assert_eq!((&answer["body"], &answer["next_offset"]), (&json!("23456"), &json!(17)), "{door:?}");
    }
    assert_eq!(appliance.cli(&["request", ALIAS, &origin.url("/x")]).expect_success(), whole);
    let asked = json!({ "credential": ALIAS, "action": "http.request", "params": { "method": "GET", "url": origin.url("/x") } });
    let answer = appliance.api(appliance.key("agent")).post("/v1/execute", &asked).json();
    assert!(answer["body"] == whole && answer.get("truncated").is_none());
}

#[test]
fn what_is_no_gzip_is_an_answer_that_is_not_valid() {
    let appliance = appliance();
    let origin = answering("Content-Encoding: gzip\r\n", b"plain text");
    let asked = json!({ "credential": ALIAS, "action": "http.request", "params": { "method": "GET", "url": origin.url("/x") } });
    appliance.api(appliance.key("agent")).post("/v1/execute", &asked).expect_refusal(502, "upstream_error");
    let failed = appliance.cli(&["request", ALIAS, &origin.url("/x")]);
    assert!(!failed.status.success() && failed.stderr.contains("Accept-Encoding: identity"), "{failed:?}");
}
