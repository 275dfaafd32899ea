//! What a person sets: file, then environment, then flags, read once at the start into one [`Config`].
//!
//! Each section stands in its own file with its keys, their defaults and their checks; `check.rs` holds the checks that
//! need more than one section, `later.rs` the keys whose behaviour is not built yet (refused, never ignored).
//! Only this room (and `launch`) reads the environment of the process.
//!
//! Not here: what a setting does. A part of the program takes the section that it needs, never the whole.

mod check;
mod conceal;
mod document;
mod duplicate;
pub mod environment;
pub mod error;
mod excerpt;
mod later;
pub mod limits;
pub mod load;
pub mod logging;
pub mod mcp;
pub mod origin;
pub mod password;
pub mod places;
pub mod policies;
pub mod proxy;
pub mod rate_limits;
pub mod sample;
pub mod save;
pub mod seen;
pub mod server;
mod settle;
pub mod storage;
mod text;
mod upstream;
mod written;

pub use environment::Environment;
pub use error::ConfigError;
pub use load::{Flags, Loaded, Part};
pub use origin::Origin;
pub use seen::Seen;

use std::path::PathBuf;

use crate::policy::PolicySet;

/// Everything that was set, checked and with every path made absolute.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[server]`: the listener.
    pub server: server::Server,
    /// `[storage]`: the store and its key derivation.
    pub storage: storage::Storage,
    /// `[logging]`: the log and the audit log.
    pub logging: logging::Logging,
    /// `[upstream]`: the way out.
    pub upstream: crate::upstream::Config,
    /// `[proxy]`: what happens to requests.
    pub proxy: proxy::Proxy,
    /// `[mcp]`: the Model Context Protocol.
    pub mcp: mcp::Mcp,
    /// `[limits]`: what clients may take at once, and how slow they may be.
    pub limits: limits::Limits,
    /// `[rate_limits]`: how often callers may ask, whatever the policies say.
    pub rate_limits: rate_limits::RateLimits,
    /// `[[policies]]` and `[policy]`: what may be done with which credential.
    pub policies: PolicySet,
    /// Where `ca.pem` and, unless set otherwise, the store and the audit log lie.
    pub data_dir: PathBuf,
}
