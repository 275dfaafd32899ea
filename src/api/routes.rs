//! All paths in one list, and what holds for all of them.

use std::{
    future::poll_fn,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use http_body::{Body as _, Frame, SizeHint};
use tower_service::Service as _;
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    api::{
        Api, asking::Asking, audit, body::SMALL, budget::Held, credentials, execute, failure::Failure, health, keys,
        metrics, openapi, pace::Pace, policies, roles, types, visitor::Visitor,
    },
    base::{body::BodyError, service},
    exchange::Refusal,
};

/// Every path, with its description.
pub(crate) fn all() -> (Router<Api>, OpenApi) {
    OpenApiRouter::with_openapi(openapi::beginning())
        .routes(routes!(health::show))
        .routes(routes!(metrics::show))
        .routes(routes!(openapi::show))
        .routes(routes!(execute::run))
        .routes(routes!(types::list))
        .routes(routes!(types::list_of_credentials))
        .routes(routes!(credentials::list, credentials::add))
        .routes(routes!(credentials::get, credentials::change, credentials::delete))
        .routes(routes!(roles::list, roles::create))
        .routes(routes!(roles::get, roles::change, roles::delete))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .routes(routes!(policies::list))
        .routes(routes!(policies::test))
        .routes(routes!(audit::query))
        .split_for_parts()
}

/// The service that answers under all of them.
pub(crate) fn service(api: Api) -> service::Service {
    let router = all()
        .0
        .method_not_allowed_fallback(wrong_method)
        .fallback(async || Failure::from(Refusal::NoSuchPath))
        .layer(from_fn_with_state(api.clone(), admit))
        .with_state(api);
    service::Service::new(move |request| {
        let mut router = router.clone();
        async move {
            let Ok(mut response) = router.call(request.map(Body::new)).await;
            let held = response.extensions_mut().remove();
            response.map(|body| Box::pin(Answer { body, _held: held }) as service::Stream)
        }
    })
}

/// Whoever is not known passes to `/health` only; what passes back must not be kept, nor taken for anything else.
async fn admit(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let mut asking = Asking::of(&request);
    let welcome = Visitor::welcome(&api, &mut request, &mut asking);
    let (response, pace) = match welcome {
        Ok(pace) => (hold(&api, unharmed(next.run(request)).await), pace),
        Err(refusal) => (Failure::from(refusal).into_response(), Pace::Free),
    };
    let mut response = asking.note(&api, response);
    let headers = response.headers_mut();
    pace.tell(&api, headers);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A panic in one handler ends its own request, and no other on the connection.
async fn unharmed(answering: impl Future<Output = Response>) -> Response {
    let mut answering = pin!(answering);
    poll_fn(|cx| {
        let work = AssertUnwindSafe(|| answering.as_mut().poll(cx));
        catch_unwind(work).unwrap_or_else(|_| Poll::Ready(Failure::from(Refusal::Internal).into_response()))
    })
    .await
}

/// A large answer takes of the memory of all until it has left.
fn hold(api: &Api, mut response: Response) -> Response {
    let length = response.body().size_hint().exact().and_then(|it| usize::try_from(it).ok()).unwrap_or_default();
    if length <= SMALL {
        return response;
    }
    let mut held = api.budget().of_large();
    match held.add(length) {
        Ok(()) => {
            response.extensions_mut().insert(Arc::new(held));
            response
        }
        Err(refusal) => Failure::from(refusal).into_response(),
    }
}

/// The router adds `Allow`, which is all that OPTIONS asks for.
async fn wrong_method(method: Method) -> Response {
    if method == Method::OPTIONS { StatusCode::NO_CONTENT.into_response() } else { Failure::Method.into_response() }
}

/// An answer's body, as the listener writes it.
struct Answer {
    body: Body,
    _held: Option<Arc<Held>>,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        polled.map_err(|error| BodyError::Gone(Some(io::Error::other(error))))
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::response::{IntoResponse as _, Response};
    use http::StatusCode;

    use crate::api::routes::unharmed;

    #[tokio::test]
    async fn a_panic_in_a_handler_is_answered() {
        let response = unharmed(async { panic!("a bug") }).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let fine: Response = unharmed(async { StatusCode::NO_CONTENT.into_response() }).await;
        assert_eq!(fine.status(), StatusCode::NO_CONTENT);
    }
}
