//! `POST /mcp`: streamable HTTP without sessions, so that any worker, and any restart, can answer the next message.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use axum::body::Body;
use http::{HeaderValue, StatusCode, header, request::Parts};
use http_body::Body as _;
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
};

use crate::{
    audit::Outcome,
    base::{
        capacity::{Client, Network},
        service::{Request, Response, Service, Stream, stream},
        task::{heavy, heavy_at_times},
    },
    exchange::{
        Visitor,
        budget::{Held, SMALL},
        open::Word,
        whole::{self, DEADLINE, Unread},
    },
    mcp::{
        Mcp,
        caller::Callers,
        message::{self, LONGEST, Malformed},
        server::Server,
    },
};

/// Whether the next step of a request is [`heavy`]: set before a large message is parsed and before a large answer is
/// written. Among the extensions of the request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Weight(Arc<AtomicBool>);

impl Weight {
    /// The next step is about so many bytes.
    pub(crate) fn set(&self, bytes: usize) {
        self.0.store(bytes > SMALL, Relaxed);
    }

    fn is_heavy(&self) -> bool {
        self.0.load(Relaxed)
    }
}

type Sdk = StreamableHttpService<Server, NeverSessionManager>;

/// Answers what comes to `/mcp`, from visitors that were found out about before.
pub fn service(mcp: Mcp) -> Service {
    // The listener has looked at `Host`, for all paths alike.
    let config = StreamableHttpServerConfig::default()
        .disable_allowed_hosts()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(LONGEST);
    let server = Server::new(mcp.clone(), Callers::OfEach);
    let sdk = Sdk::new(move || Ok(server.clone()), Arc::default(), config);
    Service::new(move |request| answer(mcp.clone(), sdk.clone(), request))
}

async fn answer(mcp: Mcp, sdk: Sdk, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    if parts.headers.contains_key(header::ORIGIN) {
        return told(StatusCode::FORBIDDEN, &Malformed::unread("what a web page asks is refused"));
    }
    let weight = Weight::default();
    let visitor = parts.extensions.get::<Visitor>();
    let client = visitor.map_or_else(|| Client::Network(Network::default()), Visitor::client);
    let (bytes, held) = match checked(&mcp, &client, &parts, body, &weight).await {
        Ok(checked) => checked,
        Err((status, malformed)) => return told(status, &malformed),
    };
    parts.extensions.insert(weight.clone());
    // Answers are JSON, whatever else a client would take.
    parts.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    let handled = async move {
        let response = sdk.handle(http::Request::from_parts(parts, Body::from(bytes))).await;
        response.map(|body| stream(body, ()))
    };
    let response = heavy_at_times(&client, handled, || weight.is_heavy()).await;
    drop(held);
    response.unwrap_or_else(|| told(StatusCode::INTERNAL_SERVER_ERROR, &Malformed::failed()))
}

/// Reads a message before the SDK does, which would quote it. What it takes of the memory it takes until it is answered.
async fn checked(
    mcp: &Mcp,
    client: &Client,
    parts: &Parts,
    body: Stream,
    weight: &Weight,
) -> Result<(Vec<u8>, Held), (StatusCode, Malformed)> {
    let mut held = mcp.budget().of(client.clone(), &body.size_hint());
    if parts.method != http::Method::POST {
        return Ok((Vec::new(), held));
    }
    if parts.headers.contains_key(header::CONTENT_ENCODING) {
        let malformed = Malformed::unread("the message must be sent without Content-Encoding");
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, malformed));
    }
    let read = whole::read(body, LONGEST, &mut held, DEADLINE).await;
    let bytes = read.map_err(|unread| match unread {
        Unread::Longer(_) => (StatusCode::PAYLOAD_TOO_LARGE, Malformed::longer()),
        Unread::Late(_) => (StatusCode::REQUEST_TIMEOUT, Malformed::unread(unread.to_string())),
        Unread::Refused(_) => (StatusCode::SERVICE_UNAVAILABLE, Malformed::unread(unread.to_string())),
    })?;
    weight.set(bytes.len());
    let read = move || message::read(&bytes).map(|_| bytes.to_vec());
    let read = if weight.is_heavy() { heavy(client, read).await.unwrap_or(Err(Malformed::failed())) } else { read() };
    read.map(|bytes| (bytes, held)).map_err(|malformed| (StatusCode::BAD_REQUEST, malformed))
}

/// With a word for the audit log.
fn told(status: StatusCode, malformed: &Malformed) -> Response {
    let mut response = Response::new(stream(Body::from(malformed.answer()), ()));
    let (outcome, code) = match status {
        StatusCode::SERVICE_UNAVAILABLE => (Outcome::Error, "overloaded"),
        StatusCode::INTERNAL_SERVER_ERROR => (Outcome::Error, "internal_error"),
        StatusCode::PAYLOAD_TOO_LARGE => (Outcome::Denied, "payload_too_large"),
        _ => (Outcome::Denied, "invalid_request"),
    };
    response.extensions_mut().insert(Word { status: status.as_u16(), code, reason: None, outcome });
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
