//! What goes wrong, as an answer: one shape, whoever found it.

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    api::answer,
    audit::{Outcome, Unavailable},
    exchange::{Refusal, open::Word, whole::Unread},
    manage::ManageError,
};

/// Why a request to the API does not get what it asks for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// As a request for the world would be refused.
    Refused(Refusal),
    /// Its body, path or query is not what is asked for. The text quotes nothing of it.
    Invalid(String),
    /// Its body is longer than this.
    TooLarge(usize),
    /// A change that is not made, or a look that is not allowed.
    Manage(ManageError),
    /// The path knows other methods.
    Method,
    /// One of these that has its line in the audit log.
    Recorded(Box<Self>),
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

    /// What was refused by whoever writes the line, too.
    pub(crate) fn on_record(error: impl Into<Self>) -> Self {
        Self::Recorded(Box::new(error.into()))
    }

    /// What the audit log shall say of it, unless it does already.
    fn word(&self) -> Option<Word> {
        let denied = |status, code| Word { status, code, reason: None, outcome: Outcome::Denied };
        Some(match self {
            Self::Recorded(_) => return None,
            Self::Refused(refusal) => Word::of(refusal),
            Self::Invalid(_) => denied(400, "invalid_request"),
            Self::TooLarge(_) => denied(413, "payload_too_large"),
            Self::Method => denied(405, "invalid_request"),
            Self::Manage(it) => {
                Word { status: it.status(), code: it.code(), reason: it.reason(), outcome: it.outcome() }
            }
        })
    }

    /// Status, error type in `Proxy-Status`, and the rest.
    fn problem(self) -> Result<(u16, &'static str, Problem), Refusal> {
        let mut details = Map::new();
        let (status, kind, error, message) = match self {
            Self::Recorded(failure) => return failure.problem(),
            Self::Refused(refusal) => return Err(refusal),
            Self::Invalid(why) => (400, INVALID, "invalid_request", format!("The request is not valid: {why}")),
            Self::TooLarge(most) => {
                (413, INVALID, "payload_too_large", format!("The request body exceeds {most} bytes"))
            }
            Self::Method => (405, DENIED, "invalid_request", "This path does not take that method".to_owned()),
            Self::Manage(error) => {
                if let Some(reason) = error.reason() {
                    details.insert("reason".into(), reason.into());
                }
                if let ManageError::HostsNeeded { hosts, header, reuse, .. } = &error {
                    details.insert("hosts".into(), hosts.clone().into());
                    details.extend(header.as_ref().map(|it| ("header_name".to_owned(), it.clone().into())));
                    details.extend(reuse.map(|it| ("reuse".to_owned(), it.to_string().into())));
                }
                let kind = if error.status() == 400 { INVALID } else { DENIED };
                (error.status(), kind, error.code(), error.to_string())
            }
        };
        Ok((status, kind, Problem { error, message, details }))
    }
}

/// What a request for the world can be refused for too is told in the same words; and nothing is told of our insides.
impl From<ManageError> for Failure {
    fn from(error: ManageError) -> Self {
        Self::Refused(match error {
            ManageError::Unauthorized => Refusal::Unauthorized,
            ManageError::Forbidden(permission) => Refusal::Forbidden(permission),
            ManageError::OutOfScope(alias) => Refusal::OutOfScope(alias),
            ManageError::NotFound(alias) => Refusal::NotFound(alias),
            ManageError::Unrecorded(Unavailable::NoSlot) => Refusal::Overloaded,
            ManageError::Unrecorded(_) => Refusal::AuditUnavailable,
            error if error.status() >= 500 => {
                tracing::error!(error = &error as &dyn std::error::Error, "a request to the API failed");
                Refusal::Internal
            }
            error => return Self::Manage(error),
        })
    }
}

impl From<Unread> for Failure {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Longer(most) => Self::TooLarge(most),
            Unread::Late(_) => Self::invalid(unread.to_string()),
            Unread::Refused(refusal) => Self::Refused(refusal),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let word = self.word();
        let mut response = match self.problem() {
            Err(refusal) => {
                let (head, body) = refusal.answer();
                answer::passed(&head, body)
            }
            Ok((status, kind, problem)) => {
                let shown = format!("vultrino; error={kind}; details=\"{}\"", problem.error);
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let mut response = answer::json(status, &problem);
                if let Ok(shown) = HeaderValue::try_from(shown) {
                    response.headers_mut().insert(PROXY_STATUS, shown);
                }
                response
            }
        };
        if let Some(word) = word {
            response.extensions_mut().insert(word);
        }
        response
    }
}

const DENIED: &str = "http_request_denied";
const INVALID: &str = "http_request_error";
const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");
