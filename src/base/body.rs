//! The one streaming body. On HTTP/1 it is the connection itself; no channel, no task, no box a request.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::Frame;
use thiserror::Error;

use crate::base::splice::Side;

/// What follows a head: frames of data, then perhaps trailers.
#[derive(Debug, Default)]
pub enum Body {
    /// Nothing.
    #[default]
    Empty,
    /// All of it, already here.
    Full(Bytes),
    /// Read from a connection as it is polled.
    Stream(Arc<dyn Source>, Option<Arc<Meter>>),
    /// None: behind this head the connection speaks another protocol (RFC 9110 section 7.8).
    Switched(Box<Side>),
}

/// Why a body ended before its end.
#[derive(Debug, Error)]
pub enum BodyError {
    /// The peer that sends it went away.
    #[error("the peer closed the connection in the middle of a body")]
    Gone(#[source] Option<io::Error>),
    /// Its framing follows no grammar.
    #[error("the framing of the body is invalid: {0}")]
    Malformed(&'static str),
    /// Nothing came for as long as a peer may be silent.
    #[error("the body stalled")]
    Stalled,
    /// More bytes than the meter allows.
    #[error("the body exceeds the limit")]
    TooLarge,
    /// Whoever asked for it may no longer have it.
    #[error("the right to this body was taken away")]
    Revoked,
    /// What should be sent upstream, while this answer was already coming, could not be read.
    #[error("the request ended before its end")]
    Upload(#[source] Box<Self>),
}

/// A connection that gives a body, shared by the body and by those who also write to that connection.
/// Its lock is held for one poll and never contended: all of them are polled by one task.
pub trait Source: Send + Sync + std::fmt::Debug {
    /// The next frame; `None` when the message is complete.
    fn poll_frame(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>>;

    /// Called once, after the last frame, by the body that held it.
    fn end(self: Arc<Self>);
}

/// Counts the bytes of a request body as they stream, and stops it at a limit.
#[derive(Debug)]
pub struct Meter {
    seen: AtomicU64,
    limit: u64,
}

impl Meter {
    /// A meter that lets `limit` bytes through.
    pub fn new(limit: u64) -> Self {
        Self { seen: AtomicU64::new(0), limit }
    }

    /// Bytes so far.
    pub fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }

    fn add(&self, bytes: usize) -> Result<(), BodyError> {
        let seen = self.seen.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        if seen > self.limit { Err(BodyError::TooLarge) } else { Ok(()) }
    }
}

impl Body {
    /// Counts what is here, and what comes from here on.
    #[must_use]
    pub fn metered(self, meter: &Arc<Meter>) -> Self {
        match self {
            Self::Stream(source, _) => Self::Stream(source, Some(Arc::clone(meter))),
            Self::Full(bytes) => {
                meter.seen.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                Self::Full(bytes)
            }
            Self::Empty | Self::Switched(_) => self,
        }
    }

    /// Whether no frame is left.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let (source, meter) = match &*self {
            Self::Empty | Self::Switched(_) => return Poll::Ready(None),
            Self::Full(_) => {
                let Self::Full(bytes) = std::mem::take(&mut *self) else { return Poll::Ready(None) };
                return Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))));
            }
            Self::Stream(source, meter) => (source, meter),
        };
        let polled = std::task::ready!(source.poll_frame(cx));
        match &polled {
            Some(Ok(frame)) => {
                if let (Some(meter), Some(data)) = (meter, frame.data_ref())
                    && let Err(error) = meter.add(data.len())
                {
                    *self = Self::Empty;
                    return Poll::Ready(Some(Err(error)));
                }
            }
            Some(Err(_)) => *self = Self::Empty,
            None => {
                if let Self::Stream(source, _) = std::mem::take(&mut *self) {
                    source.end();
                }
            }
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.is_empty()
    }
}
