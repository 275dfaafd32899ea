//! One request each way through a proxy of its own, on made-up data.

mod client;

use std::{
    io,
    net::SocketAddr,
    path::Path,
    sync::{Mutex, PoisonError, mpsc},
    time::Duration,
};

use crate::{
    app::stage::{Stage, StageError},
    config,
};
use client::Client;

/// The alias of the made-up credential.
pub const ALIAS: &str = "demo-api";

/// How long a request may be on its way.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running demonstration.
#[derive(Debug)]
pub struct Demo {
    stage: Stage,
    received: Mutex<mpsc::Receiver<String>>,
}

/// One request, seen from both ends.
#[derive(Debug)]
pub struct Seen {
    /// Which way it went.
    pub way: &'static str,
    /// The head that the client wrote.
    pub sent: String,
    /// The head that the origin server read, the secret reduced to its last four characters.
    pub received: String,
    /// What the client got.
    pub status: String,
}

impl Demo {
    /// Sets everything up and starts it.
    ///
    /// # Errors
    /// See [`StageError`].
    pub fn start() -> Result<Self, StageError> {
        let (tell, received) = mpsc::channel();
        let stage = Stage::start(ALIAS, config::server::Server::default().bind, move |head| {
            let head = head.iter().map(|line| masked(line)).collect::<Vec<_>>().join("\n");
            let body = format!("{head}\n");
            // Nobody listens any more once the table has been shown.
            tell.send(head).unwrap_or(());
            format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        })?;
        Ok(Self { stage, received: Mutex::new(received) })
    }

    /// Sends one request each way.
    ///
    /// # Errors
    /// The first way that fails.
    pub fn requests(&self) -> Result<Vec<Seen>, StageError> {
        let client = Client::new(self.stage.proxy(), self.stage.origin(), self.stage.ca_file())?;
        let ways = [
            ("path style", client.path_style()?),
            ("absolute form", client.absolute_form()?),
            ("CONNECT, intercepted", client.connect()?),
        ];
        let mut seen = Vec::new();
        for (way, (sent, status)) in ways {
            let received = self.next_received()?;
            seen.push(Seen { way, sent, received, status });
        }
        Ok(seen)
    }

    /// The next head that arrived, in the order of arrival.
    fn next_received(&self) -> io::Result<String> {
        let received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        received.recv_timeout(PATIENCE).map_err(io::Error::other)
    }

    /// Where the proxy listens.
    pub fn proxy(&self) -> SocketAddr {
        self.stage.proxy()
    }

    /// Where the origin server listens.
    pub fn origin_url(&self) -> String {
        format!("https://{}", self.stage.origin())
    }

    /// The certificate that clients of the proxy trust.
    pub fn ca_file(&self) -> &Path {
        self.stage.ca_file()
    }

    /// Serves until a signal ends it.
    ///
    /// # Errors
    /// See [`Stage::until_signal`].
    pub fn until_signal(self) -> Result<(), StageError> {
        self.stage.until_signal()
    }

    /// Ends it.
    ///
    /// # Errors
    /// See [`Stage::stop`].
    pub fn stop(self) -> Result<(), StageError> {
        self.stage.stop()
    }
}

/// A line of a head, its secret reduced to its last characters.
fn masked(line: &str) -> String {
    match line.split_once(": Bearer ") {
        Some((name, token)) if token.len() > 4 => format!("{name}: Bearer ****{}", &token[token.len() - 4..]),
        _ => line.to_owned(),
    }
}
