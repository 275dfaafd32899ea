//! After which requests an HTTP/1 connection to an origin may be used again.

use std::{fmt, str::FromStr};

use serde::Deserialize;
use thiserror::Error;

/// `reuse`, of `[upstream]` or of a credential.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(try_from = "String")]
pub enum Reuse {
    /// `bodyless`: only after requests without a body.
    #[default]
    Bodyless,
    /// `after-body`: also after requests with a body. Only for origins that are known to read every body to its end, or to
    /// close the connection.
    AfterBody,
}

/// The text is no value of `reuse`.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("`reuse` is \"bodyless\" or \"after-body\", not \"{0}\"")]
pub struct ReuseError(pub String);

impl FromStr for Reuse {
    type Err = ReuseError;

    fn from_str(text: &str) -> Result<Self, ReuseError> {
        match text {
            "bodyless" => Ok(Self::Bodyless),
            "after-body" => Ok(Self::AfterBody),
            other => Err(ReuseError(other.to_owned())),
        }
    }
}

impl fmt::Display for Reuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bodyless => "bodyless",
            Self::AfterBody => "after-body",
        })
    }
}

impl TryFrom<String> for Reuse {
    type Error = ReuseError;

    fn try_from(text: String) -> Result<Self, ReuseError> {
        text.parse()
    }
}
