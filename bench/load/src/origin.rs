//! The origin behind the proxy: TLS, keep-alive, one fixed answer, and a look at the credential of every request.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use memchr::memmem;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use serde::Serialize;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use crate::verdict::Verdict;
use crate::{answer, certificate};

/// An origin that answers whenever its runtime runs: it shares the clients' thread, so that the two never wait for a time slice.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    pub(crate) authority: CertificateDer<'static>,
    pub(crate) authority_pem: String,
    pub(crate) authorization: String,
    tally: Arc<Tally>,
}

/// How many requests came how.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Seen {
    pub(crate) right: u64,
    pub(crate) missing: u64,
    pub(crate) wrong: u64,
    pub(crate) repeated: u64,
    pub(crate) leaked: u64,
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
    /// Listens on a free port of 127.0.0.1; `authorization` is the only value of that header it answers with 200.
    pub(crate) fn start(runtime: &Runtime, authorization: &str) -> Result<Self, OriginError> {
        let certified = certificate::for_localhost()?;
        let mut tls = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certified.certificate], certified.key)?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];

        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        let tally = Arc::new(Tally::default());
        let desk = Desk {
            tls: TlsAcceptor::from(Arc::new(tls)),
            authorization: authorization.into(),
            good: answer::good().into(),
            unauthorized: answer::unauthorized().into(),
            tally: Arc::clone(&tally),
        };
        runtime.spawn(desk.accept(listener));
        Ok(Self {
            address,
            authority: certified.authority,
            authority_pem: certified.authority_pem,
            authorization: authorization.to_owned(),
            tally,
        })
    }

    /// What has come so far, since the start.
    pub(crate) fn seen(&self) -> Seen {
        self.tally.read()
    }
}

impl Seen {
    pub(crate) fn only_right(&self) -> bool {
        let Self { right: _, missing, wrong, repeated, leaked } = self;
        [missing, wrong, repeated, leaked].into_iter().all(|count| *count == 0)
    }
}

#[derive(Default)]
struct Tally {
    right: AtomicU64,
    missing: AtomicU64,
    wrong: AtomicU64,
    repeated: AtomicU64,
    leaked: AtomicU64,
}

impl Tally {
    fn count(&self, verdict: Verdict) {
        let counter = match verdict {
            Verdict::Right => &self.right,
            Verdict::Missing => &self.missing,
            Verdict::Wrong => &self.wrong,
            Verdict::Repeated => &self.repeated,
            Verdict::Leaked => &self.leaked,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> Seen {
        Seen {
            right: self.right.load(Ordering::Relaxed),
            missing: self.missing.load(Ordering::Relaxed),
            wrong: self.wrong.load(Ordering::Relaxed),
            repeated: self.repeated.load(Ordering::Relaxed),
            leaked: self.leaked.load(Ordering::Relaxed),
        }
    }
}

/// What every connection of the origin shares.
#[derive(Clone)]
struct Desk {
    tls: TlsAcceptor,
    authorization: Arc<str>,
    good: Arc<[u8]>,
    unauthorized: Arc<[u8]>,
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
        let mut io = self.tls.accept(tcp).await?;
        let mut buffer = [0; 4096];
        let mut filled = 0;
        loop {
            let Some(end) = memmem::find(&buffer[..filled], b"\r\n\r\n").map(|at| at + 4) else {
                match io.read(&mut buffer[filled..]).await? {
                    // The client is gone, or its head is longer than any head here.
                    0 => return Ok(()),
                    got => filled += got,
                }
                continue;
            };
            let verdict = Verdict::of(&buffer[..end], self.authorization.as_bytes());
            self.tally.count(verdict);
            let answer = if verdict == Verdict::Right { &self.good } else { &self.unauthorized };
            io.write_all(answer).await?;
            io.flush().await?;
            buffer.copy_within(end..filled, 0);
            filled -= end;
        }
    }
}
