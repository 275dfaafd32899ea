//! Resolve, check, dial that address, verify TLS.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use hickory_resolver::net::NetError;
use rustix::io::Errno;
use rustls::{
    ClientConfig,
    pki_types::{InvalidDnsNameError, ServerName},
};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, TlsStream};

use crate::{
    base::{
        host::{Host, Scheme},
        target::Origin,
    },
    http1::{
        Wire,
        wire::{Socket, Stream},
    },
    upstream::{
        guard::Guard,
        resolve::{ResolveError, Resolver},
    },
};

/// Opens connections to origin servers.
#[derive(Debug)]
pub struct Connector {
    resolver: Resolver,
    guard: Arc<Guard>,
    tls: Arc<ClientConfig>,
    timeout: Duration,
}

/// Why an origin server cannot be reached. The texts name no address: they are shown to callers.
#[derive(Debug, Error)]
pub enum DialError {
    /// It has no address.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// One of its addresses is not public, is a cloud's metadata service, or is ours.
    #[error("the host has an address that may not be dialled")]
    Blocked,
    /// TCP.
    #[error("the connection failed")]
    Connect(#[source] io::Error),
    /// TLS, the certificate included.
    #[error("the TLS handshake failed")]
    Tls(#[source] io::Error),
    /// A host that no certificate can name.
    #[error("the host cannot be named in TLS")]
    Name(#[from] InvalidDnsNameError),
    /// The whole took too long.
    #[error("connecting took too long")]
    Timeout,
}

impl DialError {
    /// Whether it is we who have no descriptor left for it.
    pub fn is_exhaustion(&self) -> bool {
        let system = match self {
            Self::Connect(error) => error,
            Self::Resolve(ResolveError::Dns(NetError::Io(error))) => error.as_ref(),
            _ => return false,
        };
        matches!(Errno::from_io_error(system), Some(Errno::MFILE | Errno::NFILE))
    }
}

impl Connector {
    /// A connector with its own resolver.
    pub fn new(guard: Arc<Guard>, tls: Arc<ClientConfig>, timeout: Duration) -> Self {
        Self { resolver: Resolver::from_system(), guard, tls, timeout }
    }

    /// A connection to this origin, ready for HTTP/1.1.
    ///
    /// # Errors
    /// See [`DialError`].
    pub async fn dial(&self, origin: &Origin) -> Result<Wire, DialError> {
        tokio::time::timeout(self.timeout, self.dial_slowly(origin)).await.or(Err(DialError::Timeout))?
    }

    async fn dial_slowly(&self, origin: &Origin) -> Result<Wire, DialError> {
        let addresses = self.addresses(origin).await?;
        let socket = Socket::new(Stream::Tcp(connect(&addresses).await?));
        match origin.scheme {
            Scheme::Http => Ok(Wire::Plain(socket)),
            Scheme::Https => {
                let name = server_name(&origin.authority.host)?;
                let connector = TlsConnector::from(Arc::clone(&self.tls));
                let tls = connector.connect(name, socket).await.map_err(DialError::Tls)?;
                Ok(Wire::Tls(Box::new(TlsStream::Client(tls))))
            }
        }
    }

    /// One bad address refuses all: which of them would be dialled must not be the name's choice.
    /// The two addresses of `localhost` come from ourselves, so there the permitted one is enough.
    async fn addresses(&self, origin: &Origin) -> Result<Vec<SocketAddr>, DialError> {
        if !Guard::permits_name(&origin.authority.host) {
            return Err(DialError::Blocked);
        }
        let port = origin.authority.port;
        let found = self.resolver.resolve(&origin.authority.host).await?;
        let all = found.len();
        let local = found.iter().all(std::net::IpAddr::is_loopback);
        let permitted: Vec<_> =
            found.into_iter().map(|ip| SocketAddr::new(ip, port)).filter(|it| self.guard.permits(*it)).collect();
        if permitted.is_empty() || (permitted.len() < all && !local) {
            return Err(DialError::Blocked);
        }
        Ok(permitted)
    }
}

#[expect(clippy::disallowed_methods, reason = "the addresses have passed the guard")]
async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, DialError> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(tcp) => {
                tcp.set_nodelay(true).map_err(DialError::Connect)?;
                return Ok(tcp);
            }
            Err(error) => last = error,
        }
    }
    Err(DialError::Connect(last))
}

fn server_name(host: &Host) -> Result<ServerName<'static>, InvalidDnsNameError> {
    match host {
        Host::Name(name) => ServerName::try_from(name.to_string()),
        Host::V4(ip) => Ok(ServerName::from(std::net::IpAddr::V4(*ip))),
        Host::V6(ip) => Ok(ServerName::from(std::net::IpAddr::V6(*ip))),
    }
}
