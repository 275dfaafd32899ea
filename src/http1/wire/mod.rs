//! The bytes below HTTP/1: TCP or a unix socket, plain or TLS, behind one type.

use std::{
    fmt, io,
    mem::MaybeUninit,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use socket2::TcpKeepalive;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::{TcpStream, UnixStream},
    task::yield_now,
};
use tokio_rustls::{TlsStream, client};

use crate::base::{
    capacity::{Most, Share},
    splice::Line,
};

/// Bytes that the system receives of a peer before they are read. It takes twice as much memory for them. A far peer can
/// send no more in each round trip.
const AMPLE_UNREAD: usize = 512 << 10;
/// The same where the caller's memory for more is used up.
const LEAST_UNREAD: usize = 64 << 10;
/// Memory of the system for what is beyond the least, for all callers and for each.
const MOST_UNREAD: Most = Most { all: 256 << 20, each: 64 << 20 };
/// Bytes that wait in the system because the peer does not take them, beside those that are on their way.
const MOST_UNSENT: u32 = 128 << 10;

/// Bytes that are read of a peer until others have their turn.
const MOST_AT_ONCE: usize = 128 << 10;

/// Bounds what the system keeps of what was written to this connection.
///
/// # Errors
/// The system refuses.
pub fn bound_unsent(tcp: &TcpStream) -> io::Result<()> {
    socket2::SockRef::from(tcp).set_tcp_notsent_lowat(MOST_UNSENT)
}

/// How often a peer that has ended its side is asked whether it is there: one that has closed its socket answers with a
/// reset, once its system has forgotten the connection.
const PROBING: Duration = Duration::from_secs(15);

/// A connected byte stream.
#[derive(Debug)]
pub enum Wire {
    /// As it is.
    Plain(Socket),
    /// Boxed, so that a plain connection does not pay for its size.
    Tls(Box<TlsStream<Socket>>),
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
    is_ample: bool,
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

/// Ready when the peer has closed a connection both ways; not to be polled again then.
pub struct Closed(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Closed {
    /// Polls it.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Closed")
    }
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

    fn abort(&self) {
        if let Err(error) = self.of_system().set_linger(Some(Duration::ZERO)) {
            tracing::debug!(%error, "a connection could not be set to reset");
        }
    }

    /// Where there is no memory for more, the system receives the least from now on.
    fn claim_unread(&mut self) {
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

    fn is_tcp(&self) -> bool {
        !matches!(self.carrier, Carrier::Unix(_))
    }

    fn of_system(&self) -> socket2::SockRef<'_> {
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

impl Wire {
    /// Whether the system holds nothing for us: no byte, no end, no error. The runtime may not have heard of it yet.
    pub fn is_quiet(&self) -> bool {
        let peeked = self.socket().of_system().peek(&mut [MaybeUninit::uninit()]);
        peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Waits until the peer has closed the connection both ways, as by a reset. For a peer of which reading says nothing
    /// more, since it has ended its side or nothing more is to be read for now.
    ///
    /// # Errors
    /// There is no descriptor to watch the connection by.
    pub fn closed(&self) -> io::Result<Closed> {
        let socket = self.socket().of_system().try_clone()?;
        if self.socket().is_tcp() {
            socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(PROBING).with_interval(PROBING))?;
        }
        // Nothing is read or written by it, so it need not be TCP.
        let watched = TcpStream::from_std(socket.into())?;
        Ok(Closed(Box::pin(async move {
            while let Ok(ready) = watched.ready(Interest::WRITABLE).await {
                if ready.is_write_closed() {
                    return;
                }
                // Until the system reports the next change.
                let nothing = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
                drop(watched.try_io(Interest::WRITABLE, nothing));
            }
        })))
    }

    /// Whether the peer sees a reset when this is dropped: a peer that answers behind an end of its input would otherwise
    /// go on with what nobody waits for.
    pub fn reset_on_drop(&mut self, reset: bool) {
        match self {
            Self::Plain(socket) => socket.reset_on_drop = reset,
            Self::Tls(tls) => tls.get_mut().0.reset_on_drop = reset,
        }
    }

    /// Bytes that have moved so far, either way.
    pub fn moved(&self) -> u64 {
        self.socket().moved
    }

    /// Whether both ends have agreed on HTTP/2 (RFC 9113 section 3.2).
    pub fn is_http2(&self) -> bool {
        matches!(self, Self::Tls(tls) if tls.get_ref().1.alpn_protocol() == Some(b"h2"))
    }

    /// Bounds what the system may receive before it is read. `memory` is taken for more than the least, as far as there is
    /// room, for as long as the connection is open and in use.
    pub fn bound_unread(&mut self, memory: Share) {
        let socket = self.socket_mut();
        (socket.memory, socket.is_ample) = (Some(memory), true);
        socket.claim_unread();
        if socket.is_ample {
            socket.receive_at_most(AMPLE_UNREAD);
        }
    }

    /// Gives the memory back while nobody uses the connection.
    pub fn release_unread(&mut self) {
        if let Some(memory) = &mut self.socket_mut().memory {
            memory.clear();
        }
    }

    /// Takes the memory again.
    pub fn claim_unread(&mut self) {
        self.socket_mut().claim_unread();
    }

    fn socket_mut(&mut self) -> &mut Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(tls) => match &mut **tls {
                TlsStream::Client(it) => it.get_mut().0,
                TlsStream::Server(it) => it.get_mut().0,
            },
        }
    }

    fn socket(&self) -> &Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }
}

impl Line for Wire {
    /// The peer sees a reset, never a clean end. A failure leaves the connection as it was, and a unix socket has no
    /// reset; the peer then sees an end without `close_notify` or final chunk.
    fn abort(&self) {
        self.socket().abort();
    }

    fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Plain(Socket { carrier: Carrier::Tcp(tcp), .. }) => Some(tcp),
            Self::Plain(_) | Self::Tls(_) => None,
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(it) => Pin::new(it).poll_read(cx, buf),
            Self::Tls(it) => Pin::new(it).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(it) => Pin::new(it).poll_write(cx, buf),
            Self::Tls(it) => Pin::new(it).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(it) => Pin::new(it).poll_write_vectored(cx, bufs),
            Self::Tls(it) => Pin::new(it).poll_write_vectored(cx, bufs),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(it) => Pin::new(it).poll_flush(cx),
            Self::Tls(it) => Pin::new(it).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(it) => Pin::new(it).poll_shutdown(cx),
            Self::Tls(it) => Pin::new(it).poll_shutdown(cx),
        }
    }
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

#[cfg(test)]
mod tests;
