//! The other end of a client's connection.

use std::{fmt, net::SocketAddr};

/// By which listener a client came, and from where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peer {
    /// The TCP listener.
    Tcp(SocketAddr),
    /// The unix socket, whose clients have no address.
    Socket,
}

impl Peer {
    /// Where from, if it can be told.
    pub fn address(self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(address),
            Self::Socket => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Socket => f.write_str("the unix socket"),
        }
    }
}
