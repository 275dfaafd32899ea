//! The socket below a connection: it counts what moves, and bounds what the system keeps of it.

use std::{
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use rustix::net::{RecvFlags, recv};
use socket2::TcpKeepalive;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::{TcpStream, UnixStream},
    task::yield_now,
};
use tokio_rustls::client;

use crate::base::capacity::{Most, Share};

/// Bytes that the system receives of a peer before they are read. It takes twice as much memory for them. A far peer can
/// send no more in each round trip.
pub(super) const AMPLE_UNREAD: usize = 512 << 10;
/// The same where the caller's memory for more is used up.
pub(super) const LEAST_UNREAD: usize = 64 << 10;
/// Memory of the system for what is beyond the least, for all callers and for each.
pub(super) const MOST_UNREAD: Most = Most { all: 256 << 20, each: 64 << 20 };
/// Bytes that wait in the system because the peer does not take them, beside those that are on their way.
const MOST_UNSENT: u32 = 128 << 10;

/// Bytes that are read of a peer until others have their turn.
pub(super) const MOST_AT_ONCE: usize = 128 << 10;

/// How long nothing is heard of a peer until the system asks whether it is there.
const QUIET: Duration = Duration::from_mins(1);
/// How often it then asks. A peer that does not answer nine times is gone.
pub(super) const PROBING: Duration = Duration::from_secs(15);

/// Prepares a fresh connection: small writes leave at once, what the system keeps of what was written is bounded, and a peer of
/// which nothing is heard is asked whether it is there, since answers that stream may be silent for long.
///
/// # Errors
/// The system refuses.
pub fn prepare(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let socket = socket2::SockRef::from(tcp);
    socket.set_tcp_notsent_lowat(MOST_UNSENT)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(QUIET).with_interval(PROBING))
}

/// A connection that counts what moves: what TLS above it holds back in its buffers has not.
#[derive(Debug)]
pub struct Socket {
    carrier: Carrier,
    moved: u64,
    /// Bytes that were read without a pause.
    at_once: usize,
    reset_on_drop: bool,
    /// Memory of the system for more than [`LEAST_UNREAD`]; given back when the connection is closed.
    memory: Option<Share>,
    /// Whether the system may receive [`AMPLE_UNREAD`].
    pub(super) is_ample: bool,
}

#[derive(Debug)]
enum Carrier {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<client::TlsStream<TcpStream>>),
}

/// What the system connects.
#[derive(Debug)]
pub enum Stream {
    /// With an address.
    Tcp(TcpStream),
    /// On this machine.
    Unix(UnixStream),
}

impl Stream {
    /// Writes what the system takes at once: so few bytes on a fresh connection that it takes them all.
    ///
    /// # Errors
    /// It takes none.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(it) => it.try_write(bytes),
            Self::Unix(it) => it.try_write(bytes),
        }
    }
}

impl Socket {
    /// Counts from here.
    pub fn new(stream: Stream) -> Self {
        let carrier = match stream {
            Stream::Tcp(it) => Carrier::Tcp(it),
            Stream::Unix(it) => Carrier::Unix(it),
        };
        Self { carrier, moved: 0, at_once: 0, reset_on_drop: false, memory: None, is_ample: false }
    }

    /// What a server that is spoken to over TLS passes on to another.
    pub fn within(tls: client::TlsStream<TcpStream>) -> Self {
        Self {
            carrier: Carrier::Tls(Box::new(tls)),
            moved: 0,
            at_once: 0,
            reset_on_drop: false,
            memory: None,
            is_ample: false,
        }
    }

    /// Waits for the next byte of a client and leaves it there; `None` if the client has ended its side.
    ///
    /// # Errors
    /// The connection has failed, or is one to a server.
    pub async fn peek(&self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        let peek = || Ok(recv(&*self.of_system(), &mut byte, RecvFlags::PEEK)?.0);
        let count = match &self.carrier {
            Carrier::Tcp(it) => it.async_io(Interest::READABLE, peek).await?,
            Carrier::Unix(it) => it.async_io(Interest::READABLE, peek).await?,
            Carrier::Tls(_) => return Err(io::ErrorKind::Unsupported.into()),
        };
        Ok(byte.first().copied().filter(|_| count > 0))
    }

    /// Bytes that have moved so far, either way.
    pub(super) fn moved(&self) -> u64 {
        self.moved
    }

    /// See [`Wire::reset_on_drop`](super::Wire::reset_on_drop).
    pub(super) fn reset_on_drop(&mut self, reset: bool) {
        self.reset_on_drop = reset;
    }

    /// See [`Wire::bound_unread`](super::Wire::bound_unread).
    pub(super) fn bound_unread(&mut self, memory: Share) {
        (self.memory, self.is_ample) = (Some(memory), true);
        self.claim_unread();
        if self.is_ample {
            self.receive_at_most(AMPLE_UNREAD);
        }
    }

    /// Gives the memory back while nobody uses the connection.
    pub(super) fn release_unread(&mut self) {
        if let Some(memory) = &mut self.memory {
            memory.clear();
        }
    }

    /// The connection itself, if it is plain TCP.
    pub(super) fn tcp(&self) -> Option<&TcpStream> {
        match &self.carrier {
            Carrier::Tcp(tcp) => Some(tcp),
            Carrier::Unix(_) | Carrier::Tls(_) => None,
        }
    }

    /// The peer sees a reset when this is closed.
    pub(super) fn abort(&self) {
        if let Err(error) = self.of_system().set_linger(Some(Duration::ZERO)) {
            tracing::debug!(%error, "a connection could not be set to reset");
        }
    }

    /// Where there is no memory for more, the system receives the least from now on.
    pub(super) fn claim_unread(&mut self) {
        let Some(memory) = self.memory.as_mut().filter(|it| self.is_ample && it.units() == 0) else { return };
        if memory.add(2 * AMPLE_UNREAD, MOST_UNREAD).is_err() {
            self.is_ample = false;
            self.receive_at_most(LEAST_UNREAD);
        }
    }

    fn receive_at_most(&self, bytes: usize) {
        if let Err(error) = self.of_system().set_recv_buffer_size(bytes) {
            tracing::debug!(%error, "what is received cannot be bounded");
        }
    }

    pub(super) fn is_tcp(&self) -> bool {
        !matches!(self.carrier, Carrier::Unix(_))
    }

    pub(super) fn of_system(&self) -> socket2::SockRef<'_> {
        match &self.carrier {
            Carrier::Tcp(it) => it.into(),
            Carrier::Unix(it) => it.into(),
            Carrier::Tls(it) => it.get_ref().0.into(),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.reset_on_drop {
            self.abort();
        }
    }
}

/// Calls the same method of whatever carries the bytes.
macro_rules! of_carrier {
    ($socket:expr, $method:ident, $($argument:expr),*) => {
        match &mut $socket.carrier {
            Carrier::Tcp(it) => Pin::new(it).$method($($argument),*),
            Carrier::Unix(it) => Pin::new(it).$method($($argument),*),
            Carrier::Tls(it) => Pin::new(it).$method($($argument),*),
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.at_once >= MOST_AT_ONCE {
            self.at_once = 0;
            // It wakes the task once the runtime has looked for what happened to others.
            return pin!(yield_now()).poll(cx).map(Ok);
        }
        let before = buf.filled().len();
        let Poll::Ready(read) = of_carrier!(self, poll_read, cx, buf) else {
            self.at_once = 0;
            return Poll::Pending;
        };
        let count = buf.filled().len() - before;
        self.at_once += count;
        self.moved += count as u64;
        Poll::Ready(read)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(of_carrier!(self, poll_write, cx, buf))?;
        self.moved += written as u64;
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(of_carrier!(self, poll_write_vectored, cx, bufs))?;
        self.moved += written as u64;
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.carrier {
            Carrier::Tcp(it) => it.is_write_vectored(),
            Carrier::Unix(it) => it.is_write_vectored(),
            Carrier::Tls(it) => it.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        of_carrier!(self, poll_flush, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        of_carrier!(self, poll_shutdown, cx)
    }
}
