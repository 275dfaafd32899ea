//! Services that Vultrino knows, embedded from `entries/*.toml`, and how their tokens begin.
//!
//! Not here: what an owner stored (`credential`), and services that nobody documented a token's shape for. An AWS
//! access key id (`AKIA…`) is no secret and signs for many hosts, so it binds nothing.

pub mod entry;
pub mod shape;

pub use entry::{Entry, entries, timeout};
pub use shape::recognise;
