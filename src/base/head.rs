//! Heads of requests and answers, the same for every version of HTTP.

use std::pin::Pin;

use http::Method;

use crate::base::{capacity::Share, fields::Fields};

/// Longest method that is forwarded, in bytes.
pub const LONGEST_METHOD: usize = 32;

/// Versions of HTTP that a peer may speak.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// No chunked coding, no interim answers; the connection ends with the answer.
    Http10,
    /// RFC 9112.
    Http11,
    /// RFC 9113: a message is a stream of its own.
    Http2,
}

/// The head of a request.
#[derive(Debug)]
pub struct RequestHead {
    /// Any token.
    pub method: Method,
    /// The request-target as sent; visible ASCII.
    pub target: Box<str>,
    /// What the client speaks.
    pub version: Version,
    /// Its fields.
    pub fields: Fields,
}

/// The head of an answer.
#[derive(Debug)]
pub struct AnswerHead {
    /// 100 to 999.
    pub status: u16,
    /// The reason phrase as sent, often empty.
    pub reason: Box<[u8]>,
    /// What the origin server speaks.
    pub version: Version,
    /// Its fields.
    pub fields: Fields,
    /// Of the memory for heads, where they are long.
    pub memory: Option<Share>,
}

impl AnswerHead {
    /// An answer of our own.
    pub fn new(status: u16) -> Self {
        let reason = http::StatusCode::from_u16(status).ok().and_then(|it| it.canonical_reason()).unwrap_or("");
        let (version, fields, memory) = (Version::Http11, Fields::default(), None);
        Self { status, reason: reason.as_bytes().into(), version, fields, memory }
    }
}

/// How the end of a body is told (RFC 9112 section 6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// There is no body.
    None,
    /// Exactly so many bytes.
    Length(u64),
    /// Chunked transfer coding.
    Chunked,
    /// Up to the end of the connection: answers only.
    UntilClose,
}

/// Where interim answers (1xx) go while the final one is awaited.
pub trait Interim: Send {
    /// Passes one on. An error of the client's connection shows when the final answer is written.
    fn pass<'a>(&'a mut self, head: AnswerHead) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
}
