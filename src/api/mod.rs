//! Our own paths on the proxy's listener.
//!
//! Not here: requests for the world (`proxy`). Main function: [`answer`].

use serde_json::json;

use crate::{
    base::head::{AnswerHead, RequestHead},
    exchange::Refusal,
};

/// Answers a request for one of our own paths.
///
/// # Errors
/// A path that nothing is served under, a method that it does not take.
pub fn answer(head: &RequestHead, recording: bool) -> Result<(AnswerHead, Vec<u8>), Refusal> {
    let path = head.target.split('?').next().unwrap_or(&head.target);
    match (path, head.method.as_str()) {
        ("/health", "GET" | "HEAD") => Ok(health(recording)),
        ("/health", _) => Err(Refusal::Method),
        _ => Err(Refusal::NoSuchPath),
    }
}

/// Needs no key. Says 503 while nothing may be used because nothing can be recorded.
fn health(recording: bool) -> (AnswerHead, Vec<u8>) {
    let (code, status) = if recording { (200, "ok") } else { (503, "audit_unavailable") };
    let mut head = AnswerHead::new(code);
    head.fields.append("Content-Type", b"application/json");
    head.fields.append("Cache-Control", b"no-store");
    let body = json!({ "status": status, "version": env!("CARGO_PKG_VERSION") });
    (head, format!("{body}\n").into_bytes())
}
