//! What is known of a request to the API, for the audit log in case it is refused: one place for all that is refused
//! before a change or a request for the world has a line of its own.

use axum::{
    extract::Request,
    response::{IntoResponse as _, Response},
};
use http::Method;

use crate::{
    api::{Api, failure::Failure, metrics},
    base::{
        capacity::{Client, Network},
        peer::Peer,
    },
    exchange::{
        Door,
        identify::client,
        open::{Call, Word},
    },
    identity::{PresentedKey, Principal},
};

/// Where the Model Context Protocol is spoken.
pub(crate) const MCP: &str = "/mcp";

/// Somebody at the door. Who that is turns out later, or never.
pub(crate) struct Asking {
    method: Method,
    pub(crate) path: String,
    /// Which of our doors it is, where it must be known who asks.
    pub(crate) door: Option<Door>,
    pub(crate) source: Option<Peer>,
    pub(crate) key: Option<PresentedKey>,
    pub(crate) principal: Option<Principal>,
}

impl Asking {
    pub(crate) fn of(request: &Request) -> Self {
        let path = request.uri().path().to_owned();
        let door = match &*path {
            MCP => Some(Door::Mcp),
            metrics::PATH | "/v1" => Some(Door::Api),
            _ => path.starts_with("/v1/").then_some(Door::Api),
        };
        Self { method: request.method().clone(), path, door, source: None, key: None, principal: None }
    }

    /// Who what it uses is counted for.
    pub(crate) fn client(&self) -> Client {
        match &self.principal {
            Some(principal) => client(principal, self.source),
            None => Client::Network(Network::of(self.source)),
        }
    }

    /// Writes the line of a refusal that has none.
    pub(crate) fn note(&self, api: &Api, mut response: Response) -> Response {
        let word = response.extensions_mut().remove::<Word>();
        let Some((word, door)) = word.zip(self.door) else { return response };
        let call = Call {
            door,
            action: if door == Door::Mcp { "mcp_refused" } else { "api_refused" },
            source: self.source,
            method: self.method.as_str(),
            target: &self.path,
            alias: "",
            key: self.key,
            principal: self.principal.as_ref(),
        };
        match api.exchange().note(&call, &word) {
            Ok(()) => response,
            Err(unavailable) => Failure::on_record(unavailable).into_response(),
        }
    }
}
