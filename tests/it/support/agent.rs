//! A raw HTTP/1 client of the proxy, in each of the three ways; it sends the bytes that a test wants, and no others.

use std::{
    fs,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    sync::Arc,
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

use socket2::{Domain, Socket, Type};

use crate::support::{
    answer::Answer,
    appliance::{ALIAS, Appliance},
    origin::Origin,
    queues::queued,
    wait::{PATIENCE, until},
    wire::{self, Fault, Message, Parsed},
};

/// How a client reaches an upstream through the proxy.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub(crate) enum Way {
    /// `GET /https://host/path`, asked of the proxy as if it were the server.
    Path,
    /// `GET https://host/path`, in clear to the proxy.
    Absolute,
    /// `CONNECT host:port`, then TLS unless the origin speaks none, then `GET /path`.
    Tunnel,
}

/// Longest time that something may take which needs nobody else's doing.
const MOMENT: Duration = Duration::from_millis(500);

/// All of them.
pub(crate) const WAYS: [Way; 3] = [Way::Path, Way::Absolute, Way::Tunnel];

/// The field that names the credential which a test gets when it names none.
pub(crate) const NAMED: (&str, &str) = ("X-Vultrino-Credential", ALIAS);

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// How a caller of a proxy shows an API key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shown<'a> {
    Nothing,
    /// `Bearer KEY`.
    Bearer(&'a str),
    /// Basic, as `http://KEY@proxy` makes it.
    User(&'a str),
    /// Basic, as `http://USER:KEY@proxy` makes it.
    Password(&'a str, &'a str),
}

impl Shown<'_> {
    /// The value of the field that shows it.
    pub(crate) fn value(self) -> Option<String> {
        let basic = |pair: String| format!("Basic {}", BASE64_STANDARD.encode(pair));
        match self {
            Self::Nothing => None,
            Self::Bearer(key) => Some(format!("Bearer {key}")),
            Self::User(key) => Some(basic(format!("{key}:"))),
            Self::Password(user, key) => Some(basic(format!("{user}:{key}"))),
        }
    }
}

impl Way {
    /// The field in which callers show a key in this way.
    pub(crate) fn key_field(self) -> &'static str {
        if self == Self::Path { "Authorization" } else { "Proxy-Authorization" }
    }
}

/// One connection of a client.
pub(crate) struct Agent {
    stream: Stream,
    way: Way,
    scheme: String,
    authority: String,
    proxy: String,
    /// Fields that each request carries.
    standing: Vec<(String, String)>,
    unread: Vec<u8>,
    ended: bool,
}

impl Agent {
    /// Connects to the proxy for requests to this origin.
    #[track_caller]
    pub(crate) fn via(appliance: &Appliance, way: Way, origin: &Origin) -> Self {
        Self::to(appliance, way, origin.scheme(), &origin.authority())
    }

    /// Connects to the proxy for requests to this authority.
    #[track_caller]
    pub(crate) fn to(appliance: &Appliance, way: Way, scheme: &str, authority: &str) -> Self {
        Self::with(appliance, way, scheme, authority, &[]).unwrap_or_else(|refused| panic!("{refused:#?}"))
    }

    /// The same; a tunnel's CONNECT carries these fields as well, and its refusal is given back.
    #[track_caller]
    pub(crate) fn with(
        appliance: &Appliance,
        way: Way,
        scheme: &str,
        authority: &str,
        fields: &[(&str, &str)],
    ) -> Result<Self, Box<Answer>> {
        let mut agent = Self::dial(appliance.address());
        (agent.scheme, agent.authority, agent.way) = (scheme.to_owned(), authority.to_owned(), way);
        if way == Way::Tunnel {
            let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
            agent.connect(authority, fields)?;
            if scheme == "https" {
                agent = agent.start_tls(&appliance.ca_file(), host).unwrap();
            }
        }
        Ok(agent)
    }

    /// Connects to the proxy with a key of its own, for requests to this origin.
    #[track_caller]
    pub(crate) fn keyed(appliance: &Appliance, way: Way, origin: &Origin, key: &str) -> Self {
        Self::showing(appliance, way, origin, Shown::Bearer(key)).unwrap_or_else(|refused| panic!("{refused:#?}"))
    }

    /// The same, shown in any manner: on CONNECT, or else on each request. The refusal of a tunnel is given back.
    #[track_caller]
    pub(crate) fn showing(
        appliance: &Appliance,
        way: Way,
        origin: &Origin,
        shown: Shown<'_>,
    ) -> Result<Self, Box<Answer>> {
        let value = shown.value();
        let fields: Vec<(&str, &str)> = value.iter().map(|it| (way.key_field(), &**it)).collect();
        let mut agent = Self::with(appliance, way, origin.scheme(), &origin.authority(), &fields)?;
        if way != Way::Tunnel {
            agent.standing = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        }
        Ok(agent)
    }

    /// Connects to the proxy's port, to say anything.
    #[track_caller]
    pub(crate) fn dial(proxy: SocketAddr) -> Self {
        Self::of(TcpStream::connect(proxy).unwrap(), proxy)
    }

    /// The same, from this address of the machine.
    #[track_caller]
    pub(crate) fn dial_from(source: [u8; 4], proxy: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
        socket.connect(&proxy.into()).unwrap();
        Self::of(socket.into(), proxy)
    }

    fn of(socket: TcpStream, proxy: SocketAddr) -> Self {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        Self::over(Stream::Plain(socket), proxy.to_string())
    }

    /// Connects to the proxy's unix socket, to say anything.
    #[track_caller]
    pub(crate) fn dial_unix(socket: &Path) -> Self {
        let socket = UnixStream::connect(socket).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        // To read and write, the system does not mind what the library thinks that it is.
        Self::over(Stream::Plain(OwnedFd::from(socket).into()), "localhost".to_owned())
    }

    fn over(stream: Stream, proxy: String) -> Self {
        let (scheme, authority) = (String::new(), proxy.clone());
        Self { stream, way: Way::Path, scheme, authority, proxy, standing: vec![], unread: vec![], ended: false }
    }

    /// From now on requests are for this origin, asked in path style or absolute form.
    pub(crate) fn towards(self, way: Way, origin: &Origin) -> Self {
        Self { way, scheme: origin.scheme().to_owned(), authority: origin.authority(), ..self }
    }

    /// Connects to the proxy's unix socket for requests to this origin; a tunnel's refusal is given back.
    #[track_caller]
    pub(crate) fn through(
        socket: &Path,
        appliance: &Appliance,
        way: Way,
        origin: &Origin,
    ) -> Result<Self, Box<Answer>> {
        let mut agent = Self::dial_unix(socket).towards(way, origin);
        if way == Way::Tunnel {
            let authority = agent.authority.clone();
            agent.connect(&authority, &[])?;
            if origin.scheme() == "https" {
                agent = agent.start_tls(&appliance.ca_file(), "localhost").unwrap();
            }
        }
        Ok(agent)
    }

    /// Asks for a tunnel.
    pub(crate) fn connect(&mut self, authority: &str, fields: &[(&str, &str)]) -> Result<(), Box<Answer>> {
        let fields = lines(fields);
        // Who is turned away may be answered before it asks.
        drop(self.try_send(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{fields}\r\n")));
        let (head, length) = self.read_as(wire::head).unwrap_or_else(|error| panic!("CONNECT {authority}: {error}"));
        if wire::status(&head.start) == Ok(200) {
            assert!(head.values("content-length").is_empty() && head.values("transfer-encoding").is_empty());
            self.unread.drain(..length);
            assert!(self.unread.is_empty(), "the tunnel speaks first: {:?}", self.unread);
            return Ok(());
        }
        Err(Box::new(self.answer("CONNECT")))
    }

    /// The socket below a tunnel, for another protocol to go on with.
    pub(crate) fn into_socket(self) -> TcpStream {
        let Stream::Plain(socket) = self.stream else { panic!("TLS has begun") };
        socket
    }

    /// Starts TLS inside the tunnel, trusting only this CA and naming this host.
    pub(crate) fn start_tls(self, ca_file: &Path, host: &str) -> io::Result<Self> {
        self.start_tls_with(trusting(ca_file), host)
    }

    /// Starts TLS inside the tunnel.
    pub(crate) fn start_tls_with(self, config: ClientConfig, host: &str) -> io::Result<Self> {
        let Stream::Plain(mut socket) = self.stream else { panic!("TLS twice") };
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).unwrap();
        let mut connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut socket)?;
        }
        let stream = Stream::Tls(Box::new(StreamOwned::new(connection, socket)));
        Ok(Self { stream, ..self })
    }

    /// How the TLS handshake inside the tunnel went.
    pub(crate) fn handshake(&self) -> Option<HandshakeKind> {
        let Stream::Tls(it) = &self.stream else { return None };
        it.conn.handshake_kind()
    }

    /// The target of a request for `path`, as this way spells it.
    pub(crate) fn target(&self, path: &str) -> String {
        match self.way {
            Way::Path => format!("/{}://{}{path}", self.scheme, self.authority),
            Way::Absolute => format!("{}://{}{path}", self.scheme, self.authority),
            Way::Tunnel => path.to_owned(),
        }
    }

    /// The `Host` that a client sends in this way.
    pub(crate) fn host(&self) -> String {
        if self.way == Way::Path { self.proxy.clone() } else { self.authority.clone() }
    }

    /// A request head for `path`, as this way spells it.
    pub(crate) fn head(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> String {
        let (target, host, fields) = (self.target(path), self.host(), lines(fields));
        let standing = lines(&self.standing.iter().map(|(name, value)| (&**name, &**value)).collect::<Vec<_>>());
        format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{standing}{fields}\r\n")
    }

    /// Sends bytes as they are.
    ///
    /// # Panics
    /// If the proxy has stopped listening.
    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).unwrap_or_else(|error| panic!("the proxy does not listen: {error}"));
    }

    /// Sends bytes as they are, to a proxy that may have closed.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(it) => it.write_all(bytes.as_ref()),
            Stream::Tls(it) => it.write_all(bytes.as_ref()).and_then(|()| it.flush()),
        }
    }

    /// Sends a request without a body and reads its answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, method: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let head = self.head(method, path, fields);
        self.send(head);
        self.answer(method)
    }

    /// Gets `path` with the credential that a test gets when it names none.
    #[track_caller]
    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path, &[NAMED])
    }

    /// The status of an answer on a connection of its own. `None` where that was cut, as a request is that is on its way while
    /// its right is taken away.
    #[track_caller]
    pub(crate) fn status(appliance: &Appliance, way: Way, origin: &Origin, fields: &[(&str, &str)]) -> Option<u16> {
        let mut agent = Self::via(appliance, way, origin);
        let head = agent.head("GET", "/", fields);
        agent.send(head);
        agent.try_answer("GET").ok().map(|it| it.status())
    }

    /// Sends a request whose body has a length, and reads its answer.
    #[track_caller]
    pub(crate) fn post(&mut self, path: &str, fields: &[(&str, &str)], body: &[u8]) -> Answer {
        let length = body.len().to_string();
        let fields = [&[NAMED, ("Content-Length", &*length)], fields].concat();
        let head = self.head("POST", path, &fields);
        self.send([head.as_bytes(), body].concat());
        self.answer("POST")
    }

    /// Reads the answer to a request of this method.
    ///
    /// # Panics
    /// If it does not come whole.
    #[track_caller]
    pub(crate) fn answer(&mut self, method: &str) -> Answer {
        self.try_answer(method).unwrap_or_else(|error| panic!("no answer: {error}"))
    }

    /// Reads the answer to a request of this method.
    ///
    /// # Errors
    /// When the connection ends within it, or it is not well-formed.
    pub(crate) fn try_answer(&mut self, method: &str) -> io::Result<Answer> {
        let mut interim = Vec::new();
        loop {
            let (message, length) = loop {
                match wire::answer(&self.unread, method, self.ended) {
                    Ok(it) => break it,
                    Err(Fault::Short) if !self.ended => self.more()?,
                    Err(fault) => return Err(self.broken(&fault)),
                }
            };
            self.unread.drain(..length);
            if wire::status(&message.start).is_ok_and(|it| it < 200) {
                interim.push(message);
            } else {
                return Ok(Answer { message, interim });
            }
        }
    }

    /// Reads only the head of the next answer; interim answers count.
    #[track_caller]
    pub(crate) fn answer_head(&mut self) -> Message {
        let (message, length) = self.read_as(wire::head).unwrap_or_else(|error| panic!("no head: {error}"));
        self.unread.drain(..length);
        message
    }

    /// Takes what is there of a body, without its framing taken off; empty at the end.
    pub(crate) fn some(&mut self) -> io::Result<Vec<u8>> {
        if self.unread.is_empty() && !self.ended {
            self.more()?;
        }
        Ok(std::mem::take(&mut self.unread))
    }

    /// What comes first, if anything comes of itself.
    pub(crate) fn some_within_a_moment(&mut self) -> Option<Vec<u8>> {
        self.socket().set_read_timeout(Some(MOMENT)).unwrap();
        let some = self.some();
        self.socket().set_read_timeout(Some(PATIENCE)).unwrap();
        some.map(Some).or_else(|error| if is_timeout(&error) { Ok(None) } else { Err(error) }).unwrap()
    }

    /// Reads raw bytes until `end` has come.
    #[track_caller]
    pub(crate) fn read_until(&mut self, end: &str) -> String {
        while wire::find(&self.unread, end.as_bytes()).is_none() {
            assert!(!self.ended, "no {end:?} in {:?}", String::from_utf8_lossy(&self.unread));
            self.more().unwrap();
        }
        let at = wire::find(&self.unread, end.as_bytes()).unwrap() + end.len();
        self.unread.drain(..at).map(char::from).collect()
    }

    /// Reads so many raw bytes.
    #[track_caller]
    pub(crate) fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count {
            assert!(!self.ended, "only {} bytes of {count}", self.unread.len());
            self.more().unwrap();
        }
        self.unread.drain(..count).collect()
    }

    /// Whether the proxy closes the connection without another byte, in good order or not.
    pub(crate) fn is_closed(&mut self) -> bool {
        while !self.ended && self.unread.is_empty() {
            if let Err(error) = self.more() {
                return !is_timeout(&error);
            }
        }
        self.unread.is_empty()
    }

    /// Reads all that comes until the connection ends, in good order or not.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while !self.ended && self.more().is_ok() {}
        std::mem::take(&mut self.unread)
    }

    /// Whether everything came to a good end: nothing cut, and a close-notify where there is TLS.
    pub(crate) fn ended_well(&self) -> bool {
        self.ended
    }

    /// Says farewell in TLS and ends the connection.
    pub(crate) fn close(mut self) {
        self.end_input();
    }

    /// Says farewell, yet goes on reading.
    pub(crate) fn end_input(&mut self) {
        if let Stream::Tls(it) = &mut self.stream {
            it.conn.send_close_notify();
            drop(it.flush());
        }
        drop(self.socket().shutdown(Shutdown::Write));
    }

    /// Resets the connection.
    pub(crate) fn break_off(self) {
        socket2::SockRef::from(self.socket()).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Sends bytes, and then resets the connection once they have been taken.
    pub(crate) fn reset(mut self, bytes: &str) {
        self.send(bytes);
        until("the bytes have been taken", || (queued(self.source().port()) == 0).then_some(()));
        socket2::SockRef::from(self.socket()).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// The connection itself, for another thread that reads; what has been read already is not among what it gets.
    pub(crate) fn socket_copy(&self) -> TcpStream {
        self.socket().try_clone().unwrap()
    }

    /// How much has been read and not been asked for.
    pub(crate) fn unread(&self) -> usize {
        self.unread.len()
    }

    /// Where the proxy sees it.
    pub(crate) fn source(&self) -> SocketAddr {
        self.socket().local_addr().unwrap()
    }

    fn socket(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(it) => it,
            Stream::Tls(it) => &it.sock,
        }
    }

    fn read_as(&mut self, parse: fn(&[u8]) -> Parsed) -> io::Result<(Message, usize)> {
        loop {
            match parse(&self.unread) {
                Ok(it) => return Ok(it),
                Err(Fault::Short) if !self.ended => self.more()?,
                Err(fault) => return Err(self.broken(&fault)),
            }
        }
    }

    fn more(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; 64 << 10];
        let count = match &mut self.stream {
            Stream::Plain(it) => it.read(&mut buffer),
            Stream::Tls(it) => it.read(&mut buffer),
        }?;
        self.ended = count == 0;
        self.unread.extend_from_slice(&buffer[..count]);
        Ok(())
    }

    fn broken(&self, fault: &Fault) -> io::Error {
        let shown = &self.unread[..self.unread.len().min(400)];
        io::Error::other(format!("{fault:?} in {:?}", String::from_utf8_lossy(shown)))
    }
}

/// Field lines.
fn lines(fields: &[(&str, &str)]) -> String {
    fields.iter().flat_map(|(name, value)| [name, ": ", value, "\r\n"]).collect()
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// A TLS client that trusts only the CA in this file.
pub(crate) fn trusting(ca_file: &Path) -> ClientConfig {
    let pem = fs::read(ca_file).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}
