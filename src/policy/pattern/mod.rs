//! Which URLs a rule is about: scheme, host, port, path and query, each matched within its own borders.
//!
//! The path is matched as a server would read it: escapes of characters that may stand unescaped count as those
//! characters, hexadecimal digits in either case are one, repeated slashes are one. An escaped slash never is a slash.

use std::{fmt, iter, str::FromStr};

use memchr::memchr;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    base::{
        glob::{self, GlobError},
        host::{Host, Scheme},
        target::{Target, TargetError},
    },
    policy::wildcard::{STAR, Wildcard},
};

/// Added to a byte that was sent escaped and means something else unescaped.
const ESCAPED: u16 = 0x100;

/// Written `https://*.example.com:8443/{a,b}/*?page=*`: `*` in the host is a run of characters of one label, in the path
/// any run of characters, slashes too, and never the begin of the query. Without a port it is the scheme's own, `:*` is
/// any; without a `?` nothing is said about the query. `*` alone is any URL.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UrlPattern {
    text: Box<str>,
    /// Empty is any URL.
    alternatives: Box<[Alternative]>,
}

/// One of the patterns that braces stand for.
#[derive(Clone, PartialEq, Eq)]
struct Alternative {
    scheme: Scheme,
    /// Canonical, but for its stars.
    host: Box<str>,
    port: Option<u16>,
    path: Wildcard,
    query: Option<Wildcard>,
    example: Box<str>,
}

/// Why a text is no pattern of URLs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum PatternError {
    /// Only two schemes are forwarded.
    #[error("a URL pattern begins with https:// or http://; `*` alone is any URL")]
    Scheme,
    /// Braces.
    #[error(transparent)]
    Braces(#[from] GlobError),
    /// `**` means something else elsewhere.
    #[error("`**` means no more than `*`; write one")]
    DoubleStar,
    /// It is never sent, so it cannot be matched.
    #[error("a URL pattern holds no `#` and no user name: neither is ever sent")]
    NeverSent,
    /// The host is no host with `*` in it.
    #[error("the host of a URL pattern is a name or an address; `*` in it stands for a part of one label")]
    Host,
    /// The port is neither a number nor a star.
    #[error("the port of a URL pattern is a number between 1 and 65535, or `*` for any")]
    Port,
    /// No request could ever match.
    #[error("no request can match: {0}")]
    Target(#[from] TargetError),
}

impl UrlPattern {
    /// Whether this URL is meant.
    pub fn matches(&self, target: &Target) -> bool {
        self.alternatives.is_empty() || self.alternatives.iter().any(|it| it.matches(target))
    }

    /// Whether every URL that `other` matches is matched here too. May say no where it could say yes, never the reverse.
    pub fn covers(&self, other: &Self) -> bool {
        self.is_any() || (!other.is_any() && other.alternatives.iter().all(|it| self.covers_one(it)))
    }

    /// Whether it says nothing about the host.
    pub fn is_any(&self) -> bool {
        self.alternatives.is_empty()
    }

    /// Whether the text ends in a `*` that is part of the host: what was meant is hardly `example.com*`.
    pub fn ends_inside_the_host(&self) -> bool {
        let authority = self.text.split_once("://").map(|(_, rest)| rest);
        authority.is_some_and(|it| it.ends_with('*') && !it.ends_with(":*") && !it.contains(['/', '?']))
    }

    /// A URL that matches, for each alternative.
    pub fn examples(&self) -> impl Iterator<Item = &str> {
        self.alternatives.iter().map(|it| &*it.example)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn covers_one(&self, other: &Alternative) -> bool {
        self.alternatives.iter().any(|it| it.covers(other))
    }
}

impl Alternative {
    fn matches(&self, target: &Target) -> bool {
        let origin = &target.origin;
        if self.scheme != origin.scheme || self.port.is_some_and(|port| port != origin.authority.port) {
            return false;
        }
        // What asks for the server as a whole is judged as what asks for its root.
        let path_and_query = match target.path_and_query() {
            "*" => "/",
            other => other,
        };
        let (path, query) = match memchr(b'?', path_and_query.as_bytes()) {
            Some(at) => (&path_and_query[..at], Some(&path_and_query[at + 1..])),
            None => (path_and_query, None),
        };
        host_matches(self.host.as_bytes(), host_of(target).as_bytes())
            && self.path.matches(View::of_path(path))
            && self.query.as_ref().is_none_or(|it| query.is_some_and(|query| it.matches(View::of_query(query))))
    }

    fn covers(&self, other: &Self) -> bool {
        self.scheme == other.scheme
            && (self.port.is_none() || self.port == other.port)
            && host_matches(self.host.as_bytes(), other.host.as_bytes())
            && self.path.covers(&other.path)
            && self.query.as_ref().is_none_or(|it| other.query.as_ref().is_some_and(|query| it.covers(query)))
    }
}

impl FromStr for UrlPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if text == "*" {
            return Ok(Self { text: text.into(), alternatives: Box::default() });
        }
        let alternatives = glob::expand(text)?.iter().map(|it| it.parse()).collect::<Result<_, _>>()?;
        Ok(Self { text: text.into(), alternatives })
    }
}

impl FromStr for Alternative {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let (scheme, rest) = text.split_once("://").ok_or(PatternError::Scheme)?;
        let scheme = Scheme::parse(scheme).ok_or(PatternError::Scheme)?;
        if text.contains("**") {
            return Err(PatternError::DoubleStar);
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if rest.contains('#') || authority.contains('@') {
            return Err(PatternError::NeverSent);
        }
        let (host, port) = authority_of(authority, scheme)?;
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let shown_port = port.filter(|it| *it != scheme.default_port()).map_or(String::new(), |it| format!(":{it}"));
        let example = format!("{}://{host}{shown_port}{path}", scheme.as_str()).replace('*', "x");
        Target::parse(&example)?;
        let (path, query) = path.split_once('?').map_or((&*path, None), |(path, query)| (path, Some(query)));
        Ok(Self {
            scheme,
            host: host.into(),
            port,
            path: compile(View::of_path(path)),
            query: query.map(|it| compile(View::of_query(it))),
            example: example.into(),
        })
    }
}

impl TryFrom<String> for UrlPattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        text.parse()
    }
}

impl From<UrlPattern> for String {
    fn from(pattern: UrlPattern) -> Self {
        pattern.text.into()
    }
}

impl fmt::Display for UrlPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for UrlPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

/// The host in its canonical form with stars, and the port; `None` is any.
fn authority_of(text: &str, scheme: Scheme) -> Result<(String, Option<u16>), PatternError> {
    let end = if text.starts_with('[') { text.find(']').map(|it| it + 1) } else { text.find(':') };
    let (host, port) = text.split_at(end.unwrap_or(text.len()));
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => Some(scheme.default_port()),
        None => return Err(PatternError::Port),
        Some("*") => None,
        Some(digits) => Some(port_of(digits)?),
    };
    if !host.contains('*') {
        return Ok((host.parse::<Host>().or(Err(PatternError::Host))?.to_string(), port));
    }
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let is_host = host.split('.').all(|label| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'*'))
    });
    if is_host { Ok((host, port)) } else { Err(PatternError::Host) }
}

fn port_of(digits: &str) -> Result<u16, PatternError> {
    let plain = !digits.starts_with(['0', '+']);
    digits.parse().ok().filter(|it| plain && *it != 0).ok_or(PatternError::Port)
}

/// The host of a target as text, without another allocation.
fn host_of(target: &Target) -> &str {
    let (field, authority) = (target.origin.host_field(), &target.origin.authority);
    if let Host::Name(name) = &authority.host {
        return name;
    }
    let implied = authority.port == target.origin.scheme.default_port();
    if implied { field } else { field.rsplit_once(':').map_or(field, |(host, _)| host) }
}

/// As a server reads a path or a query: byte by byte, and what must stay escaped as a token of its own.
#[derive(Clone)]
struct View<'a> {
    rest: &'a [u8],
    is_path: bool,
}

impl<'a> View<'a> {
    fn of_path(text: &'a str) -> Self {
        Self { rest: text.as_bytes(), is_path: true }
    }

    fn of_query(text: &'a str) -> Self {
        Self { rest: text.as_bytes(), is_path: false }
    }

    /// RFC 3986 section 2.3; in a path also what section 3.3 lets stand in a segment as it is.
    fn may_stand(&self, b: u8) -> bool {
        b.is_ascii_alphanumeric() || b"-._~".contains(&b) || (self.is_path && b"!$&'()*+,;=:@".contains(&b))
    }
}

impl Iterator for View<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        match (first, rest) {
            (b'/', _) if self.is_path => {
                while let [b'/', more @ ..] = self.rest {
                    self.rest = more;
                }
            }
            (b'%', [high, low, more @ ..]) => {
                if let (Some(high), Some(low)) = (digit(*high), digit(*low)) {
                    self.rest = more;
                    let byte = high << 4 | low;
                    return Some(u16::from(byte) | if self.may_stand(byte) { 0 } else { ESCAPED });
                }
            }
            _ => (),
        }
        Some(u16::from(*first))
    }
}

/// A hexadecimal one.
fn digit(b: u8) -> Option<u8> {
    match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' | b'A'..=b'F' => Some((b | 0x20) - b'a' + 10),
        _ => None,
    }
}

/// A pattern reads like what it matches, but for its stars.
fn compile(mut text: View<'_>) -> Wildcard {
    let tokens =
        iter::from_fn(|| if text.rest.first() == Some(&b'*') { text.next().map(|_| STAR) } else { text.next() });
    Wildcard::new(&tokens.collect::<Vec<_>>())
}

/// A star stays within its label.
fn host_matches(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        // As most have it: one star in front.
        [b'*', rest @ ..] if !rest.contains(&b'*') => text.strip_suffix(rest).is_some_and(|it| !it.contains(&b'.')),
        _ => glob::matches(pattern, b'*', Some(b'.'), text.iter().copied()),
    }
}

#[cfg(test)]
mod tests;
