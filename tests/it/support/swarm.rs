//! Thousands of clients in one thread, where a thread and a socket library for each would be what is measured.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    pin::Pin,
    sync::Arc,
    thread,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::{DEFAULT_VERSIONS, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    runtime::{Builder, Runtime},
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::support::{
    agent::trusting,
    appliance::Appliance,
    certificates::{Flaw, server},
};

/// Anything that bytes come from and go to.
pub(crate) trait Bytes: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Bytes for T {}

/// One end of a connection.
pub(crate) type Line = Pin<Box<dyn Bytes>>;

/// What drives them.
pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Whether this process may have so many connections; it takes what the system lets it have.
pub(crate) fn may_open(connections: u64) -> bool {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
    raised && maximum.is_none_or(|it| it > connections + 1000)
}

/// Connects clients to one proxy.
#[derive(Clone)]
pub(crate) struct Swarm {
    proxy: SocketAddr,
    tls: TlsConnector,
    /// Field lines of each CONNECT.
    fields: String,
}

impl Swarm {
    pub(crate) fn of(appliance: &Appliance) -> Self {
        Self::offering(appliance, &[], None)
    }

    /// Those that speak HTTP/2 in their tunnels, and show a key.
    pub(crate) fn of_http2(appliance: &Appliance, key: Option<&str>) -> Self {
        Self::offering(appliance, &["h2"], key)
    }

    fn offering(appliance: &Appliance, protocols: &[&str], key: Option<&str>) -> Self {
        let mut config = trusting(&appliance.ca_file());
        config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
        let fields = key.map(|it| format!("Proxy-Authorization: Bearer {it}\r\n")).unwrap_or_default();
        Self { proxy: appliance.address(), tls: TlsConnector::from(Arc::new(config)), fields }
    }

    /// To the proxy itself.
    pub(crate) fn dial(&self) -> io::Result<TcpStream> {
        let socket = std::net::TcpStream::connect(self.proxy)?;
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        TcpStream::from_std(socket)
    }

    /// Through a tunnel to this authority.
    pub(crate) async fn tunnel(&self, authority: &str) -> io::Result<Line> {
        let mut socket = self.dial()?;
        let fields = &self.fields;
        let request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{fields}\r\n");
        socket.write_all(request.as_bytes()).await?;
        let head = read_head(&mut socket).await?;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host).to_owned();
        let name = ServerName::try_from(host).unwrap();
        Ok(Box::pin(self.tls.connect(name, socket).await?))
    }
}

/// Reads to the end of a head, byte by byte: what follows stays unread.
pub(crate) async fn read_head(line: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(line.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// A TLS server in a thread of its own that runs `script` on each connection; gives its authority. It ends with the
/// process.
pub(crate) fn serve<F: Future<Output = io::Result<()>> + Send + 'static>(
    script: impl Fn(Line) -> F + Send + Sync + 'static,
) -> String {
    let script = Arc::new(script);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let authority = format!("localhost:{}", listener.local_addr().unwrap().port());
    thread::spawn(move || {
        runtime().block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let acceptor = TlsAcceptor::from(server(Flaw::None, DEFAULT_VERSIONS));
            let mut tasks = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                drop(socket.set_nodelay(true));
                let (accepted, script) = (acceptor.accept(socket), Arc::clone(&script));
                // Who breaks off knows it.
                tasks.spawn(async move { script(Box::pin(accepted.await?)).await });
            }
        });
    });
    authority
}
