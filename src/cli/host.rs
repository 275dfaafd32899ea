//! Hosts as people type them after `--host` and at the question of `add`.

use std::ffi::OsStr;

use clap::{
    Arg, Command,
    builder::TypedValueParser,
    error::{Error, ErrorKind},
};
use thiserror::Error;

use crate::{
    base::{
        host::{AuthorityPattern, HostError},
        secret::Secret,
    },
    catalog,
    identity::PREFIX,
};

/// A host without a dot and a port that is longer than this is no name on any network that people type.
const LONGEST_LABEL: usize = 24;

/// Why a text is not taken as a host. None of these repeats the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub(crate) enum HostArgumentError {
    /// Whatever was pasted here belongs to another question.
    #[error("this looks like a key, not like a host, and was not stored; a host is written like api.example.com")]
    Token,
    /// A credential cannot be bound to a part of a site.
    #[error(
        "a credential is bound to a host, not to a path: write `https://api.example.com` or `api.example.com`; a policy \
         can limit the paths"
    )]
    Path,
    #[error(transparent)]
    Host(#[from] HostError),
}

/// Reads a host, or the URL of one.
pub(crate) fn parse_host(text: &str) -> Result<AuthorityPattern, HostArgumentError> {
    if is_token(text) {
        return Err(HostArgumentError::Token);
    }
    let start = text.find("://").map_or(0, |at| at + 3);
    let end = text[start..].find(['/', '?', '#']).map_or(text.len(), |at| start + at);
    match &text[end..] {
        "" | "/" => Ok(text[..end].parse()?),
        _ => Err(HostArgumentError::Path),
    }
}

/// The parser of `--host`. clap would repeat values that are refused, and one may be a key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HostParser;

impl TypedValueParser for HostParser {
    type Value = AuthorityPattern;

    fn parse_ref(&self, cmd: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<AuthorityPattern, Error> {
        let parsed = value.to_str().map_or(Err(HostError::Malformed.into()), parse_host);
        parsed.map_err(|error| {
            let name = arg.map(ToString::to_string).unwrap_or_default();
            let text = format!("invalid value for '{name}': {error}\n");
            Error::raw(ErrorKind::ValueValidation, text).with_cmd(cmd)
        })
    }
}

fn is_token(text: &str) -> bool {
    if text.contains([':', '/', '*', '[']) {
        return false;
    }
    let is_label = !text.contains('.');
    let is_mixed = text.bytes().any(|it| it.is_ascii_digit()) && text.bytes().any(|it| it.is_ascii_alphabetic());
    let is_known = || text.starts_with(PREFIX) || catalog::recognise(&Secret::from(text.to_owned())).is_some();
    // Some tokens have dots, and hosts hardly have underscores.
    (is_label && is_mixed && text.len() > LONGEST_LABEL) || ((is_label || text.contains('_')) && is_known())
}

#[cfg(test)]
mod tests {
    use crate::cli::host::{HostArgumentError, parse_host};

    #[test]
    fn a_copied_url_names_its_host() {
        for (text, host) in [
            ("https://api.github.com/", "api.github.com"),
            ("https://api.github.com", "api.github.com"),
            ("http://h:8080/", "http://h:8080"),
            ("api.github.com:*", "api.github.com:*"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(parse_host(text).unwrap().to_string(), host);
        }
        for text in ["https://api.github.com/user", "https://api.github.com/?x", "api.github.com/user", "h#x"] {
            assert_eq!(parse_host(text).unwrap_err(), HostArgumentError::Path, "{text}");
        }
        assert!(parse_host("https://user@host/").is_err());
    }

    #[test]
    fn what_looks_like_a_key_is_no_host() {
        for text in
            ["ghp_abc", "ghs_a.b.c", "sk-ant-x", "vk_x", "Zk3vW9qLmT5xR8bN2cYdZk3vW9qLmT5x", "a1".repeat(13).as_str()]
        {
            assert_eq!(parse_host(text).unwrap_err(), HostArgumentError::Token, "{text}");
        }
        for text in ["a-machine-of-the-build-farm", "node1", "sk-x.example", "ghp_abc:8080"] {
            assert!(parse_host(text).is_ok(), "{text}");
        }
    }
}
