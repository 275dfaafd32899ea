//! All paths in one list, and what holds for all of them.

use std::{
    io,
    pin::Pin,
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
use http_body::{Frame, SizeHint};
use tower_service::Service as _;
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    api::{
        Api, audit, credentials, execute, failure::Failure, health, keys, metrics, openapi, policies, roles, types,
        visitor::Visitor,
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
            let Ok(response) = router.call(request.map(Body::new)).await;
            response.map(|body| Box::pin(Answer(body)) as service::Stream)
        }
    })
}

/// Whoever is not known passes to `/health` only; what passes back must not be kept, nor taken for anything else.
async fn admit(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let mut response = match Visitor::welcome(&api, &mut request) {
        Ok(pace) => {
            let look = Look::of(&request);
            let mut response = next.run(request).await;
            if let Some(refusal) = look.and_then(|it| it.record(&api, &response)) {
                response = Failure::from(refusal).into_response();
            }
            pace.tell(&api, response.headers_mut());
            response
        }
        Err(refusal) => Failure::from(refusal).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A look at something by somebody who is known. Changes and requests for the world are recorded where they are made,
/// looks only if they are refused.
struct Look {
    visitor: Visitor,
    method: Method,
    path: String,
}

impl Look {
    fn of(request: &Request) -> Option<Self> {
        let (method, path) = (request.method(), request.uri().path());
        let looks = matches!(*method, Method::GET | Method::HEAD) || path == "/v1/policies/test";
        let visitor = request.extensions().get::<Visitor>().filter(|_| looks)?.clone();
        Some(Self { visitor, method: method.clone(), path: path.to_owned() })
    }

    /// Records that it was refused; tells if that cannot be.
    fn record(self, api: &Api, response: &Response) -> Option<Refusal> {
        let refusal = response.extensions().get::<Refusal>()?;
        if !matches!(refusal, Refusal::Forbidden(_) | Refusal::OutOfScope(_)) {
            return None;
        }
        let Self { visitor, method, path } = self;
        let (principal, source) = (&visitor.principal, visitor.arrival.source);
        let told = api.exchange().refuse_to(principal, source, &method, &path, refusal.clone());
        (told != *refusal).then_some(told)
    }
}

/// The router adds `Allow`, which is all that OPTIONS asks for.
async fn wrong_method(method: Method) -> Response {
    if method == Method::OPTIONS { StatusCode::NO_CONTENT.into_response() } else { Failure::Method.into_response() }
}

/// An answer's body, as the listener writes it.
struct Answer(Body);

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.0).poll_frame(cx);
        polled.map_err(|error| BodyError::Gone(Some(io::Error::other(error))))
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
