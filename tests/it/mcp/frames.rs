//! Frames that are none: each is told so, and the next one works.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{
    Agent, Appliance,
    mcp::{DOORS, Door, Mcp, frame_in, post},
    memory::Peak,
};

/// Longest line, and longest body.
const MOST: usize = 4 << 20;
const LONG: usize = 100 << 20;
/// What a program that reads a long line may take.
const MOST_MIB: u64 = 64;

const PARSE: i64 = -32700;
const REQUEST: i64 = -32600;
const METHOD: i64 = -32601;
const PARAMS: i64 = -32602;

/// What stands in frames that are refused, and never in the answer.
const CANARY: &str = "canary-4f9a8e7d";

fn server() -> Appliance {
    Appliance::builder().server().role("all", "read,write,delete,execute", "").key("all", "all").start()
}

/// Bytes that are no request, with the code that they are answered with.
fn broken() -> Vec<(Vec<u8>, i64)> {
    let nested = |open: &str, close: &str, deep: usize| {
        let (open, close) = (open.repeat(deep), close.repeat(deep));
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"a":{open}1{close}}}}}"#)
    };
    let mut broken: Vec<(Vec<u8>, i64)> = [
        (CANARY, PARSE),
        ("{", PARSE),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping""#, PARSE),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping"} {"jsonrpc":"2.0","id":2,"method":"ping"}"#, PARSE),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\ud800"}}"#, REQUEST),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":01}}"#, PARSE),
        ("[]", REQUEST),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, REQUEST),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"ping"}]"#, REQUEST),
        (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, REQUEST),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}"#, REQUEST),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"canary-4f9a8e7d"}}"#, REQUEST),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":[{"b":1,"\u0062":2}]}}"#, REQUEST),
        ("1", REQUEST),
        ("null", REQUEST),
        ("\"canary-4f9a8e7d\"", REQUEST),
        ("{}", REQUEST),
        (r#"{"id":1,"method":"ping"}"#, REQUEST),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, REQUEST),
        (r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#, REQUEST),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, REQUEST),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, REQUEST),
        (r#"{"jsonrpc":"2.0","id":["canary-4f9a8e7d"],"method":"ping"}"#, REQUEST),
        (r#"{"jsonrpc":"2.0","id":1,"method":["canary-4f9a8e7d"]}"#, REQUEST),
        (r#"{"jsonrpc":"2.0","id":1}"#, REQUEST),
        (r#"{"jsonrpc":"2.0","method":"ping"}"#, REQUEST),
        (r#"{"jsonrpc":"2.0","method":"tools/list","params":{}}"#, REQUEST),
    ]
    .map(|(text, code)| (text.as_bytes().to_vec(), code))
    .into();
    broken.push((nested("[", "]", 100_000).into_bytes(), PARSE));
    broken.push((nested(r#"{"a":"#, "}", 100_000).into_bytes(), PARSE));
    broken.push((vec![b'['; 100_000], PARSE));
    let cut = [br#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":""#, &[0xff, 0xfe][..], b"\"}}"].concat();
    broken.push((cut, PARSE));
    broken.push((padded(MOST + 1), REQUEST));
    broken.push((vec![b'a'; MOST + 1], REQUEST));
    broken
}

/// A good request of so many bytes.
fn padded(length: usize) -> Vec<u8> {
    let [begin, end] = [r#"{"jsonrpc":"2.0","id":"padded","method":"ping","params":{"_meta":{"a":""#, r#""}}}"#];
    [begin.as_bytes(), &vec![b'x'; length - begin.len() - end.len()], end.as_bytes()].concat()
}

/// Requests that are whole, and ask for what there is not.
fn unanswerable() -> Vec<(Value, i64)> {
    let ask = |method: &str, params: Value| json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
    vec![
        (ask("canary/4f9a8e7d", json!({})), METHOD),
        (ask("tools/lists", json!({})), METHOD),
        (ask("", json!({})), METHOD),
        (ask("PING", json!({})), METHOD),
        (ask("a\r\nX-Evil: 1", json!({})), METHOD),
        (ask("a\r\n\r\nGET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", json!({})), METHOD),
        (ask("a\u{0}\u{7f}", json!({})), METHOD),
        (ask("größer/日本", json!({})), METHOD),
        (ask(&"x".repeat(100_000), json!({})), METHOD),
        (ask("logging/setLevel", json!({ "level": "debug" })), METHOD),
        (ask("tasks/list", json!({})), METHOD),
        (json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call" }), PARAMS),
        (ask("tools/call", json!({})), PARAMS),
        (ask("tools/call", json!({ "name": [CANARY] })), PARAMS),
        (ask("tools/call", json!({ "name": "list_credentials", "arguments": [CANARY] })), PARAMS),
        (ask("tools/call", json!({ "name": "list_credentials", "arguments": CANARY })), PARAMS),
        (ask("tools/call", json!([])), PARAMS),
        (ask("tools/call", json!({ "name": CANARY, "arguments": {} })), PARAMS),
        (ask("resources/read", json!({})), PARAMS),
        (ask("resources/read", json!({ "uri": 1 })), PARAMS),
        (ask("tools/call", json!({ "name": "a\r\nX-Evil: 1" })), PARAMS),
        (ask("prompts/get", json!({ "name": "日本" })), PARAMS),
        (ask("prompts/get", json!({})), PARAMS),
        (ask("prompts/get", json!({ "name": CANARY })), PARAMS),
    ]
}

#[track_caller]
fn expect_fault(mcp: &mut Mcp, frame: &[u8], code: i64) {
    let shown = String::from_utf8_lossy(&frame[..frame.len().min(160)]).into_owned();
    let fault = mcp.fault(frame);
    assert_eq!(fault.code, code, "to {shown}: {fault:?}");
    assert!(!fault.message.contains(CANARY), "{shown} is repeated: {fault:?}");
    assert_eq!(mcp.ask("ping", &json!({})), Ok(json!({})), "after {shown}");
}

#[test]
fn bytes_that_are_no_request_are_told_so_before_and_after_the_introduction() {
    let appliance = server();
    for door in DOORS {
        let mut mcp = door.of(&appliance, appliance.key("all"));
        for (frame, code) in broken() {
            expect_fault(&mut mcp, &frame, code);
        }
        mcp.initialize();
        for (frame, code) in broken() {
            expect_fault(&mut mcp, &frame, code);
        }
        assert_eq!(mcp.list_tools().len(), 5, "{door:?}");
    }
}

#[test]
fn what_there_is_not_is_told_so_with_the_code_for_it() {
    let appliance = server();
    for door in DOORS {
        let mut mcp = door.open(&appliance, appliance.key("all"));
        for (frame, code) in unanswerable() {
            expect_fault(&mut mcp, frame.to_string().as_bytes(), code);
        }
        assert_eq!(mcp.list_tools().len(), 5, "{door:?}");
    }
}

#[test]
fn who_asks_before_the_introduction_can_still_be_introduced() {
    let appliance = server();
    for door in DOORS {
        let mut mcp = door.of(&appliance, appliance.key("all"));
        for (frame, _) in unanswerable() {
            let answer = mcp.send(frame.to_string()).unwrap();
            assert!(answer.get("error").is_some(), "{door:?} {frame}: {answer}");
        }
        for (method, params) in
            [("tools/list", json!({})), ("tools/call", json!({ "name": "list_credentials", "arguments": {} }))]
        {
            let answer = mcp.ask(method, &params);
            // Over HTTP every request stands for itself.
            assert_eq!(answer.is_ok(), door != Door::Stdio, "{door:?} {method}: {answer:?}");
        }
        mcp.initialize();
        assert_eq!(mcp.list_tools().len(), 5, "{door:?}");
    }
}

#[test]
fn what_asks_for_nothing_is_answered_with_nothing() {
    let appliance = server();
    let quiet = [
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "method": "notifications/nobody/knows", "params": { "a": CANARY } }),
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 4711 } }),
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": {} }),
        json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": { "progressToken": 1, "progress": 1 } }),
        json!({ "jsonrpc": "2.0", "id": 1, "result": {} }),
        json!({ "jsonrpc": "2.0", "id": 1, "result": { "roots": [] } }),
        json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": -32600, "message": CANARY } }),
    ];
    for door in DOORS {
        for introduced in [false, true] {
            let mut mcp = door.of(&appliance, appliance.key("all"));
            if introduced {
                mcp.initialize();
            }
            // Over HTTP, where nothing is asked of clients, an answer is an error.
            let quiet = quiet.iter().filter(|it| door != Door::Http || it.get("id").is_none());
            for frame in quiet {
                mcp.tell(frame);
                assert_eq!(mcp.ask("ping", &json!({})), Ok(json!({})), "{door:?} after {frame}");
            }
        }
    }
}

#[test]
fn all_of_a_burst_are_answered_once() {
    const BURST: usize = 1000;
    let appliance = server();
    for door in [Door::Stdio, Door::Thin] {
        let mut mcp = door.open(&appliance, appliance.key("all"));
        let program = mcp.program();
        let frames: String = (0..BURST)
            .flat_map(|id| {
                let frame = match id % 4 {
                    0 => json!({ "jsonrpc": "2.0", "id": format!("{id}"), "method": "ping" }),
                    1 => json!({ "jsonrpc": "2.0", "id": format!("{id}"), "method": "tools/list" }),
                    2 => json!({ "jsonrpc": "2.0", "id": format!("{id}"), "method": "nobody/knows" }),
                    _ => json!({
                        "jsonrpc": "2.0", "id": format!("{id}"), "method": "tools/call",
                        "params": { "name": "list_credentials", "arguments": {} },
                    }),
                };
                [frame.to_string(), "\n".to_owned()]
            })
            .collect();
        program.write(frames.as_bytes());
        let answered: BTreeSet<String> =
            (0..BURST).map(|_| program.next()["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(answered.len(), BURST, "{door:?}");
        assert_eq!(mcp.ask("ping", &json!({})), Ok(json!({})), "{door:?}");
    }
}

#[test]
fn a_line_may_be_as_long_as_is_said_and_end_as_lines_do() {
    let appliance = server();
    for door in DOORS {
        let mut mcp = door.open(&appliance, appliance.key("all"));
        assert_eq!(mcp.send(padded(MOST)).unwrap()["id"], "padded", "{door:?}");
        if door != Door::Http {
            mcp.program().write(b"\n\r\n");
            let frame = [padded(100), b"\r".to_vec()].concat();
            assert_eq!(mcp.send(frame).unwrap()["id"], "padded", "{door:?}");
        }
    }
}

#[test]
fn a_line_without_an_end_takes_no_memory() {
    let appliance = server();
    for door in [Door::Stdio, Door::Thin] {
        let mut mcp = door.open(&appliance, appliance.key("all"));
        let program = mcp.program();
        let peak = Peak::of(program.pid());
        for _ in 0..LONG >> 20 {
            program.write(&vec![b'a'; 1 << 20]);
        }
        assert_eq!(mcp.fault("").code, REQUEST, "{door:?}");
        assert_eq!(mcp.ask("ping", &json!({})), Ok(json!({})), "{door:?}");
        let peak = peak.mib();
        assert!(peak < MOST_MIB, "{door:?}: {peak} MiB");
    }
}

#[test]
fn a_body_without_an_end_takes_no_memory() {
    let appliance = server();
    let (host, key) = (appliance.address(), appliance.key("all"));
    let peak = Peak::of(appliance.pid());
    let fields = format!(
        "Host: {host}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
    );
    let mut agent = Agent::dial(host);
    agent.send(format!("POST /mcp HTTP/1.1\r\n{fields}Transfer-Encoding: chunked\r\n\r\n"));
    let chunk = [format!("{:x}\r\n", 1 << 20).as_bytes(), &vec![b'a'; 1 << 20], b"\r\n"].concat();
    let taken = (0..LONG >> 20).take_while(|_| agent.try_send(&chunk).is_ok()).count();
    assert!(taken < LONG >> 20, "it is read to its end");
    let declared = format!("POST /mcp HTTP/1.1\r\n{fields}Content-Length: {LONG}\r\n\r\n");
    let mut agent = Agent::dial(host);
    agent.send(declared);
    assert_eq!(agent.answer("POST").status(), 413, "it is not waited for");
    let peak = peak.mib();
    assert!(peak < MOST_MIB, "{peak} MiB");
    let fields = [("Host", &*host.to_string()), ("Authorization", &*format!("Bearer {key}"))];
    let accepted =
        [fields[0], fields[1], ("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")];
    let answer = post(Agent::dial(host), &accepted, &padded(100));
    assert_eq!(frame_in(&answer).unwrap()["id"], "padded");
}
