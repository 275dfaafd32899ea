//! `[limits]`: what clients may take of the appliance at once, and how long they may be slow or silent.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use crate::config::server::seconds;

/// What a journal of audit records has room for.
const MOST_REQUESTS: u32 = 50_000;
/// What the codec of HTTP/1 reads at most of a request.
const MOST_HEADER_BYTES: u32 = 65_536;
/// Sixteen of them are what one client may hold.
const MOST_ANSWER_HEADER_BYTES: u32 = 1 << 20;

/// The section.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section")]
pub struct Limits {
    /// Connections of clients that may be open.
    #[serde(deserialize_with = "at_least_one")]
    pub connections: u32,
    /// The same, of one address; see [`Limits::connections_per_client`].
    #[serde(deserialize_with = "some_at_least_one")]
    connections_per_client: Option<u32>,
    /// Requests that may be open.
    #[serde(deserialize_with = "requests")]
    pub requests: u32,
    /// The same, of one key or address; see [`Limits::requests_per_client`].
    #[serde(deserialize_with = "some_at_least_one")]
    requests_per_client: Option<u32>,
    /// HTTP/2 streams that one connection may have open.
    #[serde(deserialize_with = "at_least_one")]
    pub streams: u32,
    /// Most bytes of a request's header fields.
    #[serde(deserialize_with = "header_bytes")]
    pub header_bytes: u32,
    /// Most bytes of an answer's header fields.
    #[serde(deserialize_with = "answer_header_bytes")]
    pub answer_header_bytes: u32,
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

impl Limits {
    /// Connections that one client may have: where nothing is written, so many that some are left for others.
    pub fn connections_per_client(&self) -> u32 {
        self.connections_per_client.unwrap_or(most_of(self.connections))
    }

    /// The same for requests.
    pub fn requests_per_client(&self) -> u32 {
        self.requests_per_client.unwrap_or(most_of(self.requests))
    }

    /// So many are all that can be had.
    pub fn lower(&mut self, connections: u32, requests: u32) {
        self.connections = self.connections.min(connections);
        self.requests = self.requests.min(requests);
        self.connections_per_client = self.connections_per_client.map(|it| it.min(most_of(self.connections)));
        self.requests_per_client = self.requests_per_client.map(|it| it.min(most_of(self.requests)));
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16_000,
            connections_per_client: None,
            requests: 2048,
            requests_per_client: None,
            streams: 100,
            header_bytes: MOST_HEADER_BYTES,
            answer_header_bytes: 256 << 10,
            header_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            tunnel_idle_timeout: Duration::from_hours(1),
        }
    }
}

fn most_of(all: u32) -> u32 {
    all - all / 4
}

fn at_least_one<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    match u32::deserialize(from)? {
        0 => Err(de::Error::custom("at least 1")),
        it => Ok(it),
    }
}

fn some_at_least_one<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    at_least_one(from).map(Some)
}

fn requests<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    match u32::deserialize(from)? {
        it @ 1..=MOST_REQUESTS => Ok(it),
        _ => Err(de::Error::custom(format_args!("from 1 to {MOST_REQUESTS}"))),
    }
}

fn header_bytes<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    bytes(from, MOST_HEADER_BYTES)
}

fn answer_header_bytes<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    bytes(from, MOST_ANSWER_HEADER_BYTES)
}

fn bytes<'de, D: Deserializer<'de>>(from: D, most: u32) -> Result<u32, D::Error> {
    let bytes = u32::deserialize(from)?;
    if !(1024..=most).contains(&bytes) {
        return Err(de::Error::custom(format_args!("from 1024 to {most} bytes")));
    }
    Ok(bytes)
}
