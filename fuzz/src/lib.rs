//! What each fuzz target checks. libFuzzer calls these functions with bytes of its own (`targets/`), the stable tests with the
//! corpus and with what proptest makes (`tests/it/fuzzing.rs`). They panic where a property does not hold.

mod agent;
mod chunked;
mod classify;
mod heads;
mod hosts;
mod http2;
mod messages;
mod reference;
mod store;
mod target;

pub use agent::agent_message;
pub use chunked::chunked;
pub use classify::classify;
pub use heads::{answer_head, request_head};
pub use hosts::{connect_authority, host_pattern};
pub use http2::http2_head;
pub use messages::messages;
pub use store::store_envelope;
pub use target::target;

/// Panics if the bytes show that a property does not hold.
pub type Body = fn(&[u8]);

/// Every target by its name, which is also the name of its corpus.
pub const TARGETS: [(&str, Body); 11] = [
    ("agent_message", agent_message),
    ("answer_head", answer_head),
    ("chunked", chunked),
    ("classify", classify),
    ("connect_authority", connect_authority),
    ("host_pattern", host_pattern),
    ("http2_head", http2_head),
    ("messages", messages),
    ("request_head", request_head),
    ("store_envelope", store_envelope),
    ("target", target),
];
