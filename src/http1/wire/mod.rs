//! The bytes below HTTP/1: TCP or a unix socket, plain or TLS, behind one type.

mod socket;

use std::{
    fmt, io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll},
};

use socket2::TcpKeepalive;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::TlsStream;

use self::socket::PROBING;
pub use self::socket::{Socket, Stream, prepare};
use crate::base::{capacity::Share, splice::Line};

/// A connected byte stream.
#[derive(Debug)]
pub enum Wire {
    /// As it is.
    Plain(Socket),
    /// Boxed, so that a plain connection does not pay for its size.
    Tls(Box<TlsStream<Socket>>),
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
            // One that has closed its socket answers with a reset, once its system has forgotten the connection.
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
        self.socket_mut().reset_on_drop(reset);
    }

    /// Bytes that have moved so far, either way.
    pub fn moved(&self) -> u64 {
        self.socket().moved()
    }

    /// Whether both ends have agreed on HTTP/2 (RFC 9113 section 3.2).
    pub fn is_http2(&self) -> bool {
        matches!(self, Self::Tls(tls) if tls.get_ref().1.alpn_protocol() == Some(b"h2"))
    }

    /// Bounds what the system may receive before it is read. `memory` is taken for more than the least, as far as there is
    /// room, for as long as the connection is open and in use.
    pub fn bound_unread(&mut self, memory: Share) {
        self.socket_mut().bound_unread(memory);
    }

    /// Gives the memory back while nobody uses the connection.
    pub fn release_unread(&mut self) {
        self.socket_mut().release_unread();
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
            Self::Plain(socket) => socket.tcp(),
            Self::Tls(_) => None,
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

#[cfg(test)]
mod tests;
