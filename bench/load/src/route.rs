//! A way to the origin: where to dial, what to say before TLS, whom to trust, and the bytes of one request.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use memchr::memmem;
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::bulk;
use crate::certificate::DOMAIN;

/// How the requests of a row travel.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) address: SocketAddr,
    /// The head of a CONNECT, with [`HOST`] where the host belongs.
    pub(crate) tunnel: Option<String>,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) hosts: Hosts,
    /// The head of a request, with [`HOST`] where the host belongs.
    pub(crate) request: String,
    pub(crate) work: Work,
    /// Each request on a connection of its own.
    pub(crate) anew: bool,
    /// TLS goes on with what was agreed upon before.
    pub(crate) resumes: bool,
    /// Several requests at once on a connection.
    pub(crate) http2: bool,
}

/// Stands for the host in what a route says.
pub(crate) const HOST: &str = "{host}";

/// Which hosts are asked.
#[derive(Clone)]
pub(crate) enum Hosts {
    /// Always this one.
    One(&'static str),
    /// Another one for each connection; counts them.
    New(Rc<Cell<u32>>),
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// A small answer.
    Ask,
    /// A small answer to a body of [`bulk::SMALL`].
    Post,
    /// So many bytes from the origin.
    Download(u64),
    /// So many bytes to the origin, and a small answer.
    Upload(u64),
}

/// An open connection, and what to say on it.
pub(crate) struct Open {
    pub(crate) stream: Stream,
    pub(crate) request: Vec<u8>,
}

pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Route {
    /// The same with TLS sessions that no other client resumes, as for a program of its own.
    pub(crate) fn alone(&self) -> Self {
        let mut route = self.clone();
        if let Some(tls) = &mut route.tls
            && self.resumes
        {
            Arc::make_mut(tls).resumption = Resumption::in_memory_sessions(1);
        }
        route
    }

    pub(crate) async fn open(&self) -> io::Result<Open> {
        let host = self.hosts.next();
        let mut tcp = TcpStream::connect(self.address).await?;
        tcp.set_nodelay(true)?;
        if let Some(head) = &self.tunnel {
            tcp.write_all(head.replace(HOST, &host).as_bytes()).await?;
            tunnel_opened(&mut tcp).await?;
        }
        let request = self.request.replace(HOST, &host).into_bytes();
        let Some(tls) = self.tls.clone() else { return Ok(Open { stream: Stream::Plain(tcp), request }) };
        let name = ServerName::try_from(host).map_err(io::Error::other)?;
        Ok(Open { stream: Stream::Tls(Box::new(TlsConnector::from(tls).connect(name, tcp).await?)), request })
    }
}

impl Hosts {
    fn next(&self) -> String {
        match self {
            Self::One(host) => (*host).to_owned(),
            Self::New(count) => {
                count.set(count.get() + 1);
                format!("h{}.{DOMAIN}", count.get())
            }
        }
    }
}

impl Work {
    /// Method and path, and the fields that belong to them.
    pub(crate) fn line(self) -> (&'static str, &'static str, String) {
        match self {
            Self::Ask => ("GET", "/x", String::new()),
            Self::Post => ("POST", "/post", format!("Content-Length: {}\r\n", bulk::SMALL.len())),
            Self::Download(_) => ("GET", "/down", String::new()),
            Self::Upload(length) => ("POST", "/up", format!("Content-Length: {length}\r\n")),
        }
    }
}

impl Stream {
    /// Whether TLS went on with what was agreed upon before.
    pub(crate) fn has_resumed(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(tls) => tls.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }
}

/// X25519 and full handshakes only, so that a new connection costs the same in every run.
pub(crate) fn trusting(authority: CertificateDer<'static>, http2: bool) -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(authority)?;
    let provider = CryptoProvider { kx_groups: vec![aws_lc_rs::kx_group::X25519], ..aws_lc_rs::default_provider() };
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![if http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use crate::route::Hosts;

    #[test]
    fn new_hosts_are_new() {
        let hosts = Hosts::New(Rc::new(Cell::new(6)));
        assert_eq!([hosts.next(), hosts.next()], ["h7.bench.localhost", "h8.bench.localhost"]);
        assert_eq!(Hosts::One("localhost").next(), "localhost");
    }
}
