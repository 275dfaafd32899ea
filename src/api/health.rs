//! Whether all is well, for whoever watches over the daemon.

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    api::{Api, answer},
    exchange::Part,
};

const ROLLED_BACK: &str = "the store is older than the one in force; put the newest one back, or, if this one was put there \
                           on purpose, stop the server and start it with `vultrino serve --accept-rollback`";

/// How the daemon is.
#[derive(Serialize, ToSchema)]
struct Condition {
    status: Status,
    /// Of Vultrino.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// What is not as it should be, in words from a fixed set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    reasons: Vec<&'static str>,
    /// For people: what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = String)]
    help: Option<&'static str>,
}

#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Status {
    /// All is well.
    Ok,
    /// It serves, with what it had before something went wrong.
    Degraded,
    /// No audit record can be written, so no credential is used.
    AuditUnavailable,
}

/// Check that the server is running. Needs no key.
#[utoipa::path(
    get,
    path = "/health",
    operation_id = "health",
    security(()),
    responses(
        (status = 200, description = "It serves", body = Condition),
        (status = 503, description = "It answers, and forwards nothing", body = Condition),
    ),
)]
pub(crate) async fn show(State(api): State<Api>) -> Response {
    let health = api.exchange().health();
    let reasons = health.reasons();
    let help = health.is_behind(Part::Rollback).then_some(ROLLED_BACK);
    let (code, status) = match (api.exchange().is_recording(), reasons.is_empty()) {
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, Status::AuditUnavailable),
        (true, false) => (StatusCode::OK, Status::Degraded),
        (true, true) => (StatusCode::OK, Status::Ok),
    };
    answer::json(code, &Condition { status, version: env!("CARGO_PKG_VERSION"), reasons, help })
}
