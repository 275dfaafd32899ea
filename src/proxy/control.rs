//! A request for one of our own paths: turned into what the service behind them takes, and its answer turned back. The
//! bytes are read and written as those of any other request.

use std::{
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Uri, header};
use http_body::{Body as _, Frame, SizeHint};

use crate::{
    base::{
        body::{Body, BodyError},
        fields::Known,
        head::{AnswerHead, Framing, Version},
        service::{Arrival, Request, Response, Stream},
    },
    exchange::Refusal,
    http1::{Shared, send::Outgoing, write},
    proxy::{
        dispatch::{Done, Received},
        respond::Responder,
        session::Session,
    },
};

impl Session {
    /// Lets the service behind our own paths answer.
    ///
    /// # Errors
    /// The refusal of what it cannot be asked.
    pub(crate) async fn control(&self, received: Received, responder: Responder<'_>) -> Result<Done, Refusal> {
        let request = self.request(received)?;
        let Some(response) = self.unless_gone(pin!(self.worker.control.call(request))).await else {
            return Ok(Done::Wrote(Err(io::Error::from(io::ErrorKind::ConnectionAborted).into())));
        };
        // A body that nobody reads does not end: the client is told that the connection does.
        let unread = !self.connection.lock().is_between_messages();
        let responder = Responder { last: responder.last || unread, ..responder };
        let (head, framing, body) = answer(response, responder.is_head);
        Ok(Done::Wrote(responder.stream(&head, framing, body).await))
    }

    fn request(&self, received: Received) -> Result<Request, Refusal> {
        let Received { head, framing, body } = received;
        let uri: Uri = head.target.parse().or(Err(Refusal::Invalid("the path is no URL's")))?;
        let mut asks = head.fields.all(Known::Expect).peekable();
        let expected = asks.peek().is_some() && head.version == Version::Http11;
        if asks.any(|it| !it.eq_ignore_ascii_case(b"100-continue")) {
            return Err(Refusal::Expectation);
        }
        let interim = (expected && matches!(body, Body::Stream(..))).then(continued);
        let declared = match framing {
            Framing::Length(length) => Some(length),
            Framing::None => Some(0),
            _ => None,
        };
        let body = Upload { interim, connection: Arc::clone(&self.connection), body, declared };
        let mut request = Request::new(Box::pin(body) as Stream);
        for field in head.fields.iter() {
            let (Ok(name), Ok(value)) = (HeaderName::from_bytes(field.name), HeaderValue::from_bytes(field.value))
            else {
                return Err(Refusal::Invalid("a header field follows no grammar"));
            };
            request.headers_mut().append(name, value);
        }
        request.extensions_mut().insert(Arrival { source: Some(self.peer), keyless: self.is_keyless() });
        (*request.method_mut(), *request.uri_mut()) = (head.method, uri);
        Ok(request)
    }
}

/// The body of a request. The client is asked for it when somebody first wants to read it (RFC 9110 section 10.1.1).
struct Upload {
    interim: Option<Outgoing>,
    connection: Arc<Shared>,
    body: Body,
    /// Bytes that are still to come, if the head says.
    declared: Option<u64>,
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Some(interim) = &mut this.interim {
            let sent = ready!(interim.poll_send_shared(&this.connection, cx));
            this.interim = None;
            if sent.is_err() {
                this.body = Body::Empty;
                return Poll::Ready(Some(Err(BodyError::Gone(None))));
            }
        }
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let came = frame.data_ref().map_or(0, Bytes::len);
            this.declared = this.declared.map(|it| it.saturating_sub(came as u64));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.declared.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

fn continued() -> Outgoing {
    Outgoing::new(write::interim(&AnswerHead::new(100)), Framing::None, Body::Empty)
}

/// What tells the length is written anew, but for HEAD, where it is about another answer.
fn answer(response: Response, is_head: bool) -> (AnswerHead, Framing, Stream) {
    let (parts, body) = response.into_parts();
    let mut head = AnswerHead::new(parts.status.as_u16());
    for (name, value) in &parts.headers {
        if *name != header::CONTENT_LENGTH || is_head {
            head.fields.append(name.as_str(), value.as_bytes());
        }
    }
    let framing = match body.size_hint().exact() {
        _ if is_head || parts.status == http::StatusCode::NO_CONTENT => Framing::None,
        Some(length) => Framing::Length(length),
        None => Framing::Chunked,
    };
    (head, framing, body)
}
