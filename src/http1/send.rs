//! One message on its way out: its head, and its body as it comes, in as few writes as it allows.

use std::{
    fmt,
    io::{self, IoSlice, Write as _},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use http::HeaderMap;
use http_body::Frame;
use thiserror::Error;
use tokio::io::AsyncWrite as _;
use zeroize::Zeroize as _;

use crate::{
    base::{
        body::{Body, BodyError},
        head::Framing,
    },
    http1::{Connection, Shared},
};

/// Data up to this length is copied behind what waits already; longer data is written from where it lies.
const SMALL: usize = 4_096;

/// Why a message did not leave whole. The connection must then not be used again.
#[derive(Debug, Error)]
pub enum SendError {
    /// The peer does not take it.
    #[error("the peer closed the connection")]
    Wire(#[from] io::Error),
    /// The body could not be read where it comes from.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The body is not as long as its head says.
    #[error("the body is not as long as its head says")]
    Length,
    /// The peer takes nothing for too long.
    #[error("the peer takes nothing")]
    Stalled,
}

/// A message that is being written. Polled until it is ready; dropping it leaves the connection in the middle.
pub struct Outgoing<B = Body> {
    /// What waits to be written before `frame`; wiped after the first time if it holds a secret.
    out: Vec<u8>,
    at: usize,
    secret: bool,
    frame: Bytes,
    body: Option<B>,
    coding: Coding,
    trailers: Option<HeaderMap>,
    keeps: Option<KeepTrailer>,
    waits: Waits,
}

/// Whether a trailer of this name and value goes on. Decided with the head, asked at the end of the body.
pub type KeepTrailer = Arc<dyn Fn(&[u8], &[u8]) -> bool + Send + Sync>;

/// What a message waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Waits {
    Nothing,
    Body,
    Peer,
}

#[derive(Clone, Copy, Debug)]
enum Coding {
    Length(u64),
    Chunked,
    Raw,
}

impl<B: http_body::Body<Data = Bytes, Error = BodyError> + Unpin> Outgoing<B> {
    /// A message with this head, already written out, and this body.
    pub fn new(head: Vec<u8>, framing: Framing, body: B) -> Self {
        let coding = match framing {
            Framing::None => Coding::Length(0),
            Framing::Length(length) => Coding::Length(length),
            Framing::Chunked => Coding::Chunked,
            Framing::UntilClose => Coding::Raw,
        };
        Self {
            out: head,
            at: 0,
            secret: false,
            frame: Bytes::new(),
            body: (framing != Framing::None).then_some(body),
            coding,
            trailers: None,
            keeps: None,
            waits: Waits::Nothing,
        }
    }

    /// The head holds a secret: it is wiped once it is written.
    #[must_use]
    pub fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Only these trailers are sent.
    #[must_use]
    pub fn keeping(mut self, keeps: Option<KeepTrailer>) -> Self {
        self.keeps = keeps;
        self
    }

    /// Whether all that there is has been written and the rest is still to come from where the body comes from.
    pub fn is_starved(&self) -> bool {
        self.waits == Waits::Body
    }

    /// Writes what can be written now. Ready when the whole message has left.
    pub fn poll_send(&mut self, to: &mut Connection, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        loop {
            let starved = self.gather(cx)?;
            ready!(self.poll_drain(to, cx))?;
            if self.body.is_none() {
                return Poll::Ready(Ok(()));
            }
            if starved {
                self.waits = Waits::Body;
                return Poll::Pending;
            }
        }
    }

    /// The same to a shared connection, which is never locked while the body is polled: the body of an answer may
    /// itself read what is left of the request from there.
    pub fn poll_send_shared(&mut self, to: &Shared, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        loop {
            let starved = self.gather(cx)?;
            ready!(self.poll_drain(&mut to.lock(), cx))?;
            if self.body.is_none() {
                return Poll::Ready(Ok(()));
            }
            if starved {
                self.waits = Waits::Body;
                return Poll::Pending;
            }
        }
    }

    /// Ready when nothing waits any more and all of it has been flushed.
    fn poll_drain(&mut self, to: &mut Connection, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        while self.at < self.out.len() || !self.frame.is_empty() {
            let written = ready!(self.poll_write(to, cx))?;
            to.idle.touch();
            self.waits = Waits::Nothing;
            self.advance(written);
        }
        match Pin::new(&mut to.wire).poll_flush(cx) {
            Poll::Ready(flushed) => Poll::Ready(flushed.map_err(SendError::Wire)),
            Poll::Pending => self.poll_stalled(to, cx),
        }
    }

    /// The peer does not take what waits. Its silence counts from here, not from its last sign of life.
    fn poll_stalled(&mut self, to: &mut Connection, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        if std::mem::replace(&mut self.waits, Waits::Peer) != Waits::Peer {
            to.idle.touch();
        }
        ready!(to.poll_stalled(cx));
        Poll::Ready(Err(SendError::Stalled))
    }

    fn poll_write(&mut self, to: &mut Connection, cx: &mut Context<'_>) -> Poll<Result<usize, SendError>> {
        let wire = Pin::new(&mut to.wire);
        let polled = if self.frame.is_empty() {
            wire.poll_write(cx, &self.out[self.at..])
        } else {
            wire.poll_write_vectored(cx, &[IoSlice::new(&self.out[self.at..]), IoSlice::new(&self.frame)])
        };
        match polled {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero).into())),
            Poll::Ready(result) => Poll::Ready(result.map_err(SendError::Wire)),
            Poll::Pending => self.poll_stalled(to, cx).map_ok(|()| 0),
        }
    }

    fn advance(&mut self, written: usize) {
        let from_out = written.min(self.out.len() - self.at);
        self.at += from_out;
        if self.at == self.out.len() {
            self.at = 0;
            if std::mem::take(&mut self.secret) {
                self.out.as_mut_slice().zeroize();
            }
            self.out.clear();
        }
        let from_frame = written - from_out;
        if from_frame > 0 {
            self.frame.advance(from_frame);
            if self.frame.is_empty() && matches!(self.coding, Coding::Chunked) {
                self.out.extend_from_slice(b"\r\n");
            }
        }
    }

    /// Takes what the body has ready, as long as it fits behind what waits. True when the body has nothing now.
    fn gather(&mut self, cx: &mut Context<'_>) -> Result<bool, SendError> {
        while self.frame.is_empty() && self.has_room() {
            let Some(body) = &mut self.body else { break };
            match Pin::new(body).poll_frame(cx) {
                Poll::Pending => return Ok(true),
                // Trailers might outgrow the buffer of a head that holds a secret and leave a copy of it behind: the
                // head leaves first. A body that has ended says so again.
                Poll::Ready(None) if self.secret && self.trailers.is_some() => return Ok(false),
                Poll::Ready(None) => self.finish()?,
                Poll::Ready(Some(frame)) => self.take(frame?)?,
            }
        }
        Ok(false)
    }

    /// A head that holds a secret must not be moved by a growing buffer: it would leave a copy behind.
    fn has_room(&self) -> bool {
        let waiting = self.out.len() - self.at;
        waiting == 0 || (waiting < SMALL && self.out.capacity() - self.out.len() > SMALL / 2)
    }

    fn take(&mut self, frame: Frame<Bytes>) -> Result<(), SendError> {
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(other) => {
                self.trailers = other.into_trailers().ok();
                return Ok(());
            }
        };
        if data.is_empty() {
            return Ok(());
        }
        match &mut self.coding {
            Coding::Raw => {}
            Coding::Length(left) => *left = left.checked_sub(data.len() as u64).ok_or(SendError::Length)?,
            Coding::Chunked => write!(self.out, "{:X}\r\n", data.len())?,
        }
        let fits = self.out.is_empty() || data.len() + 2 <= self.out.capacity() - self.out.len();
        if data.len() <= SMALL && fits {
            self.out.extend_from_slice(&data);
            if matches!(self.coding, Coding::Chunked) {
                self.out.extend_from_slice(b"\r\n");
            }
        } else {
            self.frame = data;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), SendError> {
        self.body = None;
        match self.coding {
            Coding::Length(0) | Coding::Raw => Ok(()),
            Coding::Length(_) => Err(SendError::Length),
            Coding::Chunked => {
                self.write_last_chunk();
                Ok(())
            }
        }
    }

    fn write_last_chunk(&mut self) {
        self.out.extend_from_slice(b"0\r\n");
        for (name, value) in self.trailers.iter().flatten() {
            if self.keeps.as_ref().is_some_and(|keeps| !keeps(name.as_str().as_bytes(), value.as_bytes())) {
                continue;
            }
            self.out.extend_from_slice(name.as_str().as_bytes());
            self.out.extend_from_slice(b": ");
            self.out.extend_from_slice(value.as_bytes());
            self.out.extend_from_slice(b"\r\n");
        }
        self.out.extend_from_slice(b"\r\n");
    }
}

impl<B> Drop for Outgoing<B> {
    fn drop(&mut self) {
        if self.secret {
            self.out.as_mut_slice().zeroize();
        }
    }
}

impl<B> fmt::Debug for Outgoing<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("coding", &self.coding).field("waits", &self.waits).finish_non_exhaustive()
    }
}
