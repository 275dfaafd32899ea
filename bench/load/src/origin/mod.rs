//! The origin behind the proxy: keep-alive, fixed answers, and a look at the credential of every request.

mod http1;
mod http2;
mod seen;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use crate::certificate::{self, Certified};
use crate::origin::seen::Tally;
use crate::verdict::Verdict;

pub(crate) use crate::origin::seen::Seen;

/// An origin that answers whenever its runtime runs: it shares the clients' thread, so that the two never wait for a time slice.
pub(crate) struct Origin {
    /// TLS, HTTP/1.1 only.
    pub(crate) tls: SocketAddr,
    /// TLS, HTTP/2 too.
    pub(crate) http2: SocketAddr,
    /// In clear.
    pub(crate) plain: SocketAddr,
    pub(crate) authority: CertificateDer<'static>,
    pub(crate) authority_pem: String,
    pub(crate) authorization: String,
    /// Size of a download and of an upload.
    pub(crate) bulk: u64,
    tally: Arc<Tally>,
}

#[derive(Debug, Error)]
pub(crate) enum OriginError {
    #[error("cannot make the origin's certificate")]
    Certificate(#[from] rcgen::Error),
    #[error("cannot use the origin's certificate")]
    Tls(#[from] rustls::Error),
    #[error("cannot start the origin")]
    Io(#[from] io::Error),
}

impl Origin {
    /// Listens on free ports of 127.0.0.1; `authorization` is the only value of that header it answers with 200.
    pub(crate) fn start(runtime: &Runtime, authorization: &str, bulk: u64) -> Result<Self, OriginError> {
        let certified = certificate::for_localhost()?;
        let tally = Arc::new(Tally::default());
        let desk = |tls| Desk { tls, authorization: authorization.into(), bulk, tally: Arc::clone(&tally) };
        let listen = |tls| listen(runtime, desk(tls));
        Ok(Self {
            tls: listen(Some(accepting(&certified, &[b"http/1.1"])?))?,
            http2: listen(Some(accepting(&certified, &[b"h2", b"http/1.1"])?))?,
            plain: listen(None)?,
            authority: certified.authority,
            authority_pem: certified.authority_pem,
            authorization: authorization.to_owned(),
            bulk,
            tally,
        })
    }

    /// What has come so far, since the start.
    pub(crate) fn seen(&self) -> Seen {
        self.tally.read()
    }
}

fn accepting(certified: &Certified, protocols: &[&[u8]]) -> Result<TlsAcceptor, rustls::Error> {
    let mut tls = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certified.certificate.clone()], certified.key.clone_key())?;
    // As most sites do; what this process keeps of its sessions is not the measure of how many can be resumed.
    tls.ticketer = aws_lc_rs::Ticketer::new()?;
    tls.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
    Ok(TlsAcceptor::from(Arc::new(tls)))
}

fn listen(runtime: &Runtime, desk: Desk) -> io::Result<SocketAddr> {
    let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
    let address = listener.local_addr()?;
    runtime.spawn(desk.accept(listener));
    Ok(address)
}

/// What every connection of one listener shares.
#[derive(Clone)]
struct Desk {
    tls: Option<TlsAcceptor>,
    authorization: Arc<str>,
    bulk: u64,
    tally: Arc<Tally>,
}

impl Desk {
    async fn accept(self, listener: TcpListener) -> io::Result<()> {
        loop {
            let (tcp, _) = listener.accept().await?;
            let desk = self.clone();
            // How a connection ends is the proxy's business: what it broke shows at the client, which counts it.
            tokio::spawn(async move { drop(desk.serve(tcp).await) });
        }
    }

    async fn serve(self, tcp: TcpStream) -> io::Result<()> {
        tcp.set_nodelay(true)?;
        let Some(tls) = &self.tls else { return http1::serve(&self, tcp).await };
        let io = tls.accept(tcp).await?;
        if io.get_ref().1.alpn_protocol() == Some(b"h2") {
            return http2::serve(&self, io).await.map_err(io::Error::other);
        }
        http1::serve(&self, io).await
    }

    /// Whether a request with these fields gets what it asks for.
    fn admits(&self, verdict: Verdict) -> bool {
        self.tally.count(verdict);
        verdict == Verdict::Right
    }
}
