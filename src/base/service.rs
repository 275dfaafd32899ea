//! Something that answers requests one by one, whoever reads them and writes the answers: a seam between a listener and
//! what it serves, in the vocabulary of the `http` crate.

use std::{
    error::Error,
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::base::{body::BodyError, peer::Peer};

/// A body on either side. Streams.
pub type Stream = Pin<Box<dyn Body<Data = Bytes, Error = BodyError> + Send>>;
/// What is asked; a [`Arrival`] is among its extensions.
pub type Request = http::Request<Stream>;
/// What is answered.
pub type Response = http::Response<Stream>;

type Answering = Pin<Box<dyn Future<Output = Response> + Send>>;

/// Answers every request, also those that it refuses. Cheap to clone.
#[derive(Clone)]
pub struct Service(Arc<dyn Fn(Request) -> Answering + Send + Sync>);

/// Whom a request came from, and how.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Where from; none from standard input.
    pub source: Option<Peer>,
    /// Whether the listener that it came by lets callers in without a key.
    pub keyless: bool,
}

impl Service {
    /// Answers with what this function says.
    pub fn new<F: Future<Output = Response> + Send + 'static>(
        answer: impl Fn(Request) -> F + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(move |request| Box::pin(answer(request))))
    }

    /// The answer to this request. Dropped before it is there, the request is given up.
    pub fn call(&self, request: Request) -> impl Future<Output = Response> + Send + use<> {
        (self.0)(request)
    }
}

/// Some other body as a [`Stream`]. `kept` is dropped with it.
pub fn stream<B, K>(body: B, kept: K) -> Stream
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    K: Send + 'static,
{
    Box::pin(Kept { body, _kept: kept })
}

pin_project! {
    struct Kept<B, K> {
        #[pin]
        body: B,
        _kept: K,
    }
}

impl<B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>, K> Body for Kept<B, K> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = self.project().body.poll_frame(cx);
        polled.map_err(|error| BodyError::Gone(Some(io::Error::other(error))))
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}
