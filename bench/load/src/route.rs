//! A way to the origin: where to dial, what to say before TLS, whom to trust, and the bytes of one request.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::appliance::{Appliance, Use};
use crate::origin::Origin;

/// How the requests of a row travel.
pub(crate) struct Route {
    address: SocketAddr,
    /// The head of a CONNECT.
    tunnel: Option<Vec<u8>>,
    tls: Option<TlsConnector>,
    /// One whole request.
    pub(crate) request: Vec<u8>,
    /// Each request on a connection of its own.
    pub(crate) anew: bool,
}

/// An open connection.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

#[derive(Debug, Error)]
pub(crate) enum RouteError {
    #[error("this row needs a proxy")]
    NoProxy,
    #[error("cannot read the proxy's CA certificate")]
    Pem(#[from] pem::Error),
    #[error("cannot trust the certificate of the other side")]
    Tls(#[from] rustls::Error),
}

impl Route {
    pub(crate) fn direct(origin: &Origin) -> Result<Self, RouteError> {
        Ok(Self {
            address: origin.address,
            tunnel: None,
            tls: Some(trusting(origin.authority.clone())?),
            request: get("/x", &at(origin), &format!("Authorization: {}\r\n", origin.authorization)),
            anew: false,
        })
    }

    /// A request that names its credential, since path style demands it.
    pub(crate) fn path(origin: &Origin, appliance: &Appliance, with: &Use<'_>) -> Self {
        let key = with.key.map(|it| format!("Authorization: Bearer {it}\r\n")).unwrap_or_default();
        let credential = format!("X-Vultrino-Credential: {}\r\n{key}", with.alias);
        Self {
            address: appliance.address,
            tunnel: None,
            tls: None,
            request: get(&format!("/https://{}/x", at(origin)), &appliance.address.to_string(), &credential),
            anew: false,
        }
    }

    /// A request as any program with `HTTPS_PROXY` sends it: the credential is chosen by the host, or by the user
    /// information of the proxy's address.
    pub(crate) fn intercept(
        origin: &Origin,
        appliance: &Appliance,
        with: Option<&Use<'_>>,
        anew: bool,
    ) -> Result<Self, RouteError> {
        let authority = CertificateDer::from_pem_slice(appliance.ca_pem.as_bytes())?;
        let userinfo = with.map(|it| STANDARD.encode(format!("{}:{}", it.alias, it.key.unwrap_or_default())));
        let shown = userinfo.map(|it| format!("Proxy-Authorization: Basic {it}\r\n")).unwrap_or_default();
        Ok(Self {
            address: appliance.address,
            tunnel: Some(format!("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n{shown}\r\n", at(origin)).into_bytes()),
            tls: Some(trusting(authority)?),
            request: get("/x", &at(origin), ""),
            anew,
        })
    }

    pub(crate) async fn open(&self) -> io::Result<Stream> {
        let mut tcp = TcpStream::connect(self.address).await?;
        tcp.set_nodelay(true)?;
        if let Some(head) = &self.tunnel {
            tcp.write_all(head).await?;
            tunnel_opened(&mut tcp).await?;
        }
        let Some(tls) = &self.tls else { return Ok(Stream::Plain(tcp)) };
        Ok(Stream::Tls(Box::new(tls.connect(ServerName::try_from("localhost").map_err(io::Error::other)?, tcp).await?)))
    }
}

fn at(origin: &Origin) -> String {
    format!("localhost:{}", origin.address.port())
}

fn get(target: &str, host: &str, fields: &str) -> Vec<u8> {
    format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: vultrino-load\r\nAccept: application/json\r\n{fields}\r\n"
    )
    .into_bytes()
}

/// X25519 and full handshakes only, so that a new connection costs the same in every run.
fn trusting(authority: CertificateDer<'static>) -> Result<TlsConnector, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(authority)?;
    let provider = CryptoProvider { kx_groups: vec![aws_lc_rs::kx_group::X25519], ..aws_lc_rs::default_provider() };
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Reads the answer to CONNECT. In TLS the client speaks first, so nothing follows the head.
async fn tunnel_opened(tcp: &mut TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1024];
    let mut filled = 0;
    while memmem::find(&buffer[..filled], b"\r\n\r\n").is_none() {
        match tcp.read(&mut buffer[filled..]).await? {
            0 => return Err(refused(&buffer[..filled])),
            got => filled += got,
        }
    }
    if buffer.starts_with(b"HTTP/1.1 200 ") { Ok(()) } else { Err(refused(&buffer[..filled])) }
}

fn refused(answer: &[u8]) -> io::Error {
    io::Error::other(format!("CONNECT was answered with {:?}", String::from_utf8_lossy(answer)))
}
