//! The body of an HTTP/2 message on its way out.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http::HeaderMap;

use crate::{
    base::{
        body::{Body, BodyError},
        idle::Idle,
    },
    http1::send::{KeepTrailer, SendError},
    http2::{heads::only, incoming::into_io},
};

/// Most bytes that are asked room for at once, so that one stream leaves some to the others.
const PIECE: usize = 65_536;

/// Sends a body as the peer's window opens. Polled until it is ready; dropped before, it resets the stream, so that nothing
/// looks complete that is not.
pub struct Pump<B = Body> {
    stream: SendStream<Bytes>,
    body: B,
    /// Taken from the body, and not sent yet.
    frame: Bytes,
    trailers: Option<HeaderMap>,
    /// Whether the body has given all.
    ended: bool,
    keeps: Option<KeepTrailer>,
    idle: Idle,
    waits: Waits,
    abort: Reason,
    /// Data that has been sent.
    bytes: u64,
    /// Whether the body has given anything.
    begun: bool,
    sent: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Waits {
    Nothing,
    Body,
    Peer,
}

impl<B: http_body::Body<Data = Bytes, Error = BodyError> + Unpin> Pump<B> {
    /// `timeout` is for a peer that takes nothing; `abort` is what it is told when the body breaks off.
    pub fn new(stream: SendStream<Bytes>, body: B, timeout: Duration, abort: Reason) -> Self {
        Self {
            stream,
            body,
            frame: Bytes::new(),
            trailers: None,
            ended: false,
            keeps: None,
            idle: Idle::new(timeout),
            waits: Waits::Nothing,
            abort,
            bytes: 0,
            begun: false,
            sent: false,
        }
    }

    /// Only these trailers are sent.
    #[must_use]
    pub fn keeping(mut self, keeps: Option<KeepTrailer>) -> Self {
        self.keeps = keeps;
        self
    }

    /// Whether all that there is has been sent and the rest is still to come from where the body comes from.
    pub fn is_starved(&self) -> bool {
        self.waits == Waits::Body
    }

    /// How many bytes of data are on their way.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Sends what can be sent now. Ready when all of it is on its way.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        loop {
            self.gather(cx)?;
            if self.frame.is_empty() {
                if self.ended {
                    return Poll::Ready(self.end());
                }
                self.waits = Waits::Body;
                return self.poll_reset(cx).map(Err);
            }
            ready!(self.poll_room(cx))?;
            self.idle.touch();
            self.waits = Waits::Nothing;
            let room = self.stream.capacity().min(self.frame.len());
            let piece = self.frame.split_to(room);
            self.bytes += room as u64;
            // Known now, the end needs no frame of its own.
            self.gather(cx)?;
            let last = self.frame.is_empty() && self.ended && self.trailers.is_none();
            self.stream.send_data(piece, last).map_err(wire)?;
            if last {
                self.sent = true;
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Takes what the body has ready, if nothing waits.
    fn gather(&mut self, cx: &mut Context<'_>) -> Result<(), SendError> {
        while self.frame.is_empty() && !self.ended {
            let Poll::Ready(polled) = Pin::new(&mut self.body).poll_frame(cx) else { break };
            self.begun = true;
            match polled.transpose()?.map(http_body::Frame::into_data) {
                None => self.ended = true,
                Some(Ok(data)) => self.frame = data,
                Some(Err(other)) => self.trailers = other.into_trailers().ok(),
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), SendError> {
        self.sent = true;
        let trailers = self.trailers.take().map(|it| self.kept(it)).filter(|it| !it.is_empty());
        match trailers {
            Some(trailers) => self.stream.send_trailers(trailers),
            None => self.stream.send_data(Bytes::new(), true),
        }
        .map_err(wire)
    }

    fn kept(&self, trailers: HeaderMap) -> HeaderMap {
        match &self.keeps {
            Some(keeps) => only(&trailers, |name, value| keeps(name.as_str().as_bytes(), value.as_bytes())),
            None => trailers,
        }
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.stream.reserve_capacity(self.frame.len().min(PIECE));
        while self.stream.capacity() == 0 {
            match self.stream.poll_capacity(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(wire(error))),
                Poll::Ready(None) => return Poll::Ready(Err(io::Error::from(io::ErrorKind::ConnectionReset).into())),
                Poll::Pending => return self.poll_stalled(cx),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The peer's silence counts from here, not from its last sign of life.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        if std::mem::replace(&mut self.waits, Waits::Peer) != Waits::Peer {
            self.idle.touch();
        }
        if let Poll::Ready(error) = self.poll_reset(cx) {
            return Poll::Ready(Err(error));
        }
        self.idle.poll_over(cx).map(|()| Err(SendError::Stalled))
    }

    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<SendError> {
        self.stream.poll_reset(cx).map(|it| match it {
            Ok(reason) => io::Error::other(reason.description()).into(),
            Err(error) => wire(error),
        })
    }
}

impl Pump {
    /// The body, if it has given nothing yet. What was begun is reset.
    pub fn unread(mut self) -> Option<Body> {
        (!self.begun).then(|| std::mem::take(&mut self.body))
    }
}

fn wire(error: h2::Error) -> SendError {
    SendError::Wire(into_io(error))
}

impl<B> Drop for Pump<B> {
    fn drop(&mut self) {
        if !self.sent {
            self.stream.send_reset(self.abort);
        }
    }
}

impl<B> fmt::Debug for Pump<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pump").field("waits", &self.waits).field("sent", &self.sent).finish_non_exhaustive()
    }
}
