//! Numbers for Prometheus.

use axum::{body::Body, extract::State, response::Response};
use http::{HeaderValue, header};

use crate::{
    api::{Api, failure::Failure},
    exchange::{Refusal, Visitor},
    identity::Permission,
};

/// Under which path.
pub(crate) const PATH: &str = "/metrics";
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// Read all metrics. Where a key is needed, it needs the permission `read`.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    responses(
        (status = 200, description = "In the text format of OpenMetrics", body = String,
            content_type = "application/openmetrics-text"),
    ),
)]
pub(crate) async fn show(State(api): State<Api>, visitor: Visitor) -> Result<Response, Failure> {
    if !visitor.principal.may(Permission::Read) {
        return Err(Refusal::Forbidden(Permission::Read).into());
    }
    let mut response = Response::new(Body::from(api.metrics()));
    response.headers_mut().insert(header::CONTENT_TYPE, OPEN_METRICS);
    Ok(response)
}
