//! The data-plane door: bytes of clients to exchanges, and answers back to bytes.
//!
//! Not here: what a request may do and what is put into it (`exchange`). Main function: [`listener::listen`].

pub mod classify;
pub mod control;
pub mod dispatch;
pub mod intercept;
pub mod listener;
pub mod redirect;
pub mod respond;
pub mod session;
pub mod socket;
pub mod streams;
pub mod turn_away;
pub mod way_back;
pub mod worker;

pub use listener::listen;
pub use worker::Worker;

use std::time::Duration;

use crate::base::{capacity::Most, host::Host, peer::Peer};

/// How clients are served.
#[derive(Clone, Debug)]
pub struct Config {
    /// Ports that anybody may tunnel to; others take a credential that is bound to them.
    pub connect_ports: Vec<u16>,
    /// Hosts that origin-form requests may name besides `localhost` and the bound address (D-16).
    pub allowed_hosts: Vec<Host>,
    /// For silence of a client in the middle of a message.
    pub timeout: Duration,
    /// The same in the middle of a gRPC call.
    pub stream_idle_timeout: Duration,
    /// How much they may take, and how slow or silent they may be elsewhere.
    pub limits: Limits,
    /// Whether callers of the TCP listener need no key.
    pub keyless: bool,
    /// The same for those of the unix socket.
    pub socket_keyless: bool,
}

/// What clients may take, and for how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Connections open at once.
    pub connections: Most,
    /// HTTP/2 streams open at once.
    pub streams: u32,
    /// Most bytes of a request's header fields.
    pub header_bytes: u32,
    /// From the first byte of a head to its last.
    pub head: Duration,
    /// From the answer to CONNECT to the end of the TLS handshake.
    pub handshake: Duration,
    /// Longest silence between two requests.
    pub idle: Duration,
    /// Longest silence, both ways, of a blind tunnel and of what has switched protocols.
    pub tunnel_idle: Duration,
}

impl Config {
    /// Whether this caller needs no key.
    pub fn is_keyless(&self, peer: Peer) -> bool {
        match peer {
            Peer::Tcp(_) => self.keyless,
            Peer::Unix(_) => self.socket_keyless,
        }
    }
}
