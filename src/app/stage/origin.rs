//! A small TLS origin server that answers as it is told.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

use crate::app::stage::StageError;

/// Longest silence on a connection.
const PATIENCE: Duration = Duration::from_mins(1);
/// Longest head that it reads.
const LONGEST_HEAD: u64 = 65_536;

/// Makes the whole answer of the lines of a head.
type Answer = dyn Fn(&[String]) -> String + Send + Sync;

/// Serves on a thread of its own until the program ends.
#[derive(Debug)]
pub(crate) struct Origin {
    port: u16,
    certificate: String,
}

impl Origin {
    pub(crate) fn start(answer: impl Fn(&[String]) -> String + Send + Sync + 'static) -> Result<Self, StageError> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .map(Arc::new)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let answer: Arc<Answer> = Arc::new(answer);
        thread::Builder::new().name("origin".into()).spawn(move || accept(&listener, &config, &answer))?;
        Ok(Self { port, certificate: made.cert.pem() })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn certificate_pem(&self) -> &str {
        &self.certificate
    }
}

fn accept(listener: &TcpListener, config: &Arc<ServerConfig>, answer: &Arc<Answer>) {
    for stream in listener.incoming().flatten() {
        let (config, answer) = (Arc::clone(config), Arc::clone(answer));
        let serve = move || {
            if let Err(error) = serve(stream, config, &*answer) {
                tracing::debug!(%error, "a connection of the made-up origin server ended");
            }
        };
        if let Err(error) = thread::Builder::new().name("origin".into()).spawn(serve) {
            tracing::warn!(%error, "the made-up origin server cannot take a connection");
        }
    }
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>, answer: &Answer) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let tls = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(tls, stream));
    while let Some(head) = read_head(&mut stream)? {
        stream.get_mut().write_all(answer(&head).as_bytes())?;
    }
    Ok(())
}

/// The lines of one head.
fn read_head(stream: &mut impl io::BufRead) -> io::Result<Option<Vec<String>>> {
    let mut lines = Vec::new();
    for line in stream.take(LONGEST_HEAD).lines() {
        match line? {
            line if line.is_empty() => return Ok(Some(lines)),
            line => lines.push(line),
        }
    }
    Ok(None)
}
