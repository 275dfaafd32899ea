//! What goes back to the client on one stream of HTTP/2.

use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use h2::{Reason, server};

use crate::{
    base::{
        body::{Body, BodyError},
        head::{AnswerHead, Framing, Interim},
    },
    exchange::Refusal,
    http1::send::SendError,
    http2::{Pump, heads},
};

/// One stream's way back, shared by what is sent on it and by who watches whether the client still wants it.
#[derive(Debug)]
pub(crate) struct Respond {
    stream: Mutex<server::SendResponse<Bytes>>,
    /// Whether no body may follow the head.
    is_head: bool,
}

impl Respond {
    /// `is_head` tells that no body may follow the head.
    pub(crate) fn new(stream: server::SendResponse<Bytes>, is_head: bool) -> Self {
        Self { stream: Mutex::new(stream), is_head }
    }

    fn lock(&self) -> MutexGuard<'_, server::SendResponse<Bytes>> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` for as long as the client wants its result.
    pub(crate) async fn unless_reset<T>(&self, work: impl Future<Output = T>) -> Result<T, SendError> {
        let mut work = pin!(work);
        poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Ok(done));
            }
            drop(ready!(self.lock().poll_reset(cx)));
            Poll::Ready(Err(io::Error::from(io::ErrorKind::ConnectionAborted).into()))
        })
        .await
    }

    pub(crate) async fn refuse(&self, refusal: &Refusal, timeout: Duration) -> Result<(), SendError> {
        let (head, body) = refusal.answer();
        let length = Framing::Length(body.len() as u64);
        let body = if self.is_head { Body::Empty } else { Body::Full(Bytes::from(body)) };
        self.send(&head, length, body, timeout).await
    }

    pub(crate) async fn send<B>(
        &self,
        head: &AnswerHead,
        framing: Framing,
        body: B,
        timeout: Duration,
    ) -> Result<(), SendError>
    where
        B: http_body::Body<Data = Bytes, Error = BodyError> + Unpin,
    {
        let response = heads::to_response(head, framing).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        let ends = body.is_end_stream();
        let stream = self.lock().send_response(response, ends).map_err(io::Error::other)?;
        if ends {
            return Ok(());
        }
        let mut pump = Pump::new(stream, body, timeout, Reason::INTERNAL_ERROR);
        poll_fn(|cx| pump.poll_send(cx)).await
    }
}

impl Interim for &Respond {
    fn pass<'a>(&'a mut self, head: AnswerHead) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            let Some(response) = heads::to_response(&head, Framing::None) else { return };
            if let Err(error) = self.lock().send_informational(response) {
                tracing::debug!(%error, "an interim answer could not be passed on");
            }
        })
    }
}
