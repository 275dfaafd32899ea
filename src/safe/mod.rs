//! The only door to plaintext: it opens for a permit, one credential at a time.
//!
//! Not here: who gets a permit (`policy`), and what becomes of the plaintext (`inject`). Main type: [`Safe`].

pub mod local;

pub use local::{Safe, SafeError};

/// What it opens.
pub use crate::store::Stored;
