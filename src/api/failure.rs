//! What goes wrong, as an answer: one shape, whoever found it.

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{api::answer, exchange::Refusal};

/// Why a request to the API does not get what it asks for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// As a request for the world would be refused.
    Refused(Refusal),
    /// Its body, path or query is not what is asked for. The text quotes nothing of it.
    Invalid(String),
    /// Its body is longer than this.
    TooLarge(usize),
    /// The path knows other methods.
    Method,
}

/// An error, as every answer of Vultrino's own has it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub(crate) struct Problem {
    /// One of a fixed set of codes.
    #[schema(example = "invalid_request")]
    error: &'static str,
    /// For people.
    message: String,
    /// What else is known; `reason` is a word from a fixed set.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object, required = false)]
    details: Map<String, Value>,
}

impl Failure {
    pub(crate) fn invalid(why: impl Into<String>) -> Self {
        Self::Invalid(why.into())
    }

    /// Status, error type in `Proxy-Status`, and the rest.
    fn problem(self) -> Result<(StatusCode, &'static str, Problem), Refusal> {
        let (status, kind, error, message) = match self {
            Self::Refused(refusal) => return Err(refusal),
            Self::Invalid(why) => {
                (StatusCode::BAD_REQUEST, INVALID, "invalid_request", format!("The request is not valid: {why}"))
            }
            Self::TooLarge(most) => {
                let message = format!("The request body exceeds {most} bytes");
                (StatusCode::PAYLOAD_TOO_LARGE, INVALID, "payload_too_large", message)
            }
            Self::Method => {
                let message = "This path does not take that method".to_owned();
                (StatusCode::METHOD_NOT_ALLOWED, DENIED, "invalid_request", message)
            }
        };
        Ok((status, kind, Problem { error, message, details: Map::new() }))
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self.problem() {
            Err(refusal) => {
                let (head, body) = refusal.answer();
                answer::passed(&head, body)
            }
            Ok((status, kind, problem)) => {
                let shown = format!("vultrino; error={kind}; details=\"{}\"", problem.error);
                let mut response = answer::json(status, &problem);
                if let Ok(shown) = HeaderValue::try_from(shown) {
                    response.headers_mut().insert(PROXY_STATUS, shown);
                }
                response
            }
        }
    }
}

const DENIED: &str = "http_request_denied";
const INVALID: &str = "http_request_error";
const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");
