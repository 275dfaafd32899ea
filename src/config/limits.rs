//! `[limits]`: what clients may take of the appliance at once, and how long they may be slow or silent.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use crate::config::server::seconds;

/// What the codec of HTTP/1 reads at most.
const MOST_HEADER_BYTES: u32 = 65_536;

/// The section.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section")]
pub struct Limits {
    /// HTTP/2 streams that one connection may have open.
    #[serde(deserialize_with = "at_least_one")]
    pub streams: u32,
    /// Most bytes of a request's header fields.
    #[serde(deserialize_with = "header_bytes")]
    pub header_bytes: u32,
    /// From the first byte of a request's head to its last.
    #[serde(deserialize_with = "seconds")]
    pub header_timeout: Duration,
    /// From the answer to CONNECT to the end of the TLS handshake.
    #[serde(deserialize_with = "seconds")]
    pub handshake_timeout: Duration,
    /// Longest silence between two requests.
    #[serde(deserialize_with = "seconds")]
    pub idle_timeout: Duration,
    /// Longest silence, both ways, of what is no request any more: a tunnel that is not looked into, a WebSocket.
    #[serde(deserialize_with = "seconds")]
    pub tunnel_idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            streams: 100,
            header_bytes: MOST_HEADER_BYTES,
            header_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            tunnel_idle_timeout: Duration::from_hours(1),
        }
    }
}

fn at_least_one<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    match u32::deserialize(from)? {
        0 => Err(de::Error::custom("at least 1")),
        it => Ok(it),
    }
}

fn header_bytes<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    match u32::deserialize(from)? {
        it @ 1024..=MOST_HEADER_BYTES => Ok(it),
        _ => Err(de::Error::custom(format_args!("from 1024 to {MOST_HEADER_BYTES} bytes"))),
    }
}
