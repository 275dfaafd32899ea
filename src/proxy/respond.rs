//! Answers to bytes, as the client's version of HTTP can take them.

use std::{future::poll_fn, pin::Pin, sync::Arc, task::Poll, time::Duration};

use bytes::Bytes;

use crate::{
    base::{
        body::{Body, BodyError},
        head::{AnswerHead, Framing, Interim, Version},
    },
    exchange::Refusal,
    http1::{
        Refused, Shared,
        send::{Outgoing, SendError},
        write,
    },
};

/// A client's connection, to write one answer to.
#[derive(Clone, Copy, Debug)]
pub struct Responder<'a> {
    /// Where to.
    pub connection: &'a Arc<Shared>,
    /// What the request spoke.
    pub version: Version,
    /// Whether the request was HEAD, whose answers have no body.
    pub is_head: bool,
    /// Whether this is the last answer on the connection.
    pub last: bool,
    /// Longest silence of the client.
    pub timeout: Duration,
}

impl Responder<'_> {
    /// Writes an answer whose body streams. Ends early when the client resets the connection.
    ///
    /// # Errors
    /// The answer did not leave whole; the connection must end without looking complete.
    pub async fn stream<B>(&self, head: &AnswerHead, framing: Framing, body: B) -> Result<(), SendError>
    where
        B: http_body::Body<Data = Bytes, Error = BodyError> + Unpin,
    {
        let framing = self.framing(framing, body.is_end_stream());
        let last = self.last || framing == Framing::UntilClose;
        self.send(Outgoing::new(write::answer(head, framing, last), framing, body)).await
    }

    /// Writes an answer of our own.
    ///
    /// # Errors
    /// As [`Responder::stream`].
    pub async fn whole(&self, mut head: AnswerHead, body: Vec<u8>) -> Result<(), SendError> {
        let length = body.len() as u64;
        if self.is_head {
            head.fields.append("Content-Length", length.to_string().as_bytes());
            return self.stream(&head, Framing::None, Body::Empty).await;
        }
        self.stream(&head, Framing::Length(length), Body::Full(Bytes::from(body))).await
    }

    /// Writes a refusal.
    ///
    /// # Errors
    /// As [`Responder::stream`].
    pub async fn refuse(&self, refusal: &Refusal) -> Result<(), SendError> {
        let (head, body) = refusal.answer();
        self.whole(head, body).await
    }

    /// Writes a refusal of a tunnel, whose status line says why.
    ///
    /// # Errors
    /// As [`Responder::stream`].
    pub async fn refuse_tunnel(&self, refusal: &Refusal) -> Result<(), SendError> {
        let (mut head, body) = refusal.answer();
        head.reason = format!("vultrino: {}", refusal.phrase()).into_bytes().into();
        self.whole(head, body).await
    }

    /// Says that a tunnel is open.
    ///
    /// # Errors
    /// As [`Responder::stream`].
    pub async fn established(&self) -> Result<(), SendError> {
        let head = b"HTTP/1.1 200 Connection established\r\n\r\n".to_vec();
        self.send(Outgoing::new(head, Framing::None, Body::Empty)).await
    }

    /// Says that WebSocket follows.
    ///
    /// # Errors
    /// As [`Responder::stream`].
    pub async fn switched(&self, mut head: AnswerHead) -> Result<(), SendError> {
        head.fields.append("Connection", b"Upgrade");
        head.fields.append("Upgrade", b"websocket");
        self.send(Outgoing::new(write::interim(&head), Framing::None, Body::Empty)).await
    }

    async fn send<B>(&self, mut outgoing: Outgoing<B>) -> Result<(), SendError>
    where
        B: http_body::Body<Data = Bytes, Error = BodyError> + Unpin,
    {
        self.connection.lock().idle.restart(self.timeout);
        poll_fn(|cx| {
            let polled = outgoing.poll_send_shared(self.connection, cx);
            if polled.is_pending() && self.connection.lock().poll_abandoned(cx).is_ready() {
                return Poll::Ready(Err(SendError::Wire(std::io::ErrorKind::ConnectionAborted.into())));
            }
            polled
        })
        .await
    }

    /// What HTTP/1.0 cannot read ends with the connection; what ended with the origin server's connection is chunked
    /// for clients that can keep theirs. A stream that ended with its head has nothing to be chunked.
    fn framing(&self, framing: Framing, ends: bool) -> Framing {
        match (framing, self.version) {
            (Framing::Chunked, _) if ends => Framing::Length(0),
            (Framing::UntilClose, Version::Http11) => Framing::Chunked,
            (Framing::Chunked, Version::Http10) => Framing::UntilClose,
            (framing, _) => framing,
        }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Malformed(why) => Self::Invalid(why),
            Refused::TargetTooLong => Self::UriTooLong,
            Refused::TooLarge => Self::HeadersTooLarge,
        }
    }
}

impl Interim for Responder<'_> {
    fn pass<'a>(&'a mut self, head: AnswerHead) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            if self.version == Version::Http10 {
                return;
            }
            let outgoing: Outgoing<Body> = Outgoing::new(write::interim(&head), Framing::None, Body::Empty);
            if let Err(error) = self.send(outgoing).await {
                tracing::debug!(%error, "an interim answer could not be passed on");
            }
        })
    }
}
