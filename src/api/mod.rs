//! Our own paths on the proxy's listener.
//!
//! Not here: requests for the world (`proxy`). Main function: [`answer`].

use serde_json::json;

use crate::{
    base::head::{AnswerHead, RequestHead},
    exchange::{Exchange, Refusal},
};

/// Answers a request for one of our own paths.
///
/// # Errors
/// A path that nothing is served under, a method that it does not take.
pub fn answer(head: &RequestHead, exchange: &Exchange) -> Result<(AnswerHead, Vec<u8>), Refusal> {
    let path = head.target.split('?').next().unwrap_or(&head.target);
    match (path, head.method.as_str()) {
        ("/health", "GET" | "HEAD") => Ok(health(exchange)),
        ("/health", _) => Err(Refusal::Method),
        _ => Err(Refusal::NoSuchPath),
    }
}

/// Needs no key. Says 503 while nothing may be used because nothing can be recorded; what works with an older state than
/// it should is degraded.
fn health(exchange: &Exchange) -> (AnswerHead, Vec<u8>) {
    let version = env!("CARGO_PKG_VERSION");
    let (code, body) = match exchange.health().reasons() {
        _ if !exchange.is_recording() => (503, json!({ "status": "audit_unavailable", "version": version })),
        reasons if reasons.is_empty() => (200, json!({ "status": "ok", "version": version })),
        reasons => (200, json!({ "status": "degraded", "reasons": reasons, "version": version })),
    };
    let mut head = AnswerHead::new(code);
    head.fields.append("Content-Type", b"application/json");
    head.fields.append("Cache-Control", b"no-store");
    (head, format!("{body}\n").into_bytes())
}
