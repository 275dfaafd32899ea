//! The data plane: the life of one request, the same behind every door.
//!
//! Not here: how a request arrives and how its answer leaves (`proxy`, `api`, `mcp`), and every change of
//! what is stored (`manage`). Main function: [`Exchange::run`].

pub mod attempts;
pub mod bind;
pub mod budget;
pub mod collected;
pub mod failure;
pub mod forward;
pub mod gunzip;
pub mod header_list;
pub mod health;
pub mod identify;
pub mod inbound;
pub mod live;
pub mod metrics;
pub mod open;
pub mod outgoing;
pub mod pace;
pub mod phrase;
pub mod recorded;
pub mod refusal;
pub mod relay;
pub mod run;
pub mod snapshot;
pub mod strangers;
pub mod time_limit;
pub mod tunnel;
pub mod visitor;
pub mod whole;

pub use health::{Health, Part};
pub use identify::{Leave, key_in};
pub use inbound::{Caller, Door, Inbound, check_method};
pub use live::{Ticket, Watch};
pub use metrics::Metrics;
pub use open::Open;
pub use recorded::{Recorded, Reply};
pub use refusal::Refusal;
pub use run::{Exchange, Shared};
pub use snapshot::{Contents, Snapshot};
pub use tunnel::Admitted;
pub use visitor::Visitor;

use std::time::Duration;

use crate::base::{capacity::Most, host::HostPattern};

/// How requests are treated on their way through.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// What becomes of a request in proxy style that names no credential and matches none.
    pub unmatched: Unmatched,
    /// Which tunnels are looked into.
    pub intercept: Intercept,
    /// Hosts whose tunnels never are.
    pub tunnel_hosts: Vec<HostPattern>,
    /// Removed from every request, in any case, besides what is always removed.
    pub strip_headers: Vec<String>,
    /// Added to every request, in place of what the client sent under that name.
    pub inject_headers: Vec<(String, String)>,
    /// Most bytes of a request body; `None` is no limit.
    pub max_body_size: Option<u64>,
    /// For silence of an origin server before its answer, and in one of known length.
    pub timeout: Duration,
    /// For silence in an answer that streams, and of either side of a gRPC call.
    pub stream_idle_timeout: Duration,
    /// Most bytes of the fields of an answer's head.
    pub longest_answer_head: usize,
    /// How many requests may be open at once.
    pub requests: Most,
    /// How often callers may call.
    pub rate_limits: RateLimits,
}

/// What the appliance itself allows a minute; `None` is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RateLimits {
    /// Requests for the world of one key.
    pub proxy: Option<u32>,
    /// Requests for the management API of one caller.
    pub management: Option<u32>,
    /// Keys that are not valid, shown from one address, and each of them.
    pub auth_failures: Option<u32>,
}

/// See [`Config::intercept`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Intercept {
    /// All.
    #[default]
    All,
    /// Those to a host that a credential is bound to, which the caller may use.
    Bound,
    /// None.
    Off,
}

/// See [`Config::unmatched`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Unmatched {
    /// It goes out as it came.
    Forward,
    /// 403.
    #[default]
    Deny,
}
