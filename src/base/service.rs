//! Something that answers requests one by one, whoever reads them and writes the answers: a seam between a listener and
//! what it serves, in the vocabulary of the `http` crate.

use std::{fmt, net::SocketAddr, pin::Pin, sync::Arc};

use bytes::Bytes;

use crate::base::body::BodyError;

/// A body on either side. Streams.
pub type Stream = Pin<Box<dyn http_body::Body<Data = Bytes, Error = BodyError> + Send>>;
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
    /// Where from; none from a unix socket.
    pub source: Option<SocketAddr>,
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

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}
