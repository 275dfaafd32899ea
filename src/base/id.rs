//! Identifiers that Vultrino gives: random, 128 bits, written as a UUID (RFC 9562, version 4).

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Names one stored record, or one store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id(Uuid);

impl Id {
    /// A new one from the system's random numbers.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// The 16 bytes, in network order.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// From 16 bytes as [`Id::as_bytes`] gives them.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
