//! When an HTTP/1 connection to an origin goes back to the pool.
//!
//! An origin that does not read the body of a request takes its bytes for the next request. If the connection were used
//! again, the client that chose the body would choose how the next request begins.

use http::Method;

use crate::{
    base::{
        fields::{Fields, Known},
        head::{AnswerHead, Framing},
        reuse::Reuse,
    },
    upstream::send::Request,
};

/// Methods whose meaning is known to origins: RFC 9110 section 9.3, and RFC 5789.
static KNOWN_METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// Whether the connection may carry another request after this one.
pub(crate) fn allows(request: &Request<'_>) -> bool {
    let bodyless = matches!(request.framing, Framing::None | Framing::Length(0));
    (bodyless || request.reuse == Some(Reuse::AfterBody))
        && !request.upgrade
        && KNOWN_METHODS.contains(request.method)
        && !request.fields.all(Known::Authorization).any(is_of_connection)
}

/// Whether the origin asks for authentication that would hold for the connection (RFC 4559 section 6).
pub(crate) fn authenticates_connection(answer: &AnswerHead) -> bool {
    answer.status == 401 && challenges(&answer.fields).any(is_of_connection)
}

fn challenges(fields: &Fields) -> impl Iterator<Item = &[u8]> {
    fields.named("www-authenticate").flat_map(|it| it.split(|b| *b == b',')).map(<[u8]>::trim_ascii)
}

fn is_of_connection(value: &[u8]) -> bool {
    let scheme = value.split(|b| matches!(b, b' ' | b'\t')).next().unwrap_or_default();
    scheme.eq_ignore_ascii_case(b"ntlm") || scheme.eq_ignore_ascii_case(b"negotiate")
}
