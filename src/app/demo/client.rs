//! The three ways to send a request through the proxy, byte by byte as a client writes them.

use std::{
    io::{self, BufRead as _, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};

use crate::app::{demo::ALIAS, stage::StageError};

const PATIENCE: Duration = Duration::from_secs(30);

/// What a client wrote, and the status line that it got.
pub(crate) type Exchange = (String, String);

/// A client that knows the proxy, its CA and an alias, and no secret.
#[derive(Debug)]
pub(crate) struct Client {
    proxy: SocketAddr,
    origin: String,
    tls: Arc<ClientConfig>,
}

impl Client {
    pub(crate) fn new(proxy: SocketAddr, origin: String, ca_file: &Path) -> Result<Self, StageError> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(ca_file).map_err(io::Error::other)?)?;
        let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Ok(Self { proxy, origin, tls: Arc::new(tls) })
    }

    pub(crate) fn path_style(&self) -> Result<Exchange, StageError> {
        let lines =
            format!("GET /https://{}/user HTTP/1.1\nHost: {}\nX-Vultrino-Credential: {ALIAS}", self.origin, self.proxy);
        Ok((lines.clone(), exchange(self.connected()?, &lines)?))
    }

    pub(crate) fn absolute_form(&self) -> Result<Exchange, StageError> {
        let lines = format!("GET https://{0}/user HTTP/1.1\nHost: {0}", self.origin);
        Ok((lines.clone(), exchange(self.connected()?, &lines)?))
    }

    pub(crate) fn connect(&self) -> Result<Exchange, StageError> {
        let mut tcp = self.connected()?;
        let tunnel = format!("CONNECT {0} HTTP/1.1\nHost: {0}", self.origin);
        exchange(&mut tcp, &tunnel)?;
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let tls = StreamOwned::new(ClientConnection::new(Arc::clone(&self.tls), name)?, tcp);
        let lines = format!("GET /user HTTP/1.1\nHost: {}", self.origin);
        let status = exchange(tls, &lines)?;
        Ok((format!("{tunnel}\n\n{lines}"), status))
    }

    fn connected(&self) -> io::Result<TcpStream> {
        let tcp = TcpStream::connect_timeout(&self.proxy, PATIENCE)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        Ok(tcp)
    }
}

/// Sends a head without a body and reads the head of the answer; gives its first line.
fn exchange(mut stream: impl Read + Write, lines: &str) -> io::Result<String> {
    stream.write_all(format!("{}\r\n\r\n", lines.replace('\n', "\r\n")).as_bytes())?;
    stream.flush()?;
    // A byte at a time: what follows the answer to CONNECT belongs to TLS.
    let mut reader = BufReader::with_capacity(1, stream);
    let mut status = String::new();
    reader.read_line(&mut status)?;
    for line in reader.lines() {
        if line?.is_empty() {
            return Ok(status.trim_end().to_owned());
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}
