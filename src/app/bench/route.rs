//! The ways that a request takes: how a connection is made for each, and what is sent on it.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use http::Method;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tokio_rustls::{TlsConnector, TlsStream};
use zeroize::Zeroizing;

use crate::{
    app::bench::{
        BenchError, Plan,
        client::{PATIENCE, begin, message},
    },
    base::{
        capacity::{Client, Network},
        target::Target,
    },
    http1::{
        Connection, Wire,
        wire::{Socket, Stream},
    },
    upstream::{
        Connector, Guard, Hop, OnBehalf,
        connect::{Versions, server_name},
        tls,
    },
};

/// What is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// TLS to the origin server, past the proxy.
    Direct,
    /// `GET /https://host/path`, in clear to the proxy.
    Path,
    /// `GET https://host/path`, in clear to the proxy.
    Absolute,
    /// CONNECT, then TLS with a certificate of the proxy's.
    Intercepted,
}

impl Way {
    /// For people and programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Path => "path style",
            Self::Absolute => "absolute form",
            Self::Intercepted => "intercepted",
        }
    }
}

/// One way to one URL.
#[derive(Debug)]
pub(crate) struct Route {
    way: Way,
    target: Target,
    proxy: SocketAddr,
    /// Both may hold an API key.
    connect: Zeroizing<Vec<u8>>,
    request: Zeroizing<Vec<u8>>,
    connector: Connector,
    of_proxy: Arc<ClientConfig>,
}

impl Route {
    /// To be called on the runtime that it is used on.
    pub(crate) fn new(plan: &Plan, way: Way) -> Result<Self, BenchError> {
        let trusted = tls::client_config(plan.upstream.ca_file.as_deref())?;
        let hop = plan.upstream.proxy.as_ref();
        let hop = hop.map(|it| Arc::new(Hop::new(Arc::clone(it), plan.upstream.no_proxy.clone(), &trusted)));
        let guard = Arc::new(Guard::new(plan.upstream.allow_private.clone(), Vec::new()));
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&plan.ca_file)?)?;
        let of_proxy = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Ok(Self {
            way,
            target: plan.target.clone(),
            proxy: plan.proxy,
            connect: connect(plan),
            request: request(plan, way),
            connector: Connector::new(Arc::default(), guard, trusted, hop, plan.upstream.connect_timeout),
            of_proxy: Arc::new(of_proxy),
        })
    }

    /// What each request is.
    pub(crate) fn request(&self) -> &[u8] {
        &self.request
    }

    /// A connection on which requests can be sent.
    pub(crate) async fn dial(&self) -> Result<Connection, BenchError> {
        let wire = match self.way {
            Way::Direct => {
                let client = &Client::Network(Network::default());
                let on_behalf = OnBehalf { client, via: &[] };
                self.connector.dial(&self.target.origin, Versions::Http1, &on_behalf).await?.wire
            }
            Way::Path | Way::Absolute => self.reach()?,
            Way::Intercepted => self.tunnel().await?,
        };
        Ok(Connection::new(wire, PATIENCE))
    }

    fn reach(&self) -> Result<Wire, BenchError> {
        let reached = || {
            let tcp = TcpStream::connect_timeout(&self.proxy, PATIENCE)?;
            tcp.set_nodelay(true)?;
            tcp.set_nonblocking(true)?;
            tokio::net::TcpStream::from_std(tcp)
        };
        let tcp = reached().map_err(|source| BenchError::Unreachable { address: self.proxy, source })?;
        Ok(Wire::Plain(Socket::new(Stream::Tcp(tcp))))
    }

    async fn tunnel(&self) -> Result<Wire, BenchError> {
        let mut connection = Connection::new(self.reach()?, PATIENCE);
        let (head, framing) = begin(&mut connection, &self.connect, &Method::CONNECT).await?;
        if head.status != 200 {
            connection.begin_body(framing);
            let body = connection.take_whole_body().unwrap_or_default();
            return Err(BenchError::Refused { status: head.status, message: message(&body) });
        }
        let Some(Wire::Plain(socket)) = connection.into_wire() else {
            return Err(BenchError::Handshake(io::ErrorKind::InvalidData.into()));
        };
        let name = server_name(&self.target.origin.authority.host)?;
        let connector = TlsConnector::from(Arc::clone(&self.of_proxy));
        let tls = connector.connect(name, socket).await.map_err(BenchError::Handshake)?;
        Ok(Wire::Tls(Box::new(TlsStream::Client(tls))))
    }
}

fn connect(plan: &Plan) -> Zeroizing<Vec<u8>> {
    let authority = &plan.target.origin.authority;
    let mut head = Zeroizing::new(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n").into_bytes());
    write_key(&mut head, "Proxy-Authorization", plan);
    head.extend_from_slice(b"\r\n");
    head
}

fn request(plan: &Plan, way: Way) -> Zeroizing<Vec<u8>> {
    let (target, host) = match way {
        Way::Path => (format!("/{}", plan.target.absolute_form()), plan.proxy.to_string()),
        Way::Absolute => (plan.target.absolute_form(), plan.target.origin.host_field().to_owned()),
        Way::Direct | Way::Intercepted => {
            (plan.target.path_and_query().to_owned(), plan.target.origin.host_field().to_owned())
        }
    };
    let common = concat!("User-Agent: vultrino/", env!("CARGO_PKG_VERSION"), "\r\nAccept: */*\r\n");
    let mut head = Zeroizing::new(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{common}").into_bytes());
    match (way, &plan.alias) {
        (Way::Direct, _) => {
            let instead = plan.instead.map(|it| format!("Authorization: {it}\r\n")).unwrap_or_default();
            head.extend_from_slice(instead.as_bytes());
        }
        (_, Some(alias)) => head.extend_from_slice(format!("X-Vultrino-Credential: {alias}\r\n").as_bytes()),
        (_, None) => (),
    }
    match way {
        Way::Path => write_key(&mut head, "Authorization", plan),
        Way::Absolute => write_key(&mut head, "Proxy-Authorization", plan),
        // The tunnel has shown it.
        Way::Intercepted | Way::Direct => (),
    }
    head.extend_from_slice(b"\r\n");
    head
}

fn write_key(head: &mut Zeroizing<Vec<u8>>, field: &str, plan: &Plan) {
    if let Some(key) = &plan.key {
        for part in [field.as_bytes(), b": Bearer ", key.expose(), b"\r\n"] {
            head.extend_from_slice(part);
        }
    }
}
