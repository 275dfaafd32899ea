//! Vultrino: a proxy that uses credentials for programs that must never see them.
//!
//! Each folder is a room; a room imports only from the floors below it (ARCHITECTURE.md, `tests/it/tidy.rs`).
//! The rooms are public for the binary, the tests and the benchmarks; they are no stable API.

#[doc(hidden)]
pub mod api;
#[doc(hidden)]
pub mod app;
#[doc(hidden)]
pub mod audit;
#[doc(hidden)]
pub mod base;
#[doc(hidden)]
pub mod ca;
#[doc(hidden)]
pub mod catalog;
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod config;
#[doc(hidden)]
pub mod credential;
#[doc(hidden)]
pub mod exchange;
#[doc(hidden)]
pub mod http1;
#[doc(hidden)]
pub mod http2;
#[doc(hidden)]
pub mod identity;
#[doc(hidden)]
pub mod inject;
#[doc(hidden)]
pub mod manage;
#[doc(hidden)]
pub mod mcp;
#[doc(hidden)]
pub mod policy;
#[doc(hidden)]
pub mod proxy;
#[doc(hidden)]
pub mod safe;
#[doc(hidden)]
pub mod seal;
#[doc(hidden)]
pub mod store;
#[doc(hidden)]
pub mod upstream;
