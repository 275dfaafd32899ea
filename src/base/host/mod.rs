//! Hosts and authorities, parsed once into one canonical form, and the patterns that credentials are bound with.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use memchr::memchr;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A host as RFC 3986 section 3.2.2 has it, in canonical form: a lower-case name without trailing dot, or an address.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Host {
    /// A DNS name of at most 253 characters, in lower case.
    Name(Box<str>),
    /// An IPv4 address, written as four decimal numbers.
    V4(Ipv4Addr),
    /// An IPv6 address, in brackets where it stands in an authority.
    V6(Ipv6Addr),
}

/// Why a host, port or authority is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum HostError {
    /// It follows no grammar.
    #[error("not a host name or address")]
    Malformed,
    /// One parser reads a name where another reads an address: `127.1`, `0x7f000001`, full-width digits.
    #[error("a host that some programs read as another address; write it in plain decimal form")]
    Disguised,
    /// The port is missing, empty, zero, has leading zeros or exceeds 65535.
    #[error("not a port between 1 and 65535")]
    Port,
}

impl Host {
    /// The address, if the host is written as one.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::V4(it) => Some(IpAddr::V4(*it)),
            Self::V6(it) => Some(IpAddr::V6(*it)),
        }
    }

    /// Whether this is the machine itself, wherever it is asked for: `localhost` and its subdomains (RFC 6761 section 6.3),
    /// loopback addresses.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => &**name == "localhost" || name.ends_with(".localhost"),
            Self::V4(it) => it.is_loopback(),
            Self::V6(it) => it.to_canonical().is_loopback(),
        }
    }
}

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        Ok(match Written::read(text)? {
            Written::Name(name) => Self::Name(name.to_ascii_lowercase().into()),
            Written::V4(it) => Self::V4(it),
            Written::V6(it) => Self::V6(it),
        })
    }
}

/// A host as it was written.
enum Written<'a> {
    /// In any case, without its trailing dot.
    Name(&'a str),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

impl<'a> Written<'a> {
    fn read(text: &'a str) -> Result<Self, HostError> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(HostError::Malformed)?;
            // No zone identifiers: `Ipv6Addr` refuses them.
            return inner.parse().map(Self::V6).or(Err(HostError::Malformed));
        }
        if !text.is_ascii() {
            return Err(HostError::Disguised);
        }
        let text = text.strip_suffix('.').unwrap_or(text);
        let last = last_label(text.as_bytes()).filter(|_| text.len() <= 253).ok_or(HostError::Malformed)?;
        // The last label of an address is a number.
        if !is_number(last) {
            return Ok(Self::Name(text));
        }
        text.parse().map(Self::V4).or(Err(HostError::Disguised))
    }
}

/// The last of these labels, if all are: letters, digits, hyphens not at either end, and underscores; at most 63 of them.
fn last_label(text: &[u8]) -> Option<&[u8]> {
    let mut begin = 0;
    for (at, b) in text.iter().enumerate() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => {}
            b'-' if at > begin => {}
            b'.' if is_end(&text[begin..at]) => begin = at + 1,
            _ => return None,
        }
    }
    Some(&text[begin..]).filter(|it| is_end(it))
}

fn is_end(label: &[u8]) -> bool {
    label.len() <= 63 && label.last().is_some_and(|b| *b != b'-')
}

/// Whether a last label makes the whole host a number to `inet_aton` and to browsers.
fn is_number(label: &[u8]) -> bool {
    match label {
        [b'0', b'x' | b'X', digits @ ..] => digits.iter().all(u8::is_ascii_hexdigit),
        digits => digits.iter().all(u8::is_ascii_digit),
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(it) => f.write_str(it),
            Self::V4(it) => it.fmt(f),
            Self::V6(it) => write!(f, "[{it}]"),
        }
    }
}

/// The two schemes that Vultrino forwards.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Scheme {
    /// Plaintext.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// As it stands before `://`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that is meant where none is written.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// Reads a scheme in any case.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Http, Self::Https].into_iter().find(|it| text.eq_ignore_ascii_case(it.as_str()))
    }
}

/// A host and its port.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Authority {
    /// Where to.
    pub host: Host,
    /// Never zero.
    pub port: u16,
}

impl Authority {
    /// Reads `host`, `host:port` or `[v6]:port`; without a port it is `default`.
    ///
    /// # Errors
    /// User information, an empty port, leading zeros and anything outside the grammar.
    pub fn parse(text: &str, default: u16) -> Result<Self, HostError> {
        let (host, port) = split_port(text)?;
        let port = port.map_or(Ok(default), parse_port)?;
        Ok(Self { host: host.parse()?, port })
    }

    /// Whether [`Authority::parse`] reads it; keeps nothing of it.
    ///
    /// # Errors
    /// As there.
    pub fn check(text: &str) -> Result<(), HostError> {
        let (host, port) = split_port(text)?;
        port.map_or(Ok(1), parse_port)?;
        Written::read(host).map(drop)
    }

    /// Reads `host:port`, the authority-form of CONNECT (RFC 9112 section 3.2.3), where the port must stand.
    ///
    /// # Errors
    /// As [`Authority::parse`], and a missing port.
    pub fn parse_with_port(text: &str) -> Result<Self, HostError> {
        let (host, port) = split_port(text)?;
        let port = parse_port(port.ok_or(HostError::Port)?)?;
        Ok(Self { host: host.parse()?, port })
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

fn split_port(text: &str) -> Result<(&str, Option<&str>), HostError> {
    let end = match text.strip_prefix('[') {
        Some(rest) => rest.find(']').ok_or(HostError::Malformed)? + 2,
        None => memchr(b':', text.as_bytes()).unwrap_or(text.len()),
    };
    match text[end..].strip_prefix(':') {
        Some(port) => Ok((&text[..end], Some(port))),
        None if end == text.len() => Ok((text, None)),
        None => Err(HostError::Malformed),
    }
}

fn parse_port(text: &str) -> Result<u16, HostError> {
    if text.is_empty() || text.starts_with('0') || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(HostError::Port);
    }
    text.parse().or(Err(HostError::Port))
}

/// Which hosts: one, or exactly one label more than a domain (`*.example.com`, never `example.com` itself).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum HostPattern {
    /// This one.
    Exactly(Host),
    /// One label in front of this name.
    OneLabelBefore(Box<str>),
}

impl HostPattern {
    /// Whether `host` is meant.
    pub fn matches(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Exactly(it), _) => it == host,
            (Self::OneLabelBefore(domain), Host::Name(name)) => {
                memchr(b'.', name.as_bytes()).is_some_and(|dot| name[dot + 1..] == **domain)
            }
            (Self::OneLabelBefore(_), _) => false,
        }
    }
}

impl HostPattern {
    /// The one host that is meant, if it is one.
    pub fn exactly(&self) -> Option<&Host> {
        match self {
            Self::Exactly(host) => Some(host),
            Self::OneLabelBefore(_) => None,
        }
    }
}

impl FromStr for HostPattern {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let Some(domain) = text.strip_prefix("*.") else {
            return text.parse().map(Self::Exactly);
        };
        match domain.parse()? {
            Host::Name(name) if name.contains('.') => Ok(Self::OneLabelBefore(name)),
            _ => Err(HostError::Malformed),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(host) => host.fmt(f),
            Self::OneLabelBefore(domain) => write!(f, "*.{domain}"),
        }
    }
}

/// Which authorities under which scheme: what a credential is bound to. Written `api.github.com`, `host:8443`,
/// `host:*` (any port), `*.example.com`, `http://host` (plaintext permitted).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AuthorityPattern {
    /// Only this scheme.
    pub scheme: Scheme,
    /// Only these hosts.
    pub host: HostPattern,
    /// Only this port; `None` is any.
    pub port: Option<u16>,
}

impl AuthorityPattern {
    /// This authority under this scheme and no other.
    pub fn exactly(scheme: Scheme, authority: &Authority) -> Self {
        Self { scheme, host: HostPattern::Exactly(authority.host.clone()), port: Some(authority.port) }
    }

    /// Whether a request under `scheme` to `authority` is meant.
    pub fn matches(&self, scheme: Scheme, authority: &Authority) -> bool {
        self.scheme == scheme
            && self.port.is_none_or(|port| port == authority.port)
            && self.host.matches(&authority.host)
    }
}

impl FromStr for AuthorityPattern {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Scheme::parse(scheme).ok_or(HostError::Malformed)?, rest),
            None => (Scheme::Https, text),
        };
        let (host, port) = split_port(rest)?;
        let port = match port {
            Some("*") => None,
            Some(port) => Some(parse_port(port)?),
            None => Some(scheme.default_port()),
        };
        Ok(Self { scheme, host: host.parse()?, port })
    }
}

impl fmt::Display for AuthorityPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scheme == Scheme::Http {
            f.write_str("http://")?;
        }
        match self.port {
            None => write!(f, "{}:*", self.host),
            Some(port) if port == self.scheme.default_port() => self.host.fmt(f),
            Some(port) => write!(f, "{}:{port}", self.host),
        }
    }
}

impl TryFrom<String> for AuthorityPattern {
    type Error = HostError;

    fn try_from(text: String) -> Result<Self, HostError> {
        text.parse()
    }
}

impl From<AuthorityPattern> for String {
    fn from(pattern: AuthorityPattern) -> Self {
        pattern.to_string()
    }
}

#[cfg(test)]
mod tests;
