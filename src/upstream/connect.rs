//! Resolve, check, dial that address, verify TLS.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

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
        capacity::Client,
        host::{Authority, Host, Scheme},
        target::Origin,
    },
    http1::{
        Refused, Wire,
        wire::{Socket, Stream, prepare},
    },
    upstream::{
        guard::Guard,
        hop::Hop,
        race,
        resolve::{ResolveError, Resolver},
        tls,
    },
};

/// Opens connections to origin servers.
#[derive(Debug)]
pub struct Connector {
    resolver: Arc<Resolver>,
    guard: Arc<Guard>,
    tls: Arc<ClientConfig>,
    http1_only: Arc<ClientConfig>,
    hop: Option<Arc<Hop>>,
    timeout: Duration,
}

/// Which versions of HTTP an origin server may choose from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Versions {
    /// HTTP/1.1 for what HTTP/2 cannot tell.
    Http1,
    /// HTTP/2 too, over TLS.
    Both,
    /// HTTP/1.1, and then what it is upgraded to, which no parent proxy need understand.
    Upgrade,
}

/// For whom a connection is opened.
#[derive(Clone, Copy, Debug)]
pub struct OnBehalf<'a> {
    /// Whose share of the threads that resolve names it takes.
    pub client: &'a Client,
    /// What the request has come through (`Via`), for the parent proxy.
    pub via: &'a [&'a [u8]],
}

/// A connection, ready for the version of HTTP that was agreed on.
#[derive(Debug)]
pub struct Dialled {
    /// The connection.
    pub wire: Wire,
    /// The parent proxy that it ends at, which expects absolute form and its own fields. Without it, it ends at the origin
    /// server.
    pub hop: Option<Arc<Hop>>,
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
    /// TCP, also within another connection.
    #[error("the connection failed")]
    Connect(#[source] io::Error),
    /// TLS, the certificate included.
    #[error("the TLS handshake failed")]
    Tls(#[source] io::Error),
    /// A host that no certificate can name.
    #[error("the host cannot be named in TLS")]
    Name(#[from] InvalidDnsNameError),
    /// The parent proxy cannot be reached.
    #[error("the parent proxy cannot be reached")]
    Parent(#[source] Box<Self>),
    /// The parent proxy did not open the tunnel, or let nothing pass.
    #[error("the parent proxy answered with status {0}")]
    ParentRefused(u16),
    /// What the parent proxy answered is no valid HTTP.
    #[error("the parent proxy's answer is not valid: {0}")]
    ParentAnswer(#[from] Refused),
    /// The whole took too long.
    #[error("connecting took too long")]
    Timeout,
}

impl DialError {
    /// Whether it is we who have no descriptor left for it.
    pub fn is_exhaustion(&self) -> bool {
        let system = match self {
            Self::Connect(error) => error,
            Self::Resolve(ResolveError::System(error)) => error,
            _ => return false,
        };
        matches!(Errno::from_io_error(system), Some(Errno::MFILE | Errno::NFILE))
    }
}

impl Connector {
    /// A connector; `hop` is the parent proxy.
    pub fn new(
        resolver: Arc<Resolver>,
        guard: Arc<Guard>,
        tls: Arc<ClientConfig>,
        hop: Option<Arc<Hop>>,
        timeout: Duration,
    ) -> Self {
        let http1_only = tls::http1_only(&tls);
        Self { resolver, guard, tls, http1_only, hop, timeout }
    }

    /// Whether this is refused whatever its name stands for.
    pub fn forbids(&self, authority: &Authority) -> bool {
        self.guard.forbids(authority)
    }

    /// The parent proxy.
    pub fn hop(&self) -> Option<&Hop> {
        self.hop.as_deref()
    }

    /// A connection to this origin, or for it to the parent proxy.
    ///
    /// # Errors
    /// See [`DialError`].
    pub async fn dial(
        &self,
        origin: &Origin,
        versions: Versions,
        on_behalf: &OnBehalf<'_>,
    ) -> Result<Dialled, DialError> {
        let dialled = tokio::time::timeout(self.timeout, self.dial_slowly(origin, versions, on_behalf));
        dialled.await.or(Err(DialError::Timeout))?
    }

    /// A connection to what listens there, for bytes that are not ours to read.
    ///
    /// # Errors
    /// See [`DialError`].
    pub async fn dial_blind(&self, to: &Authority, on_behalf: &OnBehalf<'_>) -> Result<Wire, DialError> {
        let connected = tokio::time::timeout(self.timeout, self.connect(to, on_behalf)).await;
        let connected = connected.or(Err(DialError::Timeout))?;
        Ok(Wire::Plain(connected?))
    }

    /// In clear the parent proxy gets requests in absolute form, as every proxy takes them; many open tunnels to port 443
    /// alone. What is upgraded takes a tunnel (RFC 6455 section 4.1).
    async fn dial_slowly(
        &self,
        origin: &Origin,
        versions: Versions,
        on_behalf: &OnBehalf<'_>,
    ) -> Result<Dialled, DialError> {
        let authority = &origin.authority;
        if origin.scheme == Scheme::Http
            && versions != Versions::Upgrade
            && let Some(hop) = self.hop_to(authority)?
        {
            let wire = Wire::Plain(self.reach_parent(hop, on_behalf).await?);
            return Ok(Dialled { wire, hop: Some(Arc::clone(hop)) });
        }
        let socket = self.connect(authority, on_behalf).await?;
        let wire = match origin.scheme {
            Scheme::Http => Wire::Plain(socket),
            Scheme::Https => {
                let name = server_name(&authority.host)?;
                let config = if versions == Versions::Both { &self.tls } else { &self.http1_only };
                let connector = TlsConnector::from(Arc::clone(config));
                let tls = connector.connect(name, socket).await.map_err(DialError::Tls)?;
                Wire::Tls(Box::new(TlsStream::Client(tls)))
            }
        };
        Ok(Dialled { wire, hop: None })
    }

    /// A connection to what listens there, straight or through the parent proxy, on which nothing has been said.
    async fn connect(&self, to: &Authority, on_behalf: &OnBehalf<'_>) -> Result<Socket, DialError> {
        if let Some(hop) = self.hop_to(to)? {
            return hop.tunnel(self.reach_parent(hop, on_behalf).await?, to, on_behalf.via).await;
        }
        let addresses = self.addresses(to, on_behalf.client).await?;
        Ok(Socket::new(Stream::Tcp(self.race(&to.host, addresses).await?)))
    }

    /// The parent proxy, if this lies behind it. It resolves names, so only an address that is spelled out can be judged here.
    fn hop_to(&self, to: &Authority) -> Result<Option<&Arc<Hop>>, DialError> {
        let Some(hop) = self.hop.as_ref().filter(|it| it.leads_to(&to.host)) else { return Ok(None) };
        if self.guard.forbids(to) { Err(DialError::Blocked) } else { Ok(Some(hop)) }
    }

    async fn reach_parent(&self, hop: &Hop, on_behalf: &OnBehalf<'_>) -> Result<Socket, DialError> {
        self.reach_parent_itself(hop, on_behalf).await.map_err(|it| DialError::Parent(Box::new(it)))
    }

    async fn reach_parent_itself(&self, hop: &Hop, on_behalf: &OnBehalf<'_>) -> Result<Socket, DialError> {
        let Authority { host, port } = hop.authority();
        let found = self.resolver.resolve(host, on_behalf.client).await?;
        let addresses = found.into_iter().map(|ip| SocketAddr::new(ip, *port));
        let addresses: Vec<_> = addresses.filter(|it| self.guard.permits_parent(*it)).collect();
        if addresses.is_empty() {
            return Err(DialError::Blocked);
        }
        hop.start(self.race(host, addresses).await?).await
    }

    /// A connection to one of these addresses of the host, which have passed the guard.
    async fn race(&self, host: &Host, addresses: Vec<SocketAddr>) -> Result<TcpStream, DialError> {
        let is_choice = addresses.len() > 1 && !host.is_loopback();
        let raced = if is_choice { race::connect(addresses).await } else { race::connect_in_turn(addresses).await };
        let (tcp, address) = raced.map_err(DialError::Connect)?;
        if is_choice {
            self.resolver.prefer(host, address.ip());
        }
        prepare(&tcp).map_err(DialError::Connect)?;
        Ok(tcp)
    }

    /// One bad address refuses all: which of them would be dialled must not be the name's choice.
    /// The two addresses of `localhost` come from ourselves, so there the permitted one is enough.
    async fn addresses(&self, of: &Authority, client: &Client) -> Result<Vec<SocketAddr>, DialError> {
        if !Guard::permits_name(&of.host) {
            return Err(DialError::Blocked);
        }
        let found = self.resolver.resolve(&of.host, client).await?;
        let all = found.len();
        let local = found.iter().all(IpAddr::is_loopback);
        let permitted: Vec<_> =
            found.into_iter().map(|ip| SocketAddr::new(ip, of.port)).filter(|it| self.guard.permits(*it)).collect();
        if permitted.is_empty() || (permitted.len() < all && !local) {
            return Err(DialError::Blocked);
        }
        Ok(permitted)
    }
}

pub(crate) fn server_name(host: &Host) -> Result<ServerName<'static>, InvalidDnsNameError> {
    match host {
        Host::Name(name) => ServerName::try_from(name.to_string()),
        Host::V4(ip) => Ok(ServerName::from(IpAddr::V4(*ip))),
        Host::V6(ip) => Ok(ServerName::from(IpAddr::V6(*ip))),
    }
}
