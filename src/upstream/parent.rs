//! The proxy that connections to origin servers lead through, as `[upstream] proxy` names it.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use thiserror::Error;

use crate::base::{
    fields::Fields,
    host::{Authority, HostError, Scheme},
    secret::Secret,
};

/// An HTTP proxy and what it is shown. Written `http://[user:password@]host[:port]`, or with `https` where it is spoken to
/// over TLS.
#[derive(Debug)]
pub struct Parent {
    /// Whether TLS is spoken to it.
    pub scheme: Scheme,
    /// Where it listens.
    pub authority: Authority,
    /// The value of `Proxy-Authorization`.
    authorization: Option<Secret>,
}

/// Why a text names no proxy. No part of it is told: it may hold a password.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum ParentError {
    /// Not `http://…` or `https://…`.
    #[error("it must begin with http:// or https://")]
    Scheme,
    /// Bad host or port.
    #[error("its host or port is not valid: {0}")]
    Authority(#[from] HostError),
    /// A reserved character in the name or the password.
    #[error("write what is special in its user and password as %40 for @, %3A for :, %2F for /, %25 for %")]
    User,
    /// Something behind host and port.
    #[error("nothing can follow its host and port")]
    Path,
}

impl Parent {
    /// Puts into a request what the proxy is shown.
    pub fn authorize(&self, fields: &mut Fields) {
        if let Some(value) = &self.authorization {
            fields.inject("Proxy-Authorization", "", Secret::new(value.expose().to_vec()));
        }
    }
}

impl FromStr for Parent {
    type Err = ParentError;

    fn from_str(text: &str) -> Result<Self, ParentError> {
        let (scheme, rest) = text.split_once("://").ok_or(ParentError::Scheme)?;
        let scheme = Scheme::parse(scheme).ok_or(ParentError::Scheme)?;
        let (user, rest) = match rest.rsplit_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, rest),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#']) {
            return Err(ParentError::Path);
        }
        let authority = Authority::parse(authority, scheme.default_port())?;
        Ok(Self { scheme, authority, authorization: user.map(basic).transpose()? })
    }
}

impl PartialEq for Parent {
    fn eq(&self, other: &Self) -> bool {
        let shown = |it: &Self| it.authorization.as_ref().map(|it| it.expose().to_vec());
        self.scheme == other.scheme && self.authority == other.authority && shown(self) == shown(other)
    }
}

impl Eq for Parent {}

impl fmt::Display for Parent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.authority)
    }
}

/// RFC 7617, from the user information of a URL.
fn basic(user: &str) -> Result<Secret, ParentError> {
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let mut pair = Vec::with_capacity(user.len() + 1);
    decode(name, &mut pair)?;
    if pair.contains(&b':') {
        return Err(ParentError::User);
    }
    pair.push(b':');
    decode(password, &mut pair)?;
    Ok(Secret::from(format!("Basic {}", STANDARD.encode(Secret::new(pair).expose()))))
}

/// Undoes percent-encoding (RFC 3986 section 2.1); what must be encoded must be.
fn decode(text: &str, into: &mut Vec<u8>) -> Result<(), ParentError> {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        into.push(match byte {
            b'%' => hex(bytes.next())? << 4 | hex(bytes.next())?,
            b':' | b'@' | b'/' | b'?' | b'#' | b'[' | b']' => return Err(ParentError::User),
            it if it.is_ascii_graphic() => it,
            _ => return Err(ParentError::User),
        });
    }
    Ok(())
}

fn hex(digit: Option<u8>) -> Result<u8, ParentError> {
    match digit {
        Some(it @ b'0'..=b'9') => Ok(it - b'0'),
        Some(it @ b'a'..=b'f') => Ok(it - b'a' + 10),
        Some(it @ b'A'..=b'F') => Ok(it - b'A' + 10),
        _ => Err(ParentError::User),
    }
}

#[cfg(test)]
mod tests {
    use crate::upstream::parent::{Parent, ParentError};

    fn read(text: &str) -> Result<(String, Option<String>), ParentError> {
        let parent: Parent = text.parse()?;
        let shown = parent.authorization.as_ref().map(|it| String::from_utf8_lossy(it.expose()).into_owned());
        Ok((parent.to_string(), shown))
    }

    #[test]
    fn a_proxy_is_a_url_with_or_without_a_user() {
        let alone = |it: &str| Ok((it.to_owned(), None));
        let shown = |it: &str, value: &str| Ok((it.to_owned(), Some(value.to_owned())));
        for (text, expected) in [
            ("http://proxy:3128", alone("http://proxy:3128")),
            ("http://proxy", alone("http://proxy:80")),
            ("HTTPS://Proxy.Example/", alone("https://proxy.example:443")),
            ("http://[::1]:3128", alone("http://[::1]:3128")),
            ("http://user:pass@proxy:3128", shown("http://proxy:3128", "Basic dXNlcjpwYXNz")),
            ("http://user@proxy:3128", shown("http://proxy:3128", "Basic dXNlcjo=")),
            ("http://u%40corp:p%3A%25%2f@proxy:3128", shown("http://proxy:3128", "Basic dUBjb3JwOnA6JS8=")),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_plain_proxy_is_refused_without_being_repeated() {
        for text in [
            "",
            "proxy:3128",
            "socks5://proxy:1080",
            "http://",
            "http://proxy:0",
            "http://proxy:3128/path",
            "http://proxy:3128?x",
            "http://127.1:3128",
            "http://sekrit:a:b@proxy",
            "http://sekrit:a@b@proxy",
            "http://sekrit:a/b@proxy",
            "http://sekrit:100%@proxy",
            "http://se%3Akrit:a@proxy",
            "http://sekrit:pä@proxy",
            "http://sekrit:a b@proxy",
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(!error.contains("sekrit"), "{text}: {error}");
        }
    }
}
