//! The strict HTTP/1 codec (RFC 9112), the same for both sides: bytes to heads and bodies, and back.
//!
//! It refuses all that two parsers could read as two things. What was parsed is written again, never the raw bytes.
//! Not here: policy, dialling, and any decision about what a message means. Main type: [`Connection`].

pub mod chunked;
pub mod connection;
pub mod framing;
pub mod head;
pub mod input;
pub mod scan;
pub mod send;
pub mod shared;
pub mod wire;
pub mod write;

pub use connection::Connection;
pub use shared::Shared;
pub use wire::Wire;

use thiserror::Error;

/// Why a head is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Refused {
    /// It follows no grammar, or more than one.
    #[error("{0}")]
    Malformed(&'static str),
    /// The request-target is longer than [`crate::base::target::LONGEST_TARGET`].
    #[error("the request-target is too long")]
    TargetTooLong,
    /// More bytes of fields than are read, or in a request more than [`head::MOST_FIELDS`] of them.
    #[error("the header section is too large")]
    TooLarge,
}
