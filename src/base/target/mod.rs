//! What one upstream request is aimed at, parsed once; what was judged is what is sent.

use std::{fmt, sync::Arc};

use http::Method;
use thiserror::Error;

use crate::base::host::{Authority, Host, HostError, Scheme};

/// Longest request-target that is read, in bytes.
pub const LONGEST_TARGET: usize = 65_535;

/// An origin as RFC 9110 section 4.3.1 has it: what connections to origin servers are kept and shared by.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Origin {
    /// Decides whether TLS is spoken upstream.
    pub scheme: Scheme,
    /// Where to connect, and whose certificate to demand.
    pub authority: Authority,
    host_field: Box<str>,
}

/// Origin, and path and query byte for byte as the client sent them.
///
/// Texts that two parsers could read as two different URLs make no `Target`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// Shared by all requests inside one tunnel.
    pub origin: Arc<Origin>,
    path: Box<str>,
}

/// Why a text is no target.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum TargetError {
    /// Not `http://…` or `https://…`.
    #[error("the URL must begin with http:// or https://")]
    Scheme,
    /// User information, bad host or bad port.
    #[error("the host or port of the URL is not valid: {0}")]
    Authority(#[from] HostError),
    /// Bytes, escapes or segments that parsers disagree about.
    #[error("the path of the URL is ambiguous: {0}")]
    Path(&'static str),
}

impl Target {
    /// Reads an absolute URL: `https://host[:port][/path][?query][#fragment]`. The fragment is left out.
    ///
    /// # Errors
    /// Everything that is no plain `http` or `https` URL.
    pub fn parse(url: &str) -> Result<Self, TargetError> {
        Self::parse_near(&Method::GET, url, None)
    }

    /// The same for a request with this method: `OPTIONS` of a URL without a path asks for `*`, the server as a whole (RFC
    /// 9112 section 3.2.4). What is for the origin `near` shares it.
    ///
    /// # Errors
    /// The same.
    pub fn parse_near(method: &Method, url: &str, near: Option<&Arc<Origin>>) -> Result<Self, TargetError> {
        let (scheme, rest) = url.split_once("://").ok_or(TargetError::Scheme)?;
        Self::new(method, Scheme::parse(scheme).ok_or(TargetError::Scheme)?, rest, near)
    }

    /// Reads a path-style target, `/https://host/path`: a slash, the scheme, a colon and one or two slashes
    /// (reverse proxies in front of us collapse two to one). Otherwise as [`Target::parse_near`].
    ///
    /// # Errors
    /// Any other spelling.
    pub fn parse_path_style(method: &Method, path: &str, near: Option<&Arc<Origin>>) -> Result<Self, TargetError> {
        let (scheme, rest) = path.strip_prefix('/').and_then(|it| it.split_once(":/")).ok_or(TargetError::Scheme)?;
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        Self::new(method, Scheme::parse(scheme).ok_or(TargetError::Scheme)?, rest, near)
    }

    /// An origin-form path under an authority that is already known: a request inside a tunnel.
    ///
    /// # Errors
    /// A path that is ambiguous. `*` is a path for `OPTIONS` alone.
    pub fn within(origin: Arc<Origin>, method: &Method, path: &str) -> Result<Self, TargetError> {
        if path == "*" && method == Method::OPTIONS {
            return Ok(Self { origin, path: path.into() });
        }
        let path = without_fragment(path);
        check_path(path)?;
        Ok(Self { origin, path: path.into() })
    }

    /// Path and query as sent; begins with `/`, or is `*`.
    pub fn path_and_query(&self) -> &str {
        &self.path
    }

    /// The same as a URL has it: `*` is no path there.
    pub fn path_in_url(&self) -> &str {
        if &*self.path == "*" { "" } else { &self.path }
    }

    /// As a proxy is asked for it (RFC 9112 section 3.2.2).
    pub fn absolute_form(&self) -> String {
        format!("{}{}", self.origin, self.path_in_url())
    }

    fn new(method: &Method, scheme: Scheme, rest: &str, near: Option<&Arc<Origin>>) -> Result<Self, TargetError> {
        let rest = without_fragment(rest);
        let end = rest.find(['/', '?', '\\']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        // As a canonical text it can be read in one way only.
        let origin = match near.filter(|it| it.scheme == scheme && it.host_field() == authority) {
            Some(near) => Arc::clone(near),
            None => Arc::new(Origin::new(scheme, Authority::parse(authority, scheme.default_port())?)),
        };
        if path.is_empty() && *method == Method::OPTIONS {
            return Ok(Self { origin, path: "*".into() });
        }
        let path: Box<str> = if path.starts_with('/') { path.into() } else { format!("/{path}").into() };
        check_path(&path)?;
        Ok(Self { origin, path })
    }
}

impl Origin {
    /// The origin of this authority under this scheme.
    pub fn new(scheme: Scheme, authority: Authority) -> Self {
        let implied = authority.port == scheme.default_port();
        let host_field = match &authority.host {
            Host::Name(name) if implied => name.clone(),
            host if implied => host.to_string().into(),
            _ => authority.to_string().into(),
        };
        Self { scheme, authority, host_field }
    }

    /// Whether a `Host` field names this origin.
    pub fn is_named_by(&self, host: &[u8]) -> bool {
        if host == self.host_field.as_bytes() {
            return true;
        }
        std::str::from_utf8(host)
            .ok()
            .and_then(|it| Authority::parse(it, self.scheme.default_port()).ok())
            .is_some_and(|it| it == self.authority)
    }

    /// As a `Host` field has it: without the port that the scheme implies.
    pub fn host_field(&self) -> &str {
        &self.host_field
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.host_field())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path)
    }
}

fn without_fragment(text: &str) -> &str {
    memchr::memchr(b'#', text.as_bytes()).map_or(text, |at| &text[..at])
}

fn check_path(path_and_query: &str) -> Result<(), TargetError> {
    let (mut graphic, mut plain, mut raw) = (true, true, false);
    for b in path_and_query.bytes() {
        graphic &= b.is_ascii_graphic();
        plain &= !matches!(b, b'\\' | b'%' | b'.');
        raw |= matches!(b, b'"' | b'<' | b'>' | b'`');
    }
    if !graphic {
        return Err(TargetError::Path("it holds a space, a control or a byte outside ASCII"));
    }
    if !path_and_query.starts_with('/') {
        return Err(TargetError::Path("it does not begin with a slash"));
    }
    if raw && is_beyond_http2(path_and_query.as_bytes()) {
        return Err(TargetError::Path(
            "it holds a quotation mark, angle bracket or backtick that is to be percent-encoded",
        ));
    }
    if plain {
        return Ok(());
    }
    let path = path_and_query.split_once('?').map_or(path_and_query, |(path, _)| path);
    if path.contains('\\') {
        return Err(TargetError::Path("it holds a backslash"));
    }
    check_escapes(path)?;
    if segments(path.as_bytes()).any(is_dot_segment) {
        return Err(TargetError::Path("it holds a dot segment"));
    }
    if !path.contains('%') {
        return Ok(());
    }
    // As a server behind another one reads it, which has decoded it once already.
    let once = decoded(path.as_bytes());
    let twice = decoded(&once);
    if [&once, &twice].iter().any(|it| segments(it).any(is_dot_segment)) {
        return Err(TargetError::Path("it holds a dot segment, escaped twice or before an escaped delimiter"));
    }
    if is_overlong(&once) || is_overlong(&twice) {
        return Err(TargetError::Path("it holds overlong UTF-8"));
    }
    Ok(())
}

/// Whether these hold characters that no URI does (RFC 3986 section 2) and that the library for HTTP/2 does not take as they
/// are: one URL is judged alike in every version.
pub fn is_beyond_http2(path_and_query: &[u8]) -> bool {
    let at = memchr::memchr(b'?', path_and_query).unwrap_or(path_and_query.len());
    let (path, query) = path_and_query.split_at(at);
    path.iter().any(|b| matches!(b, b'<' | b'>' | b'`')) || query.iter().any(|b| matches!(b, b'"' | b'<' | b'>'))
}

/// With each escape replaced by the byte that it stands for.
fn decoded(text: &[u8]) -> Vec<u8> {
    let mut rest = text;
    let mut decoded = Vec::with_capacity(rest.len());
    while let Some((first, tail)) = rest.split_first() {
        let digit =
            |at: usize| tail.get(at).and_then(|it| char::from(*it).to_digit(16)).and_then(|it| u8::try_from(it).ok());
        if let (b'%', Some(high), Some(low)) = (first, digit(0), digit(1)) {
            decoded.push(high << 4 | low);
            rest = &tail[2..];
        } else {
            decoded.push(*first);
            rest = tail;
        }
    }
    decoded
}

/// Whether a character is written in more bytes than it takes (RFC 3629 section 3), as `%c0%ae` for a dot. Some servers
/// read it all the same, some even where what follows is no continuation byte, as `%c0%2e`.
fn is_overlong(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| {
        matches!(
            pair,
            [0xc0 | 0xc1, 0x80..=0xbf]
                | [0xc0, b'.' | b'%']
                | [0xc1, 0x1c | b'\\']
                | [0xe0, 0x80..=0x9f]
                | [0xf0, 0x80..=0x8f]
                | [0xf8, 0x80..=0x87]
                | [0xfc, 0x80..=0x83]
        )
    })
}

fn check_escapes(path: &str) -> Result<(), TargetError> {
    let mut rest = path.as_bytes();
    while let Some(at) = memchr::memchr(b'%', rest) {
        match &rest[at + 1..] {
            [b'0', b'0', ..] => return Err(TargetError::Path("it holds an escaped NUL")),
            [a, b, tail @ ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => rest = tail,
            _ => return Err(TargetError::Path("a percent sign stands without two hexadecimal digits")),
        }
    }
    Ok(())
}

/// Segments as the most eager parser would cut them: at slashes and backslashes, escaped ones too.
fn segments(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(path);
    std::iter::from_fn(move || {
        let text = rest?;
        let cut = memchr::memchr3_iter(b'/', b'\\', b'%', text).find_map(|at| {
            let escaped =
                || text.get(at..at + 3).filter(|it| [b"%2f", b"%5c"].iter().any(|s| s.eq_ignore_ascii_case(it)));
            if text[at] == b'%' { escaped().map(|_| (at, 3)) } else { Some((at, 1)) }
        });
        rest = cut.map(|(at, long)| &text[at + long..]);
        Some(cut.map_or(text, |(at, _)| &text[..at]))
    })
}

/// `.` or `..`, plain or escaped, alone or before what some parsers end a segment at: path parameters (`..;x`), a query,
/// a fragment, a NUL.
fn is_dot_segment(segment: &[u8]) -> bool {
    let (mut rest, mut dots) = (segment, 0);
    while let Some(behind) = [&b"%2e"[..], b"%2E", b"."].iter().find_map(|dot| rest.strip_prefix(*dot)) {
        (rest, dots) = (behind, dots + 1);
    }
    matches!(dots, 1 | 2) && (matches!(rest, [] | [b';' | b'?' | b'#', ..]) || rest.starts_with(b"%00"))
}

#[cfg(test)]
mod tests;
