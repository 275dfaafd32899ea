//! The only place that wires rooms to each other: the daemon, and one request from the command line.
//!
//! Not here: what a person reads and types (`cli`), what is set (`config`). Main functions: [`Server::start`] and
//! [`request::run`].

pub mod bench;
pub mod bridge;
mod classic;
pub mod demo;
mod descriptors;
mod difference;
pub mod error;
mod event_log;
mod exposition;
pub mod harden;
pub mod housekeeping;
pub mod names;
pub mod parts;
mod process;
pub mod published;
pub mod reload;
pub mod request;
pub mod scrape;
pub mod serve;
pub mod shutdown;
pub mod stage;
pub mod stdio;
pub mod trail;
pub mod upkeep;

pub use error::AppError;
pub use event_log::EventLog;
pub use harden::harden;
pub use parts::check;
pub use serve::{Server, open_ca};
pub use trail::Rollback;
