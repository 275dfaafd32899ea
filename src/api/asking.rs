//! What is known of a request to the API, for the audit log in case it is refused: one place for all that is refused
//! before a change or a request for the world has a line of its own.

use std::net::SocketAddr;

use axum::{
    extract::Request,
    response::{IntoResponse as _, Response},
};
use http::Method;

use crate::{
    api::{Api, failure::Failure, metrics},
    exchange::open::{Turned, Word},
    identity::{PresentedKey, Principal},
};

/// Somebody at the door. Who that is turns out later, or never.
pub(crate) struct Asking {
    method: Method,
    pub(crate) path: String,
    /// Whether it must be known who asks.
    pub(crate) counts: bool,
    pub(crate) source: Option<SocketAddr>,
    pub(crate) key: Option<PresentedKey>,
    pub(crate) principal: Option<Principal>,
}

impl Asking {
    pub(crate) fn of(request: &Request) -> Self {
        let path = request.uri().path().to_owned();
        let counts = path == metrics::PATH || path == "/v1" || path.starts_with("/v1/");
        Self { method: request.method().clone(), path, counts, source: None, key: None, principal: None }
    }

    /// Writes the line of a refusal that has none.
    pub(crate) fn note(&self, api: &Api, mut response: Response) -> Response {
        let Some(word) = response.extensions_mut().remove::<Word>().filter(|_| self.counts) else { return response };
        let turned = Turned {
            source: self.source,
            method: &self.method,
            target: &self.path,
            key: self.key,
            principal: self.principal.as_ref(),
        };
        match api.exchange().turn_away(&turned, &word) {
            Ok(()) => response,
            Err(unavailable) => Failure::on_record(unavailable).into_response(),
        }
    }
}
