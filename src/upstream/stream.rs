//! One exchange over HTTP/2: both directions live at once, as on a channel of its own.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, RecvStream, client::ResponseFuture};
use http::{Method, Response};
use http_body::Frame;

use crate::{
    base::{
        body::{Body, BodyError, Source},
        head::{AnswerHead, Framing},
        idle::Idle,
        silence::Silence,
    },
    http1::send::SendError,
    http2::{Incoming, Pump, heads, incoming::into_io},
    upstream::{
        connect::Versions,
        multiplexed::Multiplexed,
        send::{Failure, Request},
    },
};

/// Shared by whoever awaits the answer's head and by the answer's body. Dropped before the end of either direction, it
/// cancels the exchange.
#[derive(Debug)]
pub struct Stream {
    inner: Mutex<Inner>,
    connection: Arc<Multiplexed>,
}

#[derive(Debug)]
struct Inner {
    /// The request's body, until all of it has left.
    upload: Option<Pump>,
    /// Whether the origin server takes no more of it. An answer may come all the same.
    stuck: bool,
    /// What can be sent once more.
    spare: Option<Body>,
    answer: Answering,
    /// Ends when the origin server is silent for too long.
    idle: Idle,
    silence: Silence,
    /// Most bytes of the fields of its head.
    longest_head: usize,
    /// Large frames of its answer that came, up to [`LONG`].
    large_frames: u8,
}

/// From how many bytes on a frame is large.
const LARGE: usize = 4 << 10;
/// Large frames that make an answer long.
const LONG: u8 = 8;

#[derive(Debug)]
enum Answering {
    Awaited(ResponseFuture),
    Coming(Incoming),
    Over,
}

impl Stream {
    /// Begins an exchange and takes the body of the request. `None` where HTTP/2 cannot tell this request, or no longer on
    /// this connection: nothing has been sent then.
    pub fn begin(connection: Arc<Multiplexed>, request: &mut Request<'_>) -> Option<Arc<Self>> {
        let Request {
            target, method, fields, framing, body, silence, keep_trailer, takes_trailers, longest_head, ..
        } = request;
        let head = heads::to_request(method, target, fields, *framing, *takes_trailers)?;
        connection.enter();
        let begun = connection.sender().and_then(|mut it| it.send_request(head, body.is_empty()).ok());
        let Some((answer, stream)) = begun else {
            connection.leave();
            return None;
        };
        let body = std::mem::take(body);
        let spare = match &body {
            Body::Empty => Some(Body::Empty),
            Body::Full(bytes) => Some(Body::Full(bytes.clone())),
            Body::Stream(..) | Body::Switched(_) => None,
        };
        let pump = |body| Pump::new(stream, body, silence.usual, Reason::CANCEL).keeping(keep_trailer.clone());
        let inner = Inner {
            upload: (!body.is_empty()).then(|| pump(body)),
            stuck: false,
            spare,
            answer: Answering::Awaited(answer),
            idle: Idle::new(silence.usual),
            silence: *silence,
            longest_head: *longest_head,
            large_frames: 0,
        };
        Some(Arc::new(Self { inner: Mutex::new(inner), connection }))
    }

    /// Sends, and waits for the head of an answer, interim or final.
    pub fn poll_answer(&self, cx: &mut Context<'_>, method: &Method) -> Poll<Result<(AnswerHead, Framing), Failure>> {
        let polled = self.lock().poll_answer(cx, method);
        // A connection that is silent may be dead, one that refuses will do so again.
        if let Poll::Ready(Err(Failure::Timeout | Failure::Unprocessed(Versions::Both))) = polled {
            self.connection.retire();
        }
        polled
    }

    /// What follows the final head.
    pub fn into_body(self: Arc<Self>) -> Body {
        let over = matches!(self.lock().answer, Answering::Over);
        if over { Body::Empty } else { Body::Stream(self, None) }
    }

    /// The body of the request, if none of it is lost, and ends this exchange.
    pub fn give_back(&self) -> Option<Body> {
        let mut inner = self.lock();
        inner.answer = Answering::Over;
        let upload = inner.upload.take();
        inner.spare.take().or_else(|| upload?.unread())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Stream {
    fn poll_frame(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut inner = self.lock();
        let polled = inner.poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && frame.data_ref().is_some_and(|it| it.len() >= LARGE)
            && inner.large_frames < LONG
        {
            inner.large_frames += 1;
            if inner.large_frames == LONG {
                self.connection.widen();
            }
        }
        if let Poll::Ready(Some(Err(error))) = &polled {
            inner.upload = None;
            inner.answer = Answering::Over;
            if matches!(error, BodyError::Stalled) {
                self.connection.retire();
            }
        }
        polled
    }

    fn end(self: Arc<Self>) {}
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.connection.leave();
    }
}

impl Inner {
    fn poll_answer(&mut self, cx: &mut Context<'_>, method: &Method) -> Poll<Result<(AnswerHead, Framing), Failure>> {
        self.progress(cx).map_err(Failure::Request)?;
        let Answering::Awaited(answer) = &mut self.answer else { return Poll::Ready(Err(Failure::Gone(None))) };
        let polled = match answer.poll_informational(cx) {
            Poll::Ready(Some(interim)) => return Poll::Ready(self.accept_interim(interim, method)),
            Poll::Ready(None) | Poll::Pending => Pin::new(answer).poll(cx),
        };
        match polled {
            Poll::Ready(answer) => Poll::Ready(self.accept(answer, method)),
            // While the client is to send more it is the client's silence that counts.
            Poll::Pending if self.is_starved() => Poll::Pending,
            Poll::Pending => {
                ready!(self.idle.poll_over(cx));
                Poll::Ready(Err(Failure::Timeout))
            }
        }
    }

    fn accept_interim(
        &mut self,
        interim: Result<Response<()>, h2::Error>,
        method: &Method,
    ) -> Result<(AnswerHead, Framing), Failure> {
        self.idle.touch();
        let (parts, ()) = interim.map_err(failure)?.into_parts();
        Ok(heads::answer(&parts, method, self.longest_head)?)
    }

    fn accept(
        &mut self,
        answer: Result<Response<RecvStream>, h2::Error>,
        method: &Method,
    ) -> Result<(AnswerHead, Framing), Failure> {
        let (parts, body) = answer.map_err(failure)?.into_parts();
        let ends = body.is_end_stream();
        let (head, framing) = heads::answer(&parts, method, self.longest_head)?;
        let over = ends || framing == Framing::None;
        self.answer =
            if over { Answering::Over } else { Answering::Coming(Incoming::new(body, self.silence.of(framing))) };
        Ok((head, framing))
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.progress(cx).map_err(|error| BodyError::Upload(Box::new(error)))?;
        match &self.answer {
            Answering::Coming(incoming) => incoming.poll_frame(cx),
            Answering::Awaited(_) | Answering::Over => Poll::Ready(Some(Err(BodyError::Gone(None)))),
        }
    }

    /// Sends what can be sent. Only a failure to read the request is an error: an origin server that stops reading
    /// may still have answered.
    fn progress(&mut self, cx: &mut Context<'_>) -> Result<(), BodyError> {
        let Some(upload) = self.upload.as_mut().filter(|_| !self.stuck) else { return Ok(()) };
        let before = upload.bytes();
        let polled = upload.poll_send(cx);
        if upload.bytes() != before {
            self.idle.touch();
            if let Answering::Coming(incoming) = &self.answer {
                incoming.touch();
            }
        }
        match polled {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => {
                self.idle.touch();
                self.upload = None;
            }
            Poll::Ready(Err(SendError::Body(error))) => {
                self.upload = None;
                return Err(error);
            }
            Poll::Ready(Err(SendError::Wire(_) | SendError::Stalled | SendError::Length)) => self.stuck = true,
        }
        Ok(())
    }

    fn is_starved(&self) -> bool {
        !self.stuck && self.upload.as_ref().is_some_and(Pump::is_starved)
    }
}

/// What the origin server has not begun to process may be sent once more (RFC 9113 section 8.7), and what it wants over
/// HTTP/1.1 that way (section 7).
fn failure(error: h2::Error) -> Failure {
    let versions = match error.reason() {
        Some(Reason::HTTP_1_1_REQUIRED) => Some(Versions::Http1),
        Some(Reason::REFUSED_STREAM) => Some(Versions::Both),
        _ => error.is_go_away().then_some(Versions::Both),
    };
    if let Some(versions) = versions.filter(|_| error.is_remote()) {
        return Failure::Unprocessed(versions);
    }
    if error.is_io() {
        return Failure::Gone(Some(into_io(error)));
    }
    Failure::Unexpected(if error.is_remote() { "it breaks off" } else { "it breaks the rules of HTTP/2" })
}
