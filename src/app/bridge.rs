//! Messages of an agent, passed on to a running daemon: the way to give an agent an API key and nothing else.

use std::{
    collections::HashMap,
    fmt, io,
    str::FromStr as _,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::Method;
use ipnet::{Ipv4Net, Ipv6Net};
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, GetMeta as _, JsonRpcMessage, JsonRpcRequest,
    ProtocolVersion, RequestId,
};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, json, value::RawValue};
use thiserror::Error;
use tokio::task::{AbortHandle, JoinSet};

use crate::{
    app::{AppError, serve::runtime},
    base::{
        body::Body,
        capacity::{Client, Network},
        fields::Fields,
        head::Framing,
        host::Scheme,
        reuse::Reuse,
        secret::Secret,
        silence::Silence,
        target::{Origin, Target, TargetError},
    },
    exchange::{
        budget::Budget,
        whole::{self, Unread},
    },
    mcp::{
        lines::{self, Line, Out},
        stdio::DRAIN,
    },
    upstream::{Answer, Connector, DialError, Failure, Guard, Memory, Request, Tenant, Upstream, tls},
};

/// Longest time without a byte of an answer. The daemon has its own, shorter ones.
const PATIENCE: Duration = Duration::from_mins(10);
/// No method, tool or resource of ours has a longer name.
const LONGEST_VALUE: usize = 1024;
const NO_KEY: &str =
    "The API key in VULTRINO_API_KEY is missing or not valid. Ask the person who runs Vultrino for one.";
/// Most bytes of the fields of an answer's head.
const MOST_HEAD: usize = 64 << 10;
/// Most bytes of an answer: several times what a tool gives.
const MOST: usize = 24 << 20;

/// Where a daemon takes messages.
#[derive(Clone, Debug)]
pub struct Daemon(Target);

impl Daemon {
    /// From its URL, with or without `/mcp`.
    ///
    /// # Errors
    /// It is no URL of HTTP.
    pub fn parse(url: &str) -> Result<Self, TargetError> {
        let url = url.trim_end_matches('/');
        let url = if url.ends_with("/mcp") { url.to_owned() } else { format!("{url}/mcp") };
        Target::parse(&url).map(Self)
    }

    /// Whether others can read what goes there.
    pub fn is_in_clear(&self) -> bool {
        let Origin { scheme, authority, .. } = &*self.0.origin;
        *scheme == Scheme::Http && !authority.host.is_loopback()
    }
}

impl fmt::Display for Daemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.0.origin.scheme.as_str(), self.0.origin.authority)
    }
}

/// Passes on all that comes over standard input, and the answers back, until it ends and all is answered.
///
/// # Errors
/// The system refuses what this needs.
pub fn run(daemon: Daemon, key: Option<Secret>) -> Result<(), AppError> {
    runtime()?.block_on(async {
        let upstream = way_out()?;
        let bridge = Bridge { upstream, daemon, key, version: Mutex::default() };
        let (out, written) = lines::write(io::stdout())?;
        Arc::new(bridge).pass(out).await?;
        Ok(tokio::task::spawn_blocking(move || written.join()).await.map(drop).map_err(io::Error::other)?)
    })
}

/// The way to a daemon. Must be used on one runtime only.
///
/// # Errors
/// The system's root certificates cannot be used.
pub(crate) fn way_out() -> Result<Upstream, AppError> {
    let trusted = tls::client_config(None)?;
    // The person who configured the URL may point it at any address.
    let anywhere = vec![Ipv4Net::default().into(), Ipv6Net::default().into()];
    let guard = Arc::new(Guard::new(anywhere, Vec::new()));
    let connector = Connector::new(Arc::default(), guard, trusted, None, Duration::from_secs(10));
    // The daemon reads every body to its end.
    Ok(Upstream::new(connector, Reuse::AfterBody, Memory::default()))
}

/// A GET request to a daemon that may be silent for `patience`.
pub(crate) fn get<'a>(target: &'a Target, client: &'a Client, fields: &'a Fields, patience: Duration) -> Request<'a> {
    Request {
        target,
        method: &Method::GET,
        tenant: Tenant::default(),
        client,
        reuse: None,
        fields,
        framing: Framing::None,
        body: Body::Empty,
        silence: Silence { usual: patience, streaming: patience },
        longest_head: MOST_HEAD,
        takes_trailers: false,
        keep_trailer: None,
        interim: None,
        upgrade: false,
    }
}

struct Bridge {
    upstream: Upstream,
    daemon: Daemon,
    key: Option<Secret>,
    /// Which revision the daemon said at the handshake that it speaks.
    version: Mutex<Option<String>>,
}

/// Why a message has no answer of the daemon's.
#[derive(Debug, Error)]
enum Lost {
    #[error("Vultrino cannot be reached at {0}. Ask the person who runs it to start it with `vultrino serve`.")]
    Unreachable(String),
    #[error("The TLS connection to Vultrino at {0} failed: {1}. Ask the person who runs it.")]
    Tls(String, String),
    #[error("{1}")]
    Refused(u16, String),
    #[error("What answers at {0} is no Vultrino that speaks MCP. Ask the person who runs it.")]
    Foreign(String),
}

impl Bridge {
    async fn pass(self: Arc<Self>, out: Out) -> io::Result<()> {
        let mut messages = lines::read(io::stdin(), out.downgrade())?;
        let (mut open, mut by_id) = (JoinSet::new(), HashMap::<RequestId, AbortHandle>::new());
        loop {
            let line = tokio::select! {
                line = messages.recv() => line,
                () = out.closed() => None,
            };
            let Some(Line { text, message }) = line else { break };
            while open.try_join_next().is_some() {}
            match message {
                JsonRpcMessage::Request(request) => {
                    by_id.retain(|_, it| !it.is_finished());
                    let fields = self.fields(&request);
                    let (bridge, out, id) = (Arc::clone(&self), out.clone(), request.id.clone());
                    let body = Bytes::from_owner(text);
                    let task = open.spawn(async move {
                        let answer = match bridge.send(&request.id, fields, body).await {
                            Ok(answer) => {
                                bridge.note_version(&request, &answer);
                                answer
                            }
                            Err(lost) => lost.answer(&request),
                        };
                        drop(out.send(answer).await);
                    });
                    by_id.insert(id, task);
                }
                // The daemon gives a request up when its connection is closed.
                ClientJsonRpcMessage::Notification(it) => {
                    if let ClientNotification::CancelledNotification(it) = it.notification
                        && let Some(task) = it.params.request_id.and_then(|id| by_id.remove(&id))
                    {
                        task.abort();
                    }
                }
                JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => {}
            }
        }
        let all_answered = async { while open.join_next().await.is_some() {} };
        tokio::select! {
            () = all_answered => {}
            () = out.closed() => {}
            () = tokio::time::sleep(DRAIN) => {}
        }
        Ok(())
    }

    /// The fields that the transport asks for (MCP, revision 2026-07-28, "Streamable HTTP").
    fn fields(&self, request: &JsonRpcRequest<ClientRequest>) -> Fields {
        let mut fields = Fields::default();
        fields.append("Content-Type", b"application/json");
        fields.append("Accept", b"application/json, text/event-stream");
        if let Some(key) = &self.key {
            fields.append("Authorization", &[b"Bearer ", key.expose().trim_ascii()].concat());
        }
        let named = request.request.get_meta().protocol_version();
        let named = named.filter(|it| ProtocolVersion::KNOWN_VERSIONS.contains(it)).map(|it| it.to_string());
        let agreed = || self.version.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let begins = matches!(request.request, ClientRequest::InitializeRequest(_));
        if let Some(version) = named.or_else(agreed).filter(|_| !begins) {
            append(&mut fields, "MCP-Protocol-Version", &version);
        }
        append(&mut fields, "Mcp-Method", request.request.method());
        let name = match &request.request {
            ClientRequest::CallToolRequest(it) => Some(&*it.params.name),
            ClientRequest::GetPromptRequest(it) => Some(&*it.params.name),
            ClientRequest::ReadResourceRequest(it) => Some(&*it.params.uri),
            _ => None,
        };
        if let Some(name) = name {
            append(&mut fields, "Mcp-Name", name);
        }
        fields
    }

    fn note_version(&self, request: &JsonRpcRequest<ClientRequest>, answer: &[u8]) {
        if let ClientRequest::InitializeRequest(_) = &request.request {
            let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
            let version = answer["result"]["protocolVersion"].as_str().map(str::to_owned);
            *self.version.lock().unwrap_or_else(PoisonError::into_inner) = version;
        }
    }

    async fn send(&self, id: &RequestId, fields: Fields, body: Bytes) -> Result<Vec<u8>, Lost> {
        let Daemon(target) = &self.daemon;
        let client = Client::Network(Network::default());
        let request = Request {
            method: &Method::POST,
            framing: Framing::Length(body.len() as u64),
            body: Body::Full(body),
            ..get(target, &client, &fields, PATIENCE)
        };
        let place = || self.daemon.to_string();
        let unreachable = |error: &(dyn std::error::Error + 'static)| {
            tracing::debug!(error, "the daemon gave no answer");
            Lost::Unreachable(place())
        };
        let lost = |failure: Failure| match &failure {
            Failure::Dial(DialError::Tls(error)) => {
                tracing::debug!(%error, "no TLS with the daemon");
                Lost::Tls(place(), error.to_string())
            }
            _ => unreachable(&failure),
        };
        let Answer { head, body, .. } = self.upstream.send(request).await.map_err(lost)?;
        let mut held = Budget::default().of_large(client.clone());
        let read = whole::read(body, MOST, &mut held, PATIENCE).await;
        let text = read.map_err(|unread: Unread| unreachable(&unread))?;
        let foreign = || Lost::Foreign(place());
        let json: &RawValue = serde_json::from_slice(&text).map_err(|_foreign| foreign())?;
        match serde_json::from_str::<Answered>(json.get()) {
            _ if head.status == 401 => Err(Lost::Refused(401, NO_KEY.to_owned())),
            // One line: nothing in a message but what stands between its parts may hold the end of one.
            Ok(it) if it.is_to(id) => Ok(json.get().replace(['\r', '\n'], " ").into_bytes()),
            Ok(Answered { error: Some(Told { message }), id: None, .. }) => {
                Err(Lost::Refused(head.status, format!("{}.", message.trim_end_matches('.'))))
            }
            _ if head.status >= 400 => Err(refused(head.status, json.get()).unwrap_or_else(foreign)),
            _ => Err(foreign()),
        }
    }
}

impl Lost {
    /// In the place of the daemon's.
    fn answer(&self, request: &JsonRpcRequest<ClientRequest>) -> Vec<u8> {
        let code = match self {
            Self::Refused(401 | 407, _) => "unauthorized",
            Self::Refused(429, _) => "rate_limited",
            Self::Refused(503, _) => "overloaded",
            Self::Refused(403, _) => "permission_denied",
            Self::Refused(..) => "invalid_request",
            Self::Unreachable(_) | Self::Tls(..) | Self::Foreign(_) => "internal_error",
        };
        let message = self.to_string();
        let (id, error) = (&request.id, json!({ "error": { "code": code, "message": message } }));
        let answer = match &request.request {
            ClientRequest::CallToolRequest(_) => {
                let content = json!([{ "type": "text", "text": error.to_string() }]);
                let result = json!({ "content": content, "isError": true });
                json!({ "jsonrpc": "2.0", "id": id, "result": result })
            }
            _ => json!({
                "jsonrpc": "2.0", "id": id, "error": { "code": -32603, "message": message, "data": { "code": code } },
            }),
        };
        answer.to_string().into_bytes()
    }
}

/// The agent chose the value: what could end a field, or mean something in one, is left out, and the daemon refuses.
fn append(fields: &mut Fields, name: &str, value: &str) {
    if value.len() <= LONGEST_VALUE && value.bytes().all(|it| it.is_ascii_graphic()) {
        fields.append(name, value.as_bytes());
    }
}

/// As much of an answer as tells whose it is.
#[derive(Deserialize)]
struct Answered {
    jsonrpc: String,
    id: Option<RequestId>,
    method: Option<IgnoredAny>,
    result: Option<IgnoredAny>,
    error: Option<Told>,
}

#[derive(Deserialize)]
struct Told {
    message: String,
}

impl Answered {
    fn is_to(&self, id: &RequestId) -> bool {
        let answers = self.result.is_some() != self.error.is_some() && self.method.is_none();
        self.jsonrpc == "2.0" && self.id.as_ref() == Some(id) && answers
    }
}

/// What the daemon says where it does not come to the message.
fn refused(status: u16, json: &str) -> Option<Lost> {
    let answer = Value::from_str(json).ok()?;
    let (_, message) = (answer.get("error")?.as_str()?, answer.get("message")?.as_str()?);
    let next = match status {
        404 => " MCP is switched off there ([mcp] enabled), or this is an older Vultrino.",
        _ => "",
    };
    Some(Lost::Refused(status, format!("{message}.{next}")))
}
