//! The pooled way out: one request to an origin server, over a connection whose address and certificate were checked.
//!
//! The only room that opens outbound sockets. Not here: what may be sent where, and what is put into it.
//! Main type: [`Upstream`], one a worker.

pub mod channel;
pub mod connect;
pub mod guard;
pub mod pool;
pub mod resolve;
pub mod send;
pub mod tls;

pub use crate::http1::send::KeepTrailer;
pub use connect::{Connector, DialError};
pub use guard::Guard;
pub use send::{Answer, Connections, Failure, Request, Upstream};

use std::{path::PathBuf, time::Duration};

use ipnet::IpNet;

/// How origin servers are reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// Ranges outside the public internet that may be dialled all the same (D-17).
    pub allow_private: Vec<IpNet>,
    /// Certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// For name resolution, TCP and TLS together.
    pub connect_timeout: Duration,
}
