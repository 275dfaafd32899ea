//! What is read as a message of the Model Context Protocol, against the values that `serde_json` reads.

use serde_json::Value;
use vultrino::mcp::message;

/// Any bytes, as an agent sends them.
pub fn agent_message(bytes: &[u8]) {
    let plain: Option<Value> = serde_json::from_slice(bytes).ok();
    match message::read(bytes) {
        Ok(read) => {
            let plain = plain.expect("what is no JSON is no message");
            assert!(plain.is_object() && plain["jsonrpc"] == "2.0", "{plain}");
            let written = serde_json::to_vec(&read).unwrap();
            let again: Value = serde_json::from_slice(&written).unwrap();
            assert_eq!(again.get("method"), plain.get("method"));
            assert!(is_same(again.get("id"), plain.get("id")), "{plain}");
        }
        Err(malformed) => {
            let answer: Value = serde_json::from_slice(&malformed.answer()).unwrap();
            assert!([-32700, -32600, -32602].map(Value::from).contains(&answer["error"]["code"]), "{answer}");
            let id = plain.as_ref().and_then(|it| it.get("id"));
            assert!(answer["id"].is_null() || is_same(id, answer.get("id")), "{answer}");
            assert!(answer["error"]["message"].as_str().unwrap().len() < 100, "it quotes: {answer}");
        }
    }
}

/// JSON knows numbers, however they are written.
fn is_same(a: Option<&Value>, b: Option<&Value>) -> bool {
    a == b || a.zip(b).is_some_and(|(a, b)| a.is_number() && a.as_f64() == b.as_f64())
}
