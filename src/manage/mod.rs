//! Every change that a person or program can make to a store, one function each, and what they may look at.
//!
//! A change passes [`Desk`]: it looks at the caller's rights, opens a record, decides by the records as they are, applies,
//! and begins again if somebody else was faster. Not here: asking, printing, and exit codes (`cli`); the CA's making
//! (`ca`), whose result `setup` takes; who a caller is (`identity`, `exchange`).

pub mod admin;
pub mod credentials;
pub mod desk;
pub mod error;
pub mod expiry;
pub mod keys;
pub mod office;
pub mod password;
pub mod policies;
pub mod reveal;
mod rights;
pub mod roles;
pub mod setup;
mod text;
pub mod trail;
pub mod upkeep;

/// What all that only looks is given; [`Desk::store`] has the newest.
pub use crate::store::Records;
pub use desk::{Caller, Desk};
pub use error::ManageError;
pub use expiry::ExpiryError;
pub use office::Office;
pub use text::{Description, is_seen};
