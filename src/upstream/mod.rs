//! The pooled way out: one request to an origin server, over a connection whose address and certificate were checked.
//!
//! The only room that opens outbound sockets. Not here: what may be sent where, and what is put into it.
//! Main type: [`Upstream`], one a worker.

pub mod bypass;
pub mod channel;
pub mod connect;
pub mod flight;
pub mod guard;
pub mod hop;
pub mod interim;
pub mod lane;
pub mod memory;
pub mod multiplexed;
pub mod parent;
pub mod pool;
pub mod pseudonym;
pub mod race;
pub mod resolve;
pub mod reuse;
pub mod send;
pub mod stream;
pub mod tenant;
pub mod tls;

pub use crate::http1::send::KeepTrailer;
pub use bypass::Bypass;
pub use connect::{Connector, DialError, OnBehalf};
pub use guard::Guard;
pub use hop::Hop;
pub use memory::Memory;
pub use parent::Parent;
pub use resolve::Resolver;
pub use send::{Answer, Connections, Failure, Request, Upstream};
pub use tenant::Tenant;

use std::{path::PathBuf, sync::Arc, time::Duration};

use ipnet::IpNet;

use crate::base::reuse::Reuse;

/// How origin servers are reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// Ranges outside the public internet that may be dialled all the same (D-17).
    pub allow_private: Vec<IpNet>,
    /// Certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// For name resolution, TCP and TLS together.
    pub connect_timeout: Duration,
    /// The proxy that leads to them.
    pub proxy: Option<Arc<Parent>>,
    /// Hosts that are reached without it.
    pub no_proxy: Vec<Bypass>,
    /// After which requests an HTTP/1 connection may be used again, where the credential does not say.
    pub reuse: Reuse,
}
