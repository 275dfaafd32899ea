//! How often something may happen: so many times in any stretch of so many seconds.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// At most `max` grants in any interval as long as `window`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rate {
    /// At least 1.
    pub max: u32,
    /// At least a second.
    pub window: Duration,
}

/// A rate as a condition. It holds while there is room for one more.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct RateLimit {
    /// How often.
    pub rate: Rate,
    /// Who shares it.
    pub per: Per,
    /// Names its counters. The same rule of the same policy has the same after a reload.
    pub id: u64,
}

/// Who shares a counter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    /// All who use the credential.
    #[default]
    Credential,
    /// Each key has its own for each credential. Callers without a key share one.
    Key,
}

/// Why there is no such rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum RateError {
    /// Nothing would ever happen.
    #[error("`max` is 0, which allows nothing; write a rule with action = \"deny\"")]
    Max,
    /// There is no such stretch of time.
    #[error("`window_secs` is at least 1")]
    Window,
}

/// As it stands in a file.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a rate such as { max = 100, window_secs = 60 }")]
struct Written {
    max: u32,
    window_secs: u32,
    #[serde(default, skip_serializing_if = "Per::is_credential")]
    per: Per,
}

/// What it says; the id follows from that and from its place.
impl PartialEq for RateLimit {
    fn eq(&self, other: &Self) -> bool {
        self.rate == other.rate && self.per == other.per
    }
}

impl Eq for RateLimit {}

impl Per {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_credential(&self) -> bool {
        *self == Self::Credential
    }
}

impl TryFrom<Written> for RateLimit {
    type Error = RateError;

    fn try_from(written: Written) -> Result<Self, RateError> {
        match written {
            Written { max: 0, .. } => Err(RateError::Max),
            Written { window_secs: 0, .. } => Err(RateError::Window),
            Written { max, window_secs, per } => {
                Ok(Self { rate: Rate { max, window: Duration::from_secs(window_secs.into()) }, per, id: 0 })
            }
        }
    }
}

impl From<RateLimit> for Written {
    fn from(limit: RateLimit) -> Self {
        // It was a number of 32 bits.
        let window_secs = u32::try_from(limit.rate.window.as_secs()).unwrap_or(u32::MAX);
        Self { max: limit.rate.max, window_secs, per: limit.per }
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {} s", self.rate.max, self.rate.window.as_secs())?;
        if self.per == Per::Key { f.write_str(" per key") } else { Ok(()) }
    }
}
