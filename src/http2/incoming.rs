//! The body of an HTTP/2 message as it comes.

use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use h2::RecvStream;
use http::{HeaderMap, HeaderValue};
use http_body::Frame;

use crate::{
    base::{
        body::{BodyError, Source},
        idle::Idle,
    },
    http1::chunked::may_trail,
    http2::heads::only,
};

/// What one stream receives behind its head. The sender's window opens again as frames are taken, so what nobody takes
/// waits at the sender.
#[derive(Debug)]
pub struct Incoming(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    stream: RecvStream,
    /// Ends when the peer sends nothing for too long.
    idle: Idle,
    /// Whether the last look found nothing new.
    waiting: bool,
    /// Whether only trailers can follow.
    trailing: bool,
    /// Bytes that are still to come, if the head says so and that is to be checked.
    declared: Option<u64>,
    /// The end of a body as its head declares it, until the stream ends there.
    last: Bytes,
    /// Bytes that nobody wanted any more.
    forgotten: usize,
}

impl Incoming {
    /// `timeout` is for silence of the peer while somebody waits for it.
    pub fn new(stream: RecvStream, timeout: Duration) -> Self {
        let (idle, last) = (Idle::new(timeout), Bytes::new());
        Self(Mutex::new(Inner { stream, idle, waiting: false, trailing: false, declared: None, last, forgotten: 0 }))
    }

    /// The body is to have this many bytes, at least one. The last of them are given once the stream has ended: until then
    /// more may come, and whoever passes the body on over HTTP/1 could not take it back.
    #[must_use]
    pub fn declaring(self, length: u64) -> Self {
        self.lock().declared = Some(length);
        self
    }

    /// Reads and forgets. Ready when nothing more will come, or more than `most` bytes have been forgotten.
    pub fn poll_rest(&self, most: usize, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.lock();
        while inner.forgotten <= most
            && let Some(Ok(frame)) = ready!(inner.poll_frame(cx))
        {
            inner.forgotten += frame.data_ref().map_or(0, Bytes::len);
        }
        Poll::Ready(())
    }

    /// Something moved the other way: the peer is no longer silent.
    pub fn touch(&self) {
        self.lock().idle.touch();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Incoming {
    fn poll_frame(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut inner = self.lock();
        let polled = inner.poll_frame(cx);
        if polled.is_ready() {
            inner.waiting = false;
            return polled;
        }
        if !std::mem::replace(&mut inner.waiting, true) {
            inner.idle.touch();
        }
        ready!(inner.idle.poll_over(cx));
        Poll::Ready(Some(Err(BodyError::Stalled)))
    }

    fn end(self: std::sync::Arc<Self>) {}
}

impl Inner {
    /// Whether the body is as long as its head says with this data, while its stream goes on.
    fn completes(&mut self, data: &Bytes) -> bool {
        let Some(left) = &mut self.declared else { return false };
        *left = left.saturating_sub(data.len() as u64);
        *left == 0 && !self.stream.is_end_stream()
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        while !self.trailing {
            match ready!(self.stream.poll_data(cx)) {
                // Empty frames are nothing to pass on.
                Some(Ok(data)) if data.is_empty() => {}
                Some(Ok(data)) => {
                    if let Err(error) = self.stream.flow_control().release_capacity(data.len()) {
                        return Poll::Ready(Some(Err(gone(error))));
                    }
                    if !self.completes(&data) {
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    }
                    self.last = data;
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(gone(error)))),
                None => self.trailing = true,
            }
        }
        if !self.last.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.last)))));
        }
        Poll::Ready(match ready!(self.stream.poll_trailers(cx)) {
            Ok(trailers) => trailers.as_ref().map(passed).filter(|it| !it.is_empty()).map(|it| Ok(Frame::trailers(it))),
            Err(error) => Some(Err(gone(error))),
        })
    }
}

/// Those that cannot change what was already decided about the message (RFC 9110 section 6.5.1), without blanks at their ends.
fn passed(trailers: &HeaderMap) -> HeaderMap {
    let mut passed = only(trailers, |name, _| may_trail(name.as_str()));
    for value in passed.values_mut() {
        let trimmed = value.as_bytes().trim_ascii();
        if trimmed.len() < value.len()
            && let Ok(trimmed) = HeaderValue::from_bytes(trimmed)
        {
            *value = trimmed;
        }
    }
    passed
}

/// What a failure of a stream or its connection is for whoever reads a body.
pub fn gone(error: h2::Error) -> BodyError {
    BodyError::Gone(Some(into_io(error)))
}

/// The same as an error of input and output. It repeats nothing that the peer says beside its reason: debug data may hold
/// what the peer was sent.
pub fn into_io(error: h2::Error) -> io::Error {
    match error.reason() {
        Some(reason) => io::Error::other(reason.description()),
        None if error.is_io() => error.into_io().unwrap_or_else(|| io::ErrorKind::ConnectionAborted.into()),
        None => io::Error::other(error),
    }
}
