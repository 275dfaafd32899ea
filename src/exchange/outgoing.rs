//! A request for the world that somebody describes, checked as strictly as one that came over a wire.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};

use crate::{
    base::{
        body::Body,
        fields::{Fields, Known},
        head::Framing,
        target::{LONGEST_TARGET, Target},
    },
    exchange::Refusal,
    identity::presented,
};

/// No origin server takes more.
const MOST_HEADERS: usize = 100;
const LONGEST_HEADERS: usize = 64 << 10;

/// What to ask of the origin server, in words.
#[derive(Debug, Default)]
pub struct Described {
    /// Any token; [`crate::exchange::check_method`] refuses some.
    pub method: String,
    /// `https`; `http` only where the credential's binding permits it.
    pub url: String,
    /// Names and values.
    pub headers: BTreeMap<String, String>,
    /// Added to the query of the URL, percent-encoded.
    pub query: BTreeMap<String, String>,
    /// Sent byte for byte.
    pub body: Option<String>,
}

/// The same, ready to be sent.
#[derive(Debug)]
pub struct Outgoing {
    /// What for.
    pub method: Method,
    /// Where to.
    pub target: Target,
    /// Without those that belong to one connection.
    pub fields: Fields,
    /// Body framing.
    pub framing: Framing,
    /// Whole.
    pub body: Body,
}

/// Checks all of it.
///
/// # Errors
/// What is no method, URL or header.
pub fn read(described: Described) -> Result<Outgoing, Refusal> {
    let Described { method, url, headers, query, body } = described;
    let method: Method = method.parse().or(Err(Refusal::Invalid("`method` is no HTTP method")))?;
    let (target, fields) = (target(&method, &url, &query)?, fields(&headers)?);
    let (framing, body) = match body {
        Some(text) => (Framing::Length(text.len() as u64), Body::Full(Bytes::from(text))),
        None => (Framing::None, Body::Empty),
    };
    let body = if framing == Framing::Length(0) { Body::Empty } else { body };
    Ok(Outgoing { method, target, fields, framing, body })
}

/// Says who asks, where nobody has said so: some APIs refuse those who do not (RFC 9110 section 10.1.5).
pub fn name_ourselves(fields: &mut Fields) {
    if !fields.iter().any(|it| it.name.eq_ignore_ascii_case(b"user-agent")) {
        fields.append("User-Agent", concat!("vultrino/", env!("CARGO_PKG_VERSION")).as_bytes());
    }
}

/// With the query where it belongs: what is judged is all of it.
fn target(method: &Method, url: &str, query: &BTreeMap<String, String>) -> Result<Target, Refusal> {
    let mut whole = url.split('#').next().unwrap_or_default().to_owned();
    for (at, (name, value)) in query.iter().enumerate() {
        whole.push(if at == 0 && !whole.contains('?') { '?' } else { '&' });
        encode(&mut whole, name);
        whole.push('=');
        encode(&mut whole, value);
    }
    if whole.len() > LONGEST_TARGET {
        return Err(Refusal::UriTooLong);
    }
    Target::parse_near(method, &whole, None).map_err(Refusal::from)
}

/// Percent-encodes all but what RFC 3986 section 2.3 leaves alone.
fn encode(to: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            to.push(char::from(byte));
        } else {
            to.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

fn digit(nibble: u8) -> char {
    char::from_digit(nibble.into(), 16).unwrap_or('0').to_ascii_uppercase()
}

fn fields(headers: &BTreeMap<String, String>) -> Result<Fields, Refusal> {
    let length: usize = headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    if headers.len() > MOST_HEADERS || length > LONGEST_HEADERS {
        return Err(Refusal::Invalid("`headers` holds too many headers, or too long ones"));
    }
    let mut fields = Fields::default();
    for (name, value) in headers {
        let value = value.trim_matches([' ', '\t']);
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            return Err(Refusal::Invalid("`headers` holds a name that is no header's"));
        }
        if HeaderValue::from_str(value).is_err() {
            return Err(Refusal::Invalid("`headers` holds a value that cannot be sent, such as one with a line end"));
        }
        match Known::of(name.as_bytes()) {
            Known::Vultrino => {
                return Err(Refusal::Invalid(
                    "`headers` may not name X-Vultrino headers; `credential` says which to use",
                ));
            }
            Known::Authorization if presented::is_in_authorization(value.as_bytes()) => {
                return Err(Refusal::Invalid(
                    "`headers` holds an API key of Vultrino; it belongs to this request alone",
                ));
            }
            // Of this connection, not of that one.
            Known::Expect => {}
            _ => fields.append(name, value.as_bytes()),
        }
    }
    // Both are written anew, whatever these say; but whoever repeats one means two things.
    if fields.is_repeated(Known::Host) || fields.is_repeated(Known::ContentLength) {
        return Err(Refusal::Invalid("`headers` names Host or Content-Length twice"));
    }
    name_ourselves(&mut fields);
    Ok(fields)
}
