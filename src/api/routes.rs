//! All paths in one list, and what holds for all of them.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
    routing::any,
};
use http::{HeaderValue, Method, StatusCode, header};
use http_body::Body as _;
use serde_json::json;
use tower_service::Service as _;
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    api::{
        Api,
        asking::{Asking, MCP},
        audit, credentials, execute,
        failure::Failure,
        health, keys, metrics, openapi,
        pace::Pace,
        policies, roles, types, visitor,
    },
    base::{service, task::caught},
    exchange::{
        Door, Refusal,
        budget::{Held, SMALL},
    },
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

/// The service that answers under all of them, and hands what comes to `/mcp` to that one, if it is there.
pub(crate) fn service(api: Api, mcp: Option<service::Service>) -> service::Service {
    let mut paths = all().0;
    if let Some(mcp) = mcp {
        let pass = move |request: Request| {
            let answering = mcp.call(request.map(|body| service::stream(body, ())));
            async move { answering.await.map(Body::new) }
        };
        paths = paths.route(MCP, any(pass));
    }
    let router = paths
        .method_not_allowed_fallback(wrong_method)
        .fallback(async || Failure::from(Refusal::NoSuchPath))
        .layer(from_fn_with_state(api.clone(), admit))
        .with_state(api);
    service::Service::new(move |request| {
        let mut router = router.clone();
        async move {
            let Ok(mut response) = router.call(request.map(Body::new)).await;
            let held: Option<Arc<Held>> = response.extensions_mut().remove();
            response.map(|body| service::stream(body, held))
        }
    })
}

/// Whoever is not known passes to `/health` only; what passes back must not be kept, nor taken for anything else.
async fn admit(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let mut asking = Asking::of(&request);
    let welcome = visitor::welcome(&api, &mut request, &mut asking);
    let (response, pace) = match welcome {
        Ok(pace) => (hold(&api, &asking, unharmed(next.run(request)).await), pace),
        Err(refusal) => (Err(refusal), Pace::Free),
    };
    let response = response.unwrap_or_else(|refusal| refuse(refusal, asking.door));
    let mut response = asking.note(&api, response);
    let headers = response.headers_mut();
    pace.tell(&api, headers);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A panic in one handler ends its own request, and no other on the connection.
async fn unharmed(answering: impl Future<Output = Response>) -> Response {
    caught(answering).await.unwrap_or_else(|| Failure::from(Refusal::Internal).into_response())
}

/// A large answer takes of its caller's memory until it has left.
fn hold(api: &Api, asking: &Asking, mut response: Response) -> Result<Response, Refusal> {
    let length = response.body().size_hint().exact().and_then(|it| usize::try_from(it).ok()).unwrap_or_default();
    if length <= SMALL {
        return Ok(response);
    }
    let mut held = api.budget().of_large(asking.client());
    held.add(length)?;
    response.extensions_mut().insert(Arc::new(held));
    Ok(response)
}

/// Clients of MCP show the reason of an error of JSON-RPC alone.
fn refuse(refusal: Refusal, door: Option<Door>) -> Response {
    let error = json!({ "code": -32600, "message": refusal.message(), "data": { "code": refusal.code() } });
    let mut response = Failure::from(refusal).into_response();
    if door == Some(Door::Mcp) {
        *response.body_mut() = Body::from(json!({ "jsonrpc": "2.0", "id": null, "error": error }).to_string());
    }
    response
}

/// The router adds `Allow`, which is all that OPTIONS asks for.
async fn wrong_method(method: Method) -> Response {
    if method == Method::OPTIONS { StatusCode::NO_CONTENT.into_response() } else { Failure::Method.into_response() }
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
