//! Every kind of credential, in one place.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What fields a credential has, and so how it can be used.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Kind {
    /// One opaque token.
    ApiKey,
    /// A user name and a password (RFC 7617).
    BasicAuth,
}

/// The text names no kind that can be used.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum KindError {
    /// The documentation promises it; this version does not hold it.
    #[error("credentials of type `{0}` are not built yet; this version knows `api_key` and `basic_auth`")]
    NotBuilt(String),
    /// Nobody knows it.
    #[error("unknown credential type `{0}`; this version knows `api_key` and `basic_auth`")]
    Unknown(String),
}

impl Kind {
    /// Every kind that can be stored.
    pub const ALL: [Self; 2] = [Self::ApiKey, Self::BasicAuth];

    /// As it is written in the CLI, the API and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::BasicAuth => "basic_auth",
        }
    }
}

impl FromStr for Kind {
    type Err = KindError;

    fn from_str(text: &str) -> Result<Self, KindError> {
        if let Some(kind) = Self::ALL.into_iter().find(|it| it.as_str() == text) {
            return Ok(kind);
        }
        let later = matches!(text, "oauth2" | "private_key") || text.starts_with("plugin:");
        Err(if later { KindError::NotBuilt(text.to_owned()) } else { KindError::Unknown(text.to_owned()) })
    }
}

impl TryFrom<String> for Kind {
    type Error = KindError;

    fn try_from(text: String) -> Result<Self, KindError> {
        text.parse()
    }
}

impl From<Kind> for String {
    fn from(kind: Kind) -> Self {
        kind.as_str().to_owned()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use crate::credential::kind::{Kind, KindError};

    #[test]
    fn kinds_read_as_they_are_written() {
        for kind in Kind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
    }

    #[test]
    fn a_promised_kind_is_told_from_an_unknown_one() {
        for text in ["oauth2", "private_key", "plugin:pgp:pgp_key"] {
            assert_eq!(text.parse::<Kind>(), Err(KindError::NotBuilt(text.to_owned())));
        }
        assert_eq!("API_KEY".parse::<Kind>(), Err(KindError::Unknown("API_KEY".to_owned())));
    }
}
