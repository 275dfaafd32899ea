//! One connection to an origin server, and one exchange on it: both directions live at once, and no task drives them
//! but the caller's.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::Bytes;
use http::Method;
use http_body::Frame;

use crate::{
    base::{
        body::{Body, BodyError, Source},
        head::{AnswerHead, Framing, Version},
        silence::{self, Silence},
        splice::{Line as _, Side},
    },
    http1::{
        Connection,
        connection::HeadError,
        framing, head,
        send::{Outgoing, SendError},
    },
    upstream::{connect::Dialled, hop::Hop, pool::Pool, reuse, send::Failure, tenant::PoolKey},
};

/// Shared by whoever awaits the answer's head and by the answer's body; in between by the pool.
#[derive(Debug)]
pub struct Channel {
    inner: Mutex<Inner>,
    key: PoolKey,
    hop: Option<Arc<Hop>>,
    pool: Weak<Pool>,
}

#[derive(Debug)]
struct Inner {
    connection: Connection,
    /// The request, until all of it has left.
    upload: Option<Outgoing>,
    /// Whether it goes back to the pool once the answer is whole.
    reusable: bool,
    /// Longest silence of an answer that streams.
    streaming: Duration,
}

impl Channel {
    /// A fresh connection.
    pub fn new(dialled: Dialled, key: PoolKey, pool: &Arc<Pool>, timeout: Duration) -> Arc<Self> {
        let Dialled { wire, hop } = dialled;
        let inner =
            Inner { connection: Connection::new(wire, timeout), upload: None, reusable: true, streaming: timeout };
        Arc::new(Self { inner: Mutex::new(inner), key, hop, pool: Arc::downgrade(pool) })
    }

    /// The parent proxy, if it reads the requests.
    pub fn hop(&self) -> Option<&Hop> {
        self.hop.as_deref()
    }

    /// Where it leads, and whose requests go over it.
    pub fn key(&self) -> &PoolKey {
        &self.key
    }

    /// Whether the origin server has neither closed it nor sent what nobody asked for: not even what would be an
    /// answer to a request that has not been sent.
    pub fn is_alive(&self) -> bool {
        let connection = &mut self.lock().connection;
        let mut cx = Context::from_waker(Waker::noop());
        connection.poll_gone(&mut cx).is_pending() && !connection.has_input() && connection.is_quiet()
    }

    /// Begins an exchange; the last one on this connection, unless `reusable`. The head of its answer has at most
    /// `longest_head` bytes of fields.
    pub fn begin(&self, request: Outgoing, reusable: bool, silence: Silence, longest_head: usize) {
        let mut inner = self.lock();
        inner.reusable = reusable;
        inner.connection.idle.restart(silence.usual);
        inner.streaming = silence.streaming;
        inner.connection.expect_answer(longest_head);
        inner.connection.wire.reset_on_drop(true);
        inner.connection.wire.claim_unread();
        inner.upload = Some(request);
    }

    /// Gives back what is held for answers, while it waits in the pool.
    pub fn rest(&self) {
        self.lock().connection.wire.release_unread();
    }

    /// Bytes of memory for what has come and is not read as a message yet.
    pub fn held(&self) -> usize {
        self.lock().connection.held()
    }

    /// Sends, and waits for the head of an answer, interim or final.
    pub fn poll_answer(&self, cx: &mut Context<'_>, method: &Method) -> Poll<Result<(AnswerHead, Framing), Failure>> {
        let mut inner = self.lock();
        let polled = inner.poll_answer(cx, method);
        if let Poll::Ready(Err(_)) = polled {
            // Whatever was begun must not look complete.
            inner.connection.wire.abort();
        }
        polled
    }

    /// What follows the final head. A body that is already here gives the connection back at once.
    pub fn into_body(self: Arc<Self>) -> Body {
        let mut inner = self.lock();
        let whole = match inner.connection.is_between_messages() {
            true => Some(Body::Empty),
            false if inner.upload.is_none() => inner.connection.take_whole_body().map(Body::Full),
            false => None,
        };
        drop(inner);
        match whole {
            Some(body) => {
                self.end();
                body
            }
            None => Body::Stream(self, None),
        }
    }

    /// The connection itself, for another protocol, if all of the request has left and nobody else holds it.
    pub fn into_side(self: Arc<Self>) -> Option<Side> {
        let mut inner = Arc::into_inner(self)?.inner.into_inner().unwrap_or_else(PoisonError::into_inner);
        inner.connection.wire.reset_on_drop(false);
        inner.upload.is_none().then(|| inner.connection.into_side())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Channel {
    fn poll_frame(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut inner = self.lock();
        if let Err(error) = inner.progress(cx) {
            inner.connection.wire.abort();
            return Poll::Ready(Some(Err(BodyError::Upload(Box::new(error)))));
        }
        inner.connection.poll_body(cx)
    }

    /// An answer that ends before its request has left leaves the connection in the middle: it is closed.
    fn end(self: Arc<Self>) {
        let mut inner = self.lock();
        let clean = inner.connection.is_between_messages() && !inner.connection.has_input();
        inner.connection.wire.reset_on_drop(!clean);
        let reusable = inner.reusable && inner.upload.is_none() && clean;
        drop(inner);
        if reusable && let Some(pool) = self.pool.upgrade() {
            pool.put(self);
        }
    }
}

impl Inner {
    fn poll_answer(&mut self, cx: &mut Context<'_>, method: &Method) -> Poll<Result<(AnswerHead, Framing), Failure>> {
        self.progress(cx).map_err(Failure::Request)?;
        match self.connection.poll_head(cx) {
            Poll::Ready(Ok(Some(bytes))) => Poll::Ready(self.accept(bytes, method)),
            Poll::Ready(Ok(None)) => Poll::Ready(Err(Failure::Gone(None))),
            Poll::Ready(Err(HeadError::Gone(_))) if self.connection.has_input() => {
                Poll::Ready(Err(Failure::Unexpected("it ends in the middle of a head")))
            }
            Poll::Ready(Err(HeadError::Gone(error))) => Poll::Ready(Err(Failure::Gone(error))),
            Poll::Ready(Err(HeadError::Refused(refused))) => Poll::Ready(Err(refused.into())),
            // While the client is still to send more it is the client's silence that counts.
            Poll::Pending if self.upload.as_ref().is_some_and(Outgoing::is_starved) => Poll::Pending,
            Poll::Pending => {
                match self.upload {
                    Some(_) => ready!(self.connection.poll_stalled(cx)),
                    // A head that comes in drops is none.
                    None => ready!(self.connection.idle.poll_over(cx)),
                }
                Poll::Ready(Err(Failure::Timeout))
            }
        }
    }

    fn accept(&mut self, bytes: Vec<u8>, method: &Method) -> Result<(AnswerHead, Framing), Failure> {
        let head = head::answer(bytes)?;
        let framing = framing::of_answer(&head, method)?;
        self.connection.idle.touch();
        if head.status >= 200 {
            self.connection.begin_body(framing);
            if silence::streams(framing) {
                self.connection.idle.restart(self.streaming);
            }
            let persists = is_persistent(&head) && framing != Framing::UntilClose;
            self.reusable = self.reusable && persists && !reuse::authenticates_connection(&head);
        }
        Ok((head, framing))
    }

    /// Sends what can be sent. Only a failure to read the request is an error: an origin server that stops reading
    /// may still have answered.
    fn progress(&mut self, cx: &mut Context<'_>) -> Result<(), BodyError> {
        let Some(upload) = &mut self.upload else { return Ok(()) };
        match upload.poll_send(&mut self.connection, cx) {
            Poll::Pending => Ok(()),
            Poll::Ready(Ok(())) => {
                self.upload = None;
                self.connection.idle.touch();
                Ok(())
            }
            Poll::Ready(Err(SendError::Body(error))) => Err(error),
            Poll::Ready(Err(SendError::Length)) => Err(BodyError::Gone(None)),
            Poll::Ready(Err(SendError::Wire(_) | SendError::Stalled)) => {
                self.upload = None;
                self.reusable = false;
                Ok(())
            }
        }
    }
}

fn is_persistent(head: &AnswerHead) -> bool {
    head.version == Version::Http11 && !head.fields.closes()
}
