//! Why Vultrino does not start, or stops.

use std::{io, net::SocketAddr};

use thiserror::Error;

use crate::{
    audit::{AuditError, Unavailable},
    ca::CaError,
    proxy::socket::SocketError,
    store::StoreError,
    upstream::tls::TlsError,
};

/// Each text says what to do next where it can be known.
#[derive(Debug, Error)]
pub enum AppError {
    /// The listener's address is taken or not ours.
    #[error("cannot listen on {address}: {}", reason(.source))]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The unix socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store was made without one, or lost it.
    #[error("the store holds no certificate authority; restore a backup, or make a new store with `vultrino init`")]
    NoCa,
    /// Its key or certificate is damaged or over. It is never silently made anew: every client trusts the old one.
    #[error("the certificate authority cannot be used; restore a backup of the store")]
    Ca(#[from] CaError),
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A record of what the start itself does.
    #[error("{0}, so nothing was started")]
    Unrecorded(#[from] Unavailable),
    /// Trust towards origin servers.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A thread, a runtime, a signal handler.
    #[error("the system refused what Vultrino needs to run")]
    System(#[from] io::Error),
}

fn reason(source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::AddrInUse => {
            "Address already in use; stop the other program, or choose another address with --bind".into()
        }
        _ => source.to_string(),
    }
}
