//! Answers as the router takes them.

use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{api::failure::Failure, base::head::AnswerHead, exchange::Refusal};

/// A value as JSON, with a line end for people.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let Ok(mut text) = serde_json::to_vec(value) else {
        return Failure::from(Refusal::Internal).into_response();
    };
    text.push(b'\n');
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// That it was done, where there is nothing else to say.
#[derive(Serialize, ToSchema)]
pub(crate) struct Success {
    /// Always true.
    success: bool,
}

impl Success {
    pub(crate) fn answer() -> Response {
        json(StatusCode::OK, &Self { success: true })
    }
}

/// With whole seconds.
pub(crate) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// What another room has already put together.
pub(crate) fn passed(head: &AnswerHead, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(head.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for field in head.fields.iter() {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(field.name), HeaderValue::from_bytes(field.value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}
