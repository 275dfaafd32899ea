//! Identifiers that Vultrino gives: random, 128 bits, written as a UUID (RFC 9562, version 4).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

/// Names one stored record, or one store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id(Uuid);

impl Id {
    /// All zeros, which no random one is.
    pub const ZERO: Self = Self(Uuid::nil());

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

/// The text is no identifier.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("not an id: 32 hexadecimal digits with hyphens")]
pub struct IdError;

/// As it is written here, and in no other way that a UUID may be written.
impl FromStr for Id {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let id = Uuid::try_parse(text).or(Err(IdError))?;
        if text.len() == id.hyphenated().to_string().len() { Ok(Self(id)) } else { Err(IdError) }
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
