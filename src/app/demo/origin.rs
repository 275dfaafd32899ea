//! A small TLS origin server that tells what it received.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

use crate::app::demo::DemoError;

/// Longest silence on a connection.
const PATIENCE: Duration = Duration::from_mins(1);
/// Longest head that it reads.
const LONGEST_HEAD: u64 = 65_536;

/// Serves on a thread of its own until the program ends.
#[derive(Debug)]
pub(crate) struct Origin {
    port: u16,
    certificate: String,
    received: Mutex<mpsc::Receiver<String>>,
}

impl Origin {
    pub(crate) fn start() -> Result<Self, DemoError> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .map(Arc::new)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let (tell, received) = mpsc::channel();
        thread::Builder::new().name("demo-origin".into()).spawn(move || accept(&listener, &config, &tell))?;
        Ok(Self { port, certificate: made.cert.pem(), received: Mutex::new(received) })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn certificate_pem(&self) -> &str {
        &self.certificate
    }

    /// The next head that arrived, in the order of arrival.
    pub(crate) fn next_received(&self) -> io::Result<String> {
        let received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        received.recv_timeout(PATIENCE).map_err(io::Error::other)
    }
}

fn accept(listener: &TcpListener, config: &Arc<ServerConfig>, tell: &mpsc::Sender<String>) {
    for stream in listener.incoming().flatten() {
        let (config, tell) = (Arc::clone(config), tell.clone());
        let serve = move || {
            if let Err(error) = serve(stream, config, &tell) {
                tracing::debug!(%error, "a connection of the demonstration ended");
            }
        };
        if let Err(error) = thread::Builder::new().name("demo-origin".into()).spawn(serve) {
            tracing::warn!(%error, "the demonstration's origin server cannot take a connection");
        }
    }
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>, tell: &mpsc::Sender<String>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let tls = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(tls, stream));
    while let Some(head) = read_head(&mut stream)? {
        let body = format!("{head}\n");
        // Nobody listens any more once the table has been shown.
        tell.send(head).unwrap_or(());
        let answer =
            format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.get_mut().write_all(answer.as_bytes())?;
    }
    Ok(())
}

/// One head, its secret reduced to its last characters.
fn read_head(stream: &mut impl io::BufRead) -> io::Result<Option<String>> {
    let mut lines = Vec::new();
    for line in stream.take(LONGEST_HEAD).lines() {
        match line? {
            line if line.is_empty() => return Ok(Some(lines.join("\n"))),
            line => lines.push(masked(&line)),
        }
    }
    Ok(None)
}

fn masked(line: &str) -> String {
    match line.split_once(": Bearer ") {
        Some((name, token)) if token.len() > 4 => format!("{name}: Bearer ****{}", &token[token.len() - 4..]),
        _ => line.to_owned(),
    }
}
