//! May this call happen? Pure: no sockets, no files, no clock.
//!
//! Not here: finding the credential, charging a rate, opening a secret. Main function: [`decide`].

pub mod decision;

pub use decision::{Denial, Facts, Permit, Reveal, decide, reveal};
pub mod stub;
pub use stub::*;
