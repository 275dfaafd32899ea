//! A proxy that stands between an appliance and its origins, and resolves every name to this machine.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{Arc, Mutex, OnceLock},
    thread,
    time::Duration,
};

use rustls::DEFAULT_VERSIONS;

use crate::support::{
    certificates::{Flaw, server},
    origin::Origin,
    visit::Visit,
    wire::{self, Fault, Message},
};

/// What it does with a request: `None` lets it pass, else this is its answer.
type Gate = dyn Fn(&Message) -> Option<Vec<u8>> + Send + Sync;

/// A running proxy.
pub(crate) struct Parent {
    port: Origin,
    heads: Arc<Mutex<Vec<Message>>>,
    beyond: Arc<OnceLock<SocketAddr>>,
}

impl Parent {
    /// One that lets everything pass.
    pub(crate) fn open() -> Self {
        Self::with(|_| None)
    }

    /// One that asks for this `Proxy-Authorization`.
    pub(crate) fn asking(value: &'static str) -> Self {
        Self::with(move |head| match *head.values("proxy-authorization") {
            [shown] if shown == value => None,
            _ => Some(
                b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"p\"\r\n\
                  Content-Length: 2\r\n\r\nno"
                    .to_vec(),
            ),
        })
    }

    /// One with this gate.
    pub(crate) fn with(gate: impl Fn(&Message) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self::start(false, gate)
    }

    /// One that is spoken to over TLS.
    pub(crate) fn over_tls() -> Self {
        Self::start(true, |_| None)
    }

    fn start(tls: bool, gate: impl Fn(&Message) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        let (heads, beyond) = (Arc::<Mutex<Vec<Message>>>::default(), Arc::<OnceLock<SocketAddr>>::default());
        let (gate, log, next): (Arc<Gate>, _, _) = (Arc::new(gate), heads.clone(), beyond.clone());
        let script = move |visit: &mut Visit| serve(visit, &*gate, &log, next.get().copied());
        let port =
            if tls { Origin::tls(server(Flaw::None, DEFAULT_VERSIONS), script) } else { Origin::http_with(script) };
        Self { port, heads, beyond }
    }

    /// From now on it passes everything on to another proxy.
    pub(crate) fn leads_to(&self, proxy: SocketAddr) {
        self.beyond.set(proxy).unwrap();
    }

    /// As `[upstream] proxy` takes it, with this user information.
    pub(crate) fn setting(&self, user: &str) -> String {
        format!("\"{}://{user}localhost:{}\"", self.port.scheme(), self.port.port())
    }

    /// The requests to it so far, CONNECT among them.
    pub(crate) fn heads(&self) -> Vec<Message> {
        self.heads.lock().unwrap().clone()
    }

    /// Connections to it so far.
    pub(crate) fn connections(&self) -> usize {
        self.port.connections()
    }

    /// All bytes that came to it.
    pub(crate) fn read(&self) -> Vec<u8> {
        self.port.seen().into_iter().flat_map(|it| it.bytes).collect()
    }
}

fn serve(visit: &mut Visit, gate: &Gate, log: &Mutex<Vec<Message>>, beyond: Option<SocketAddr>) -> io::Result<()> {
    while let Some(head) = visit.head()? {
        log.lock().unwrap().push(head.clone());
        if let Some(answer) = gate(&head) {
            visit.write(&answer)?;
            continue;
        }
        if let Some(proxy) = beyond {
            let mut far = TcpStream::connect(proxy)?;
            far.write_all(&written(&head, &head.start, "Via: 1.1 between\r\n"))?;
            return splice(visit, &mut far);
        }
        if head.method() == "CONNECT" {
            let mut far = reach(head.target())?;
            visit
                .write("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 Connection established\r\nX-Parent: 1\r\n\r\n")?;
            return splice(visit, &mut far);
        }
        pass(visit, &head)?;
    }
    Ok(())
}

/// Asks the origin for what is asked in absolute form, and passes its whole answer back.
fn pass(visit: &mut Visit, head: &Message) -> io::Result<()> {
    let (method, rest) = (head.method(), head.target().strip_prefix("http://").unwrap());
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = if path.is_empty() { "*" } else { path };
    let mut far = reach(authority)?;
    far.write_all(&written(head, &format!("{method} {path} HTTP/1.1"), ""))?;
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match wire::answer(&bytes, method, false) {
            Ok(_) => return visit.write(&bytes),
            Err(Fault::Short) => {}
            Err(Fault::Dirty(why)) => return Err(io::Error::new(ErrorKind::InvalidData, why)),
        }
        match far.read(&mut buffer)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

fn reach(authority: &str) -> io::Result<TcpStream> {
    let port = authority.rsplit(':').next().and_then(|it| it.parse().ok()).unwrap_or(80);
    TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port)))
}

/// A head again, without what was for the proxy.
fn written(head: &Message, start: &str, more: &str) -> Vec<u8> {
    let fields = head.fields.iter().filter(|(name, _)| !name.to_lowercase().starts_with("proxy-"));
    let fields: String = fields.flat_map(|(name, value)| [name, ": ", value, "\r\n"]).collect();
    format!("{start}\r\n{fields}{more}\r\n").into_bytes()
}

/// Passes bytes both ways until one side ends; tests send so little that a socket takes it whole.
fn splice(visit: &mut Visit, far: &mut TcpStream) -> io::Result<()> {
    far.write_all(&std::mem::take(&mut visit.unread))?;
    visit.socket().set_nonblocking(true)?;
    far.set_nonblocking(true)?;
    let mut buffer = [0; 16 << 10];
    loop {
        let up = some(visit.read(&mut buffer))?;
        if let Some(count @ 1..) = up {
            far.write_all(&buffer[..count])?;
        }
        let down = some(far.read(&mut buffer))?;
        if let Some(count @ 1..) = down {
            visit.write(&buffer[..count])?;
        }
        match (up, down) {
            (Some(0), _) | (_, Some(0)) => return Ok(()),
            // Neither has anything; the standard library cannot wait for two sockets.
            (None, None) => thread::sleep(Duration::from_millis(1)),
            _ => {}
        }
    }
}

fn some(read: io::Result<usize>) -> io::Result<Option<usize>> {
    match read {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        read => read.map(Some),
    }
}
