//! Who a caller turned out to be.

use std::sync::{Arc, LazyLock};

use thiserror::Error;

use crate::identity::Presented;

/// A caller that has been authenticated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Principal {
    /// Whoever reaches the loopback listener in local mode, or runs the CLI with the storage password.
    Local,
}

/// The key that was shown is no valid one.
#[derive(Clone, Copy, Debug, Error)]
#[error("Invalid or expired API key")]
pub struct Unauthenticated;

impl Principal {
    /// The name that audit lines show.
    pub fn name(&self) -> Arc<str> {
        static LOCAL: LazyLock<Arc<str>> = LazyLock::new(|| "local".into());
        match self {
            Self::Local => Arc::clone(&LOCAL),
        }
    }
}

/// Authenticates in local mode: no key is needed, but one that is shown counts, and none has been created.
///
/// # Errors
/// A key is shown.
pub fn authenticate(presented: &Presented) -> Result<Principal, Unauthenticated> {
    if presented.shows_a_key { Err(Unauthenticated) } else { Ok(Principal::Local) }
}
