//! Numbers for Prometheus.

use axum::{body::Body, extract::State, response::Response};
use http::{HeaderMap, HeaderValue, header};

use crate::{
    api::{Api, failure::Failure},
    exchange::{Refusal, Visitor},
    identity::Permission,
};

/// Under which path.
pub(crate) const PATH: &str = "/metrics";

/// The text formats of metrics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MetricsFormat {
    /// That of Prometheus, version 0.0.4.
    Classic,
    /// `OpenMetrics` 1.0.0.
    OpenMetrics,
}

/// Read all metrics. Where a key is needed, it needs the permission `read`.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    responses(
        (status = 200, description = "In the text format of Prometheus, or of OpenMetrics where `Accept` asks for it", content(
            (String = "text/plain"),
            (String = "application/openmetrics-text"),
        )),
    ),
)]
pub(crate) async fn show(State(api): State<Api>, visitor: Visitor, fields: HeaderMap) -> Result<Response, Failure> {
    if !visitor.principal.may(Permission::Read) {
        return Err(Refusal::Forbidden(Permission::Read).into());
    }
    let format = MetricsFormat::wanted(&fields);
    let mut response = Response::new(Body::from(api.metrics(format)));
    let kind = match format {
        MetricsFormat::Classic => "text/plain; version=0.0.4; charset=utf-8",
        MetricsFormat::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
    };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
    Ok(response)
}

impl MetricsFormat {
    /// `OpenMetrics` only where `Accept` names it, and wants the classic format no more.
    fn wanted(fields: &HeaderMap) -> Self {
        let ranges = fields.get_all(header::ACCEPT).iter().filter_map(|it| it.to_str().ok());
        let ranges: Vec<_> = ranges.flat_map(|it| it.split(',')).map(weighted).collect();
        let best = |kind: &str| {
            let of_kind = ranges.iter().filter(|(name, _)| name.eq_ignore_ascii_case(kind));
            of_kind.fold(0.0, |best: f32, (_, weight)| best.max(*weight))
        };
        let open = best("application/openmetrics-text");
        if open > 0.0 && open >= best("text/plain") { Self::OpenMetrics } else { Self::Classic }
    }
}

/// A media range and its weight (RFC 9110 section 12.4.2). One that cannot be read counts as not wanted.
fn weighted(range: &str) -> (&str, f32) {
    let mut parts = range.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let weight = parts.find_map(|it| it.strip_prefix("q=").or_else(|| it.strip_prefix("Q=")));
    (name, weight.map_or(1.0, |it| it.parse().unwrap_or(0.0)))
}
