//! The body of a request: bounded, JSON and nothing else, read before anything is made of it.

use std::time::Duration;

use axum::extract::Request;
use http::{HeaderMap, header, request::Parts};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{
    api::{Api, failure::Failure, json},
    base::capacity::{Client, Network},
    exchange::{
        Visitor,
        budget::{Held, SMALL},
        whole::{self, DEADLINE},
    },
};

/// A whole body. It may hold a secret, so it is wiped.
#[derive(Debug)]
pub(crate) struct Text {
    bytes: Zeroizing<Vec<u8>>,
    held: Held,
}

impl Text {
    /// Reads to the end.
    ///
    /// # Errors
    /// Another type than JSON, a body that is too long, or one that does not come whole, or not in time; no room for it.
    pub(crate) async fn read(api: &Api, request: Request, most: usize) -> Result<Self, Failure> {
        let visitor = request.extensions().get::<Visitor>();
        let client = visitor.map_or_else(|| Client::Network(Network::default()), Visitor::client);
        let held = api.budget().of(client, &http_body::Body::size_hint(request.body()));
        Self::within(DEADLINE, held, request, most).await
    }

    async fn within(deadline: Duration, mut held: Held, request: Request, most: usize) -> Result<Self, Failure> {
        let (Parts { headers, .. }, body) = request.into_parts();
        check_type(&headers)?;
        let bytes = whole::read(body, most, &mut held, deadline).await?;
        Ok(Self { bytes, held })
    }

    /// Whether it is read in no time.
    pub(crate) fn is_small(&self) -> bool {
        self.bytes.len() <= SMALL
    }

    /// What it takes of the memory, to be kept for what is made of it.
    pub(crate) fn into_held(self) -> Held {
        self.held
    }

    /// What it says.
    ///
    /// # Errors
    /// It is no JSON, means two things, or is not what is asked for. The text quotes nothing of it.
    pub(crate) fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Failure> {
        json::read(&self.bytes)
    }
}

/// A page in a browser cannot send this type to another origin without asking first (CORS).
fn check_type(headers: &HeaderMap) -> Result<(), Failure> {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter().map(|it| it.to_str().unwrap_or_default());
    let essence = |it: &str| it.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json");
    if !(types.next().is_some_and(essence) && types.next().is_none()) {
        return Err(Failure::invalid("the body must be sent with Content-Type: application/json"));
    }
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Failure::invalid("the body must be sent without Content-Encoding"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        pin::Pin,
        task::{Context, Poll},
        time::Duration,
    };

    use axum::{body::Body, extract::Request};
    use bytes::Bytes;
    use http_body::{Frame, SizeHint};

    use crate::{
        api::{body::Text, failure::Failure},
        base::capacity::{Client, Network},
        exchange::budget::{Budget, SMALL},
    };

    /// Always a byte more.
    struct Trickle(Pin<Box<tokio::time::Sleep>>);

    impl http_body::Body for Trickle {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            std::task::ready!(self.0.as_mut().poll(cx));
            self.0 = Box::pin(tokio::time::sleep(Duration::from_millis(1)));
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b" ")))))
        }
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_given_up_however_much_of_it_comes() {
        let client = Client::Network(Network::default());
        let (budget, trickle) = (Budget::default(), Trickle(Box::pin(tokio::time::sleep(Duration::ZERO))));
        let request = Request::builder().header("Content-Type", "application/json").body(Body::new(trickle)).unwrap();
        let read =
            Text::within(Duration::from_millis(50), budget.of(client, &SizeHint::with_exact(1)), request, SMALL).await;
        assert!(matches!(read, Err(Failure::Invalid(_))), "{read:?}");
    }
}
