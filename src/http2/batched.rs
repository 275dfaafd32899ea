//! The bytes below HTTP/2: what one poll of a connection has to say leaves in one write and in full TLS records, where h2
//! alone would write each frame of data by itself.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    http1::Wire,
    http2::watch::{Rejected, Watch},
};

/// Most bytes that wait: what a TLS record holds.
const MOST: usize = 16 << 10;

/// Shared by the connection, which reads and writes, and by whoever polls the connection and then sends what it wrote.
#[derive(Clone, Debug)]
pub struct Batched(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    wire: Wire,
    /// Written, but not sent.
    waiting: Vec<u8>,
    /// Our own answers to what h2 will reset, until a frame of h2 has been written whole.
    answers: Vec<u8>,
    /// Whether a frame of h2 has been written in part.
    is_within_frame: bool,
    /// Why the rest cannot be sent, until the connection has been told.
    failed: Option<io::Error>,
    /// Follows what a client sends; `None` where a server is at the other end.
    watch: Option<Box<Watch>>,
    /// Whether what came cannot be trusted: nothing more is read.
    malformed: bool,
}

impl Batched {
    /// To a server.
    pub fn new(wire: Wire) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            wire,
            waiting: Vec::new(),
            answers: Vec::new(),
            is_within_frame: false,
            failed: None,
            watch: None,
            malformed: false,
        })))
    }

    /// To a client. Of a request with a pseudo-field in its trailers the end is never read.
    pub fn of_client(wire: Wire) -> Self {
        let batched = Self::new(wire);
        batched.lock().watch = Some(Box::default());
        batched
    }

    /// Whether such a request has come: the connection is to be ended.
    pub fn is_malformed(&self) -> bool {
        self.lock().malformed
    }

    /// The requests since the last call that h2 resets unseen for their paths. Each has been answered with 400.
    pub fn take_rejected(&self) -> Vec<Rejected> {
        self.lock().watch.as_mut().map(|it| it.take_rejected()).unwrap_or_default()
    }

    /// Bytes that have moved so far, either way.
    pub fn moved(&self) -> u64 {
        self.lock().wire.moved()
    }

    /// Reads and forgets what the peer still sends. Ready when it has ended its side, or when more than `most` bytes have
    /// moved in all.
    pub fn poll_rest(&self, most: u64, cx: &mut Context<'_>) -> Poll<()> {
        let wire = &mut self.lock().wire;
        let mut bytes = [MaybeUninit::uninit(); 4 << 10];
        while wire.moved() <= most {
            let mut read = ReadBuf::uninit(&mut bytes);
            if ready!(Pin::new(&mut *wire).poll_read(cx, &mut read)).is_err() || read.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(())
    }

    /// Bytes of a field section that has begun to come and has not come completely; 0 if there is none.
    pub fn unfinished(&self) -> usize {
        self.lock().watch.as_ref().map_or(0, |it| it.unfinished())
    }

    /// Sends what was written; whether nothing waits any longer. To be called after each poll of the connection, which is
    /// woken to find out about a failure.
    pub fn send(&self, cx: &mut Context<'_>) -> bool {
        let mut inner = self.lock();
        let sent = inner.poll_send(cx);
        if let Poll::Ready(Err(error)) = sent {
            inner.failed = Some(error);
            cx.waker().wake_by_ref();
            return true;
        }
        sent.is_ready()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.add_answers();
        let mut sent = 0;
        while sent < self.waiting.len() {
            match Pin::new(&mut self.wire).poll_write(cx, &self.waiting[sent..]) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(more)) => sent += more,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.waiting.drain(..sent);
                    return Poll::Pending;
                }
            }
        }
        // An idle connection holds no buffer.
        self.waiting = Vec::new();
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    /// Puts our own answers where a frame may begin.
    fn add_answers(&mut self) {
        if !self.answers.is_empty() && !self.is_within_frame {
            self.waiting.append(&mut self.answers);
        }
    }

    /// What is large already is not copied.
    fn poll_take(&mut self, cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Err(error));
        }
        let length: usize = parts.iter().map(|it| it.len()).sum();
        self.add_answers();
        if self.waiting.len() + length > MOST {
            ready!(self.poll_send(cx))?;
        }
        if length > MOST / 2 && self.waiting.is_empty() {
            let written = ready!(Pin::new(&mut self.wire).poll_write_vectored(cx, parts))?;
            self.is_within_frame = written < length;
            return Poll::Ready(Ok(written));
        }
        self.is_within_frame = false;
        for part in parts {
            self.waiting.extend_from_slice(part);
        }
        Poll::Ready(Ok(length))
    }
}

impl AsyncRead for Batched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.lock();
        if let Some(error) = inner.failed.take() {
            return Poll::Ready(Err(error));
        }
        if inner.malformed {
            return Poll::Pending;
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut inner.wire).poll_read(cx, buf))?;
        let inner = &mut *inner;
        let Some(watch) = &mut inner.watch else { return Poll::Ready(Ok(())) };
        let malformed = watch.finds(&buf.filled()[before..]);
        watch.answer(&mut inner.answers);
        if malformed {
            buf.set_filled(before);
            inner.malformed = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Batched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.lock().poll_take(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.lock().poll_take(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// It is sent when the connection has been polled.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.lock().failed.take().map_or(Ok(()), Err))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.lock();
        ready!(inner.poll_send(cx))?;
        Pin::new(&mut inner.wire).poll_shutdown(cx)
    }
}
