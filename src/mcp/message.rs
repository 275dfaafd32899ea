//! What is read as a message: JSON-RPC 2.0, one at a time, that means one thing only. The same on both ways in.

use rmcp::model::{ClientJsonRpcMessage, ClientRequest, ErrorCode, RequestId};
use serde::Deserialize;
use serde_json::{json, value::RawValue};

use crate::base::json::{self, Unclear};

/// Most bytes of a message.
pub const LONGEST: usize = 4 << 20;

/// Why something is no message, as its answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Malformed {
    id: Option<RequestId>,
    code: ErrorCode,
    why: String,
}

/// As much of a message as tells how to answer.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: Option<String>,
}

/// Reads a message.
///
/// # Errors
/// It is none, or means two things. The answer quotes nothing of it, since it may hold a secret.
pub fn read(bytes: &[u8]) -> Result<ClientJsonRpcMessage, Malformed> {
    let text = std::str::from_utf8(bytes).or(Err(Malformed::syntax("the message is not UTF-8")))?;
    let raw: &RawValue = serde_json::from_str(text).or(Err(Malformed::syntax("the message is not JSON")))?;
    json::check(raw.get()).map_err(|unclear| match unclear {
        Unclear::Twice => Malformed::of(ErrorCode::INVALID_REQUEST, unclear.to_string()),
        Unclear::Deep | Unclear::Wide | Unclear::Broken => Malformed::of(ErrorCode::PARSE_ERROR, unclear.to_string()),
    })?;
    if raw.get().starts_with('[') {
        return Err(Malformed::of(ErrorCode::INVALID_REQUEST, "batches are not taken; send one message at a time"));
    }
    let none = || Malformed::of(ErrorCode::INVALID_REQUEST, "this is no JSON-RPC 2.0 message");
    let Envelope { id, method } = serde_json::from_str(text).or(Err(none()))?;
    let id = match id {
        Some(id) => Some(serde_json::from_str::<RequestId>(id.get()).or(Err(none()))?),
        None => None,
    };
    match (serde_json::from_str(text), id, method) {
        (Ok(ClientJsonRpcMessage::Notification(_)), None, Some(method)) if !method.starts_with("notifications/") => {
            Err(Malformed::of(ErrorCode::INVALID_REQUEST, "a request needs an `id`"))
        }
        (Ok(message), id, _) => check(&message).map_err(|it| Malformed { id, ..it }).map(|()| message),
        (Err(_), Some(id), Some(method)) if METHODS.contains(&&*method) => {
            Err(Malformed { id: Some(id), ..Malformed::parameters(&method) })
        }
        (Err(_), id, _) => Err(Malformed { id, ..none() }),
    }
}

impl Malformed {
    /// Longer than any message.
    pub fn longer() -> Self {
        Self::of(ErrorCode::INVALID_REQUEST, format!("the message exceeds {LONGEST} bytes"))
    }

    /// One that could not be read, for this reason.
    pub fn unread(why: impl Into<String>) -> Self {
        Self::of(ErrorCode::INVALID_REQUEST, why)
    }

    /// One on which our own code failed.
    pub fn failed() -> Self {
        Self::of(ErrorCode::INTERNAL_ERROR, "an internal error; the log of Vultrino has its cause")
    }

    /// A request that is not taken now.
    pub fn refused(id: &RequestId, why: &str) -> Self {
        Self { id: Some(id.clone()), ..Self::of(ErrorCode::INVALID_REQUEST, why) }
    }

    /// The answer to it (JSON-RPC 2.0 section 5.1).
    pub fn answer(&self) -> Vec<u8> {
        let Self { id, code, why } = self;
        let error = json!({ "code": code.0, "message": why });
        json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string().into_bytes()
    }

    fn of(code: ErrorCode, why: impl Into<String>) -> Self {
        Self { id: None, code, why: why.into() }
    }

    fn parameters(method: &str) -> Self {
        Self::of(ErrorCode::INVALID_PARAMS, format!("the parameters are not those of `{method}`"))
    }

    fn syntax(why: &str) -> Self {
        Self::of(ErrorCode::PARSE_ERROR, why)
    }
}

/// What the SDK takes for a method of somebody else's is one of the protocol's, with other parameters.
fn check(message: &ClientJsonRpcMessage) -> Result<(), Malformed> {
    let ClientJsonRpcMessage::Request(request) = message else { return Ok(()) };
    let ClientRequest::CustomRequest(custom) = &request.request else { return Ok(()) };
    if METHODS.contains(&&*custom.method) {
        return Err(Malformed::parameters(&custom.method));
    }
    Ok(())
}

/// Those that are served, and have parameters.
const METHODS: [&str; 8] = [
    "initialize",
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "prompts/list",
    "prompts/get",
];

#[cfg(test)]
mod tests {
    use rmcp::model::ClientJsonRpcMessage;
    use serde_json::Value;

    use crate::mcp::message::read;

    fn code(text: &[u8]) -> (i64, Value) {
        let answer: Value = serde_json::from_slice(&read(text).unwrap_err().answer()).unwrap();
        (answer["error"]["code"].as_i64().unwrap(), answer["id"].clone())
    }

    #[test]
    fn what_is_no_message_is_answered_with_its_code() {
        for (text, expected) in [
            (&b"{"[..], -32700),
            (b"\xff{}", -32700),
            (b"", -32700),
            (b"[]", -32600),
            (b"1", -32600),
            (b"{}", -32600),
            (br#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600),
            (br#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600),
            (br#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600),
            (br#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, -32600),
            (br#"{"jsonrpc":"2.0","method":"ping"}"#, -32600),
            (br#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"x"}}"#, -32600),
            (br#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, -32600),
            (br#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#, -32602),
            (br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":7}}"#, -32602),
            (br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":"y"}}"#, -32602),
            (br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["x"]}"#, -32602),
            (br#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#, -32602),
        ] {
            assert_eq!(code(text).0, expected, "{}", String::from_utf8_lossy(text));
        }
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        let deep = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{deep}}}"#);
        assert_eq!(code(deep.as_bytes()).0, -32700);
        assert_eq!(code(br#"{"jsonrpc":"2.0","id":7,"method":"prompts/get","params":[]}"#), (-32602, 7.into()));
    }

    #[test]
    fn what_is_one_is_taken() {
        for text in [
            &br#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#[..],
            br#" {"id":1,"method":"tools/list","jsonrpc":"2.0","params":{}} "#,
            br#"{"jsonrpc":"2.0","id":1,"method":"nobody/knows","params":{"x":1}}"#,
        ] {
            let read = read(text);
            assert!(matches!(read, Ok(ClientJsonRpcMessage::Request(_))), "{read:?}");
        }
        let read = read(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        assert!(matches!(read, Ok(ClientJsonRpcMessage::Notification(_))), "{read:?}");
    }
}
