//! A scripted origin: a real TLS or plain server that keeps every byte it gets and answers as a test says.

use std::{
    collections::HashMap,
    io::{self, ErrorKind},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use rustls::{DEFAULT_VERSIONS, ServerConfig, ServerConnection, StreamOwned};

use crate::support::{
    certificates::{Flaw, server},
    visit::{Line, Log, Seen, Visit},
    wait::PATIENCE,
    wire::{self, Fault, Message},
};

/// What an origin answers when a test does not say.
pub(crate) const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

type Script = dyn Fn(&mut Visit) -> io::Result<()> + Send + Sync;

/// A server on a port of its own; it stops when dropped.
pub(crate) struct Origin {
    scheme: &'static str,
    address: SocketAddr,
    log: Arc<Log>,
    /// Open connections, by their place in the log.
    sockets: Arc<Mutex<HashMap<usize, TcpStream>>>,
    stop: Arc<AtomicBool>,
}

impl Origin {
    /// Answers 200 to each well-formed request, over TLS.
    pub(crate) fn https() -> Self {
        Self::https_with(answer_each)
    }

    /// Answers 200 to each well-formed request, in plaintext.
    pub(crate) fn http() -> Self {
        Self::http_with(answer_each)
    }

    /// Answers each well-formed request with these bytes, over TLS.
    pub(crate) fn answering(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::https_with(move |visit| {
            while visit.request()?.is_some() {
                visit.write(&bytes)?;
            }
            Ok(())
        })
    }

    /// Runs `script` on each connection, over TLS.
    pub(crate) fn https_with(script: impl Fn(&mut Visit) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self::tls(server(Flaw::None, DEFAULT_VERSIONS), script)
    }

    /// Runs `script` on each connection, over this TLS.
    pub(crate) fn tls(
        config: Arc<ServerConfig>,
        script: impl Fn(&mut Visit) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::listen("https", Some(config), Arc::new(script))
    }

    /// Runs `script` on each connection, in plaintext.
    pub(crate) fn http_with(script: impl Fn(&mut Visit) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self::listen("http", None, Arc::new(script))
    }

    /// Called `https`, yet its script speaks plaintext.
    pub(crate) fn not_tls(script: impl Fn(&mut Visit) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self::listen("https", None, Arc::new(script))
    }

    fn listen(scheme: &'static str, tls: Option<Arc<ServerConfig>>, script: Arc<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (log, sockets, stop) = (Arc::<Log>::default(), Arc::default(), Arc::<AtomicBool>::default());
        let origin = Self { scheme, address, log, sockets, stop };
        let (log, sockets, stop) = (origin.log.clone(), origin.sockets.clone(), origin.stop.clone());
        thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let (log, script, tls) = (log.clone(), script.clone(), tls.clone());
                let index = {
                    let mut seen = log.seen.lock().unwrap();
                    seen.push(Seen::default());
                    seen.len() - 1
                };
                let open = Arc::clone(&sockets);
                open.lock().unwrap().insert(index, socket.try_clone().unwrap());
                log.changed.notify_all();
                let end = socket.try_clone().unwrap();
                thread::spawn(move || {
                    receive(socket, tls, index, &log, &*script);
                    drop(end.shutdown(Shutdown::Both));
                    open.lock().unwrap().remove(&index);
                    log.note(index, |seen| seen.over = true);
                });
            }
        });
        origin
    }

    /// `http` or `https`.
    pub(crate) fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// `localhost:PORT`.
    pub(crate) fn authority(&self) -> String {
        format!("localhost:{}", self.port())
    }

    /// The whole URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.authority())
    }

    /// TCP connections accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.seen().len()
    }

    /// Application bytes received so far.
    pub(crate) fn received(&self) -> usize {
        self.seen().iter().map(|it| it.count).sum()
    }

    /// What became of each connection so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.log.seen.lock().unwrap().clone()
    }

    /// Waits until `ask` finds what it looks for in the connections.
    #[track_caller]
    pub(crate) fn until<T>(&self, what: &str, ask: impl Fn(&[Seen]) -> Option<T>) -> T {
        self.log.until(what, ask)
    }

    /// Waits until every connection is over, and tells what came of each.
    #[track_caller]
    pub(crate) fn closed(&self) -> Vec<Seen> {
        self.until("all connections are over", |seen| seen.iter().all(|it| it.over).then(|| seen.to_vec()))
    }

    /// Every whole request that arrived so far, in order of connection.
    ///
    /// # Panics
    /// If anything arrived that RFC 9112 forbids.
    #[track_caller]
    pub(crate) fn requests(&self) -> Vec<Message> {
        self.seen()
            .iter()
            .flat_map(|it| {
                assert_eq!(it.bytes.len(), it.count, "more has come than is kept");
                let (requests, rest) = judge(&it.bytes);
                assert!(!matches!(rest, Rest::Dirty(_)), "{rest:?}: {:?}", String::from_utf8_lossy(&it.bytes));
                requests
            })
            .collect()
    }

    /// The one request that arrived.
    #[track_caller]
    pub(crate) fn only_request(&self) -> Message {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:#?}");
        requests.remove(0)
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        for socket in self.sockets.lock().unwrap().values() {
            drop(socket.shutdown(Shutdown::Both));
        }
    }
}

/// What follows the last whole request on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rest {
    Nothing,
    /// A request begun and never finished.
    Cut,
    /// What RFC 9112 forbids.
    Dirty(String),
}

/// Reads all that arrived on a connection as strictly as can be.
pub(crate) fn judge(mut bytes: &[u8]) -> (Vec<Message>, Rest) {
    let mut requests = Vec::new();
    while !bytes.is_empty() {
        match wire::request(bytes) {
            Ok((message, length)) => {
                requests.push(message);
                bytes = &bytes[length..];
            }
            Err(Fault::Short) => return (requests, Rest::Cut),
            Err(Fault::Dirty(why)) => return (requests, Rest::Dirty(why)),
        }
    }
    (requests, Rest::Nothing)
}

/// How a script breaks its connection off: without a close-notify, both ways at once.
pub(crate) fn break_off() -> io::Result<()> {
    Err(ErrorKind::ConnectionAborted.into())
}

/// The script of an origin without one of its own.
pub(crate) fn answer_each(visit: &mut Visit) -> io::Result<()> {
    while let Some(request) = visit.request()? {
        let length = if request.method() == "HEAD" { OK.len() - 2 } else { OK.len() };
        visit.write(&OK[..length])?;
    }
    Ok(())
}

fn receive(socket: TcpStream, tls: Option<Arc<ServerConfig>>, index: usize, log: &Arc<Log>, script: &Script) {
    drop(socket.set_read_timeout(Some(PATIENCE)));
    drop(socket.set_nodelay(true));
    let line = match tls.map(|config| handshake(socket.try_clone().unwrap(), config)) {
        None => Line::Plain(socket),
        Some(Ok(stream)) => {
            let name = stream.conn.server_name().map(str::to_owned);
            log.note(index, |seen| seen.server_name = name);
            Line::Tls(Box::new(stream))
        }
        Some(Err(_)) => return log.note(index, |seen| seen.refused = true),
    };
    let mut visit = Visit { line, log: log.clone(), index, unread: Vec::new() };
    match script(&mut visit) {
        Ok(()) => {
            visit.close();
            visit.drain();
        }
        // All that a strict reader refuses is still kept for the judge.
        Err(error) if error.kind() == ErrorKind::InvalidData => visit.drain(),
        Err(_) => (),
    }
}

fn handshake(mut socket: TcpStream, config: Arc<ServerConfig>) -> io::Result<StreamOwned<ServerConnection, TcpStream>> {
    let mut connection = ServerConnection::new(config).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut socket)?;
    }
    Ok(StreamOwned::new(connection, socket))
}

#[test]
fn an_origin_tells_whole_requests_from_cut_and_dirty_ones() {
    use std::io::{Read, Write};
    let origin = Origin::http();
    let say = |bytes: &str| {
        let mut socket = TcpStream::connect(origin.address).unwrap();
        socket.write_all(bytes.as_bytes()).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        let mut heard = String::new();
        socket.read_to_string(&mut heard).unwrap();
        heard
    };
    assert_eq!(say("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes(), OK);
    assert_eq!(say("POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na"), "");
    assert_eq!(say("GET /3 HTTP/1.1\r\nHost: a\nX: y\r\n\r\nGET /4 HTTP/1.1\r\nHost: a\r\n\r\n"), "");
    let seen = origin.closed();
    let [one, two, three] = &*seen else { panic!("{seen:?}") };
    let (requests, rest) = judge(&one.bytes);
    assert_eq!((requests.len(), requests[0].target(), rest), (1, "/1", Rest::Nothing));
    assert_eq!(judge(&two.bytes), (vec![], Rest::Cut));
    assert!(matches!(judge(&three.bytes), (requests, Rest::Dirty(_)) if requests.is_empty()));
    assert!(three.bytes.ends_with(b"\r\n\r\n"), "what follows a dirty head is kept too");
}
