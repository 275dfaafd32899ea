//! The other end of a client's connection.

use std::{fmt, net::SocketAddr};

/// The listener that accepted a connection, and who is at its other end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peer {
    /// The TCP listener; the address of the client.
    Tcp(SocketAddr),
    /// The unix socket; the user id of the client's process when it connected.
    Unix(u32),
}

impl Peer {
    /// The client's address; `None` on the unix socket.
    pub fn address(self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(address),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(user) => write!(f, "the unix socket (uid {user})"),
        }
    }
}
