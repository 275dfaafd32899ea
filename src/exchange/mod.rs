//! The data plane: the life of one request, the same behind every door.
//!
//! Not here: how a request arrives and how its answer leaves (`proxy`, later `api` and `mcp`), and every change of
//! what is stored (`manage`). Main function: [`Exchange::run`].

pub mod bind;
pub mod forward;
pub mod inbound;
pub mod recorded;
pub mod refusal;
pub mod run;
pub mod snapshot;

pub use inbound::{Door, Inbound};
pub use recorded::{Recorded, Reply};
pub use refusal::Refusal;
pub use run::Exchange;
pub use snapshot::Snapshot;

/// How requests are treated on their way through.
#[derive(Clone, Debug)]
pub struct Config {
    /// What becomes of a request in proxy style that names no credential and matches none.
    pub unmatched: Unmatched,
    /// Removed from every request, in any case, besides what is always removed.
    pub strip_headers: Vec<String>,
    /// Added to every request, in place of what the client sent under that name.
    pub inject_headers: Vec<(String, String)>,
    /// Most bytes of a request body; `None` is no limit.
    pub max_body_size: Option<u64>,
}

/// See [`Config::unmatched`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unmatched {
    /// It goes out as it came.
    Forward,
    /// 403.
    Deny,
}
