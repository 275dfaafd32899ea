//! The name that callers use for a credential.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use thiserror::Error;

const LONGEST: usize = 64;

/// A letter or digit, then up to 63 letters, digits, dots, underscores and hyphens, all ASCII.
/// Case matters when it is looked up, and does not when it is asked whether it is taken.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Alias(Arc<str>);

/// The text is no alias.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error(
    "not an alias: it begins with a letter or digit, goes on with letters, digits, '.', '_' or '-', \
     and has at most 64 characters"
)]
pub struct AliasError;

impl Alias {
    /// Whether this text is one.
    ///
    /// # Errors
    /// It is none.
    pub fn check(text: &str) -> Result<(), AliasError> {
        let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let begins = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        if begins && text.len() <= LONGEST && text.bytes().all(inner) { Ok(()) } else { Err(AliasError) }
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// In lower case: two aliases with the same folded form cannot stand in one store.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// Whether `other` differs in case at most.
    pub fn is_like(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl FromStr for Alias {
    type Err = AliasError;

    fn from_str(text: &str) -> Result<Self, AliasError> {
        Self::check(text).map(|()| Self(text.into()))
    }
}

impl TryFrom<String> for Alias {
    type Error = AliasError;

    fn try_from(text: String) -> Result<Self, AliasError> {
        text.parse()
    }
}

impl From<Alias> for String {
    fn from(alias: Alias) -> Self {
        alias.as_str().to_owned()
    }
}

impl fmt::Display for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use crate::credential::alias::Alias;

    #[test]
    fn the_grammar_holds() {
        let longest = "a".repeat(64);
        for text in ["a", "0", "github-api", "A.b_c-D", longest.as_str()] {
            assert_eq!(text.parse::<Alias>().unwrap().as_str(), text);
        }
        let too_long = "a".repeat(65);
        for text in ["", "-a", ".a", "_a", "../x", "a/b", "a%2fb", "a\n", "a\0b", "a b", "а", "\u{202e}a", &too_long] {
            assert!(text.parse::<Alias>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn case_matters_for_looking_up_only() {
        let (lower, upper): (Alias, Alias) = ("git".parse().unwrap(), "GIT".parse().unwrap());
        assert_ne!(lower, upper);
        assert!(lower.is_like(&upper));
        assert_eq!(lower.folded(), upper.folded());
    }
}
