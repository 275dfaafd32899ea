//! One request, one answer: over a pooled connection where one is alive, else over a fresh one.

use std::{future::poll_fn, io, ops::AddAssign, sync::Arc, task::Poll, time::Duration};

use http::Method;
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

use crate::{
    base::{
        body::{Body, BodyError},
        capacity::{Client, Full},
        count::Count,
        fields::{Fields, Known},
        head::{AnswerHead, Framing, Interim},
        host::{Authority, Scheme},
        reuse::Reuse,
        silence::Silence,
        splice::Side,
        target::{Origin, Target},
    },
    http1::{Refused, send::KeepTrailer},
    http2::incoming::into_io,
    upstream::{
        channel::Channel,
        connect::{Connector, DialError, Dialled, OnBehalf, Versions},
        flight::Flight,
        interim::Interims,
        lane::Lane,
        memory::Memory,
        multiplexed::Multiplexed,
        pool::{Found, Pool, Turn},
        tenant::{PoolKey, Tenant},
    },
};

/// How long a request waits for what others dial before it dials itself.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The way out of one worker.
#[derive(Debug)]
pub struct Upstream {
    connector: Connector,
    pool: Arc<Pool>,
    reuse: Reuse,
    memory: Memory,
    dials: Count,
    failed_dials: Count,
    reuses: Count,
}

/// How connections of one or several workers came to be, and how many wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Connections {
    /// Without a request now.
    pub idle: u64,
    /// Attempts to connect.
    pub dials: u64,
    /// Those of them that led to none.
    pub failed_dials: u64,
    /// Requests that were sent over one that had waited.
    pub reuses: u64,
}

impl AddAssign for Connections {
    fn add_assign(&mut self, more: Self) {
        let Self { idle, dials, failed_dials, reuses } = more;
        self.idle += idle;
        self.dials += dials;
        self.failed_dials += failed_dials;
        self.reuses += reuses;
    }
}

/// What is sent. The fields hold neither `Host` nor framing.
pub struct Request<'a> {
    /// Where to.
    pub target: &'a Target,
    /// Any.
    pub method: &'a Method,
    /// Whose request it is: it shares connections only with others of the same tenant.
    pub tenant: Tenant,
    /// Whose memory its connection takes.
    pub client: &'a Client,
    /// After which requests an HTTP/1 connection may be used again, if the credential says so.
    pub reuse: Option<Reuse>,
    /// What was injected included.
    pub fields: &'a Fields,
    /// How the body is told.
    pub framing: Framing,
    /// As it comes from the client.
    pub body: Body,
    /// How long the origin server may be silent.
    pub silence: Silence,
    /// Most bytes of the fields of the answer's head.
    pub longest_head: usize,
    /// Whether the client takes trailers (`TE: trailers`).
    pub takes_trailers: bool,
    /// Which trailers go on; without it all do.
    pub keep_trailer: Option<KeepTrailer>,
    /// Where interim answers go; without it they are dropped.
    pub interim: Option<&'a mut (dyn Interim + 'a)>,
    /// Whether its fields ask to go on with WebSocket.
    pub upgrade: bool,
}

impl std::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").field("target", &self.target).field("method", &self.method).finish_non_exhaustive()
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// Status 200 or above, or 101 where that was asked for.
    pub head: AnswerHead,
    /// How the origin server tells the end of the body.
    pub framing: Framing,
    /// Streams from the connection, and sends what is left of the request meanwhile. The connection itself behind a 101.
    pub body: Body,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum Failure {
    /// No connection.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The connection ended before an answer.
    #[error("the origin server closed the connection without an answer")]
    Gone(#[source] Option<io::Error>),
    /// The origin server says that it has not begun with this request, and will not. It may take it over one of these.
    #[error("the origin server did not take the request")]
    Unprocessed(Versions),
    /// The answer is no valid HTTP.
    #[error("the origin server's answer is not valid: {0}")]
    Answer(#[from] Refused),
    /// Too many interim answers, or an upgrade that nobody asked for.
    #[error("the origin server's answer is not valid: {0}")]
    Unexpected(&'static str),
    /// There is no memory for the head of the answer.
    #[error("the head of the answer: {0}")]
    Full(#[from] Full),
    /// No answer in time.
    #[error("the origin server did not answer in time")]
    Timeout,
    /// The request could not be read to its end.
    #[error(transparent)]
    Request(BodyError),
}

impl Upstream {
    /// A way out with an empty pool; `reuse` holds where the credential says nothing. Must be used on one runtime only.
    pub fn new(connector: Connector, reuse: Reuse, memory: Memory) -> Self {
        let [dials, failed_dials, reuses] = Default::default();
        Self { connector, pool: Arc::default(), reuse, memory, dials, failed_dials, reuses }
    }

    /// Sends a request and waits for the head of its answer. A connection that proves dead is replaced once, if the
    /// request may be sent twice.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn send(&self, mut request: Request<'_>) -> Result<Answer, Failure> {
        let again = may_repeat(&request);
        if request.framing == Framing::None && anticipates_content(request.method) {
            request.framing = Framing::Length(0);
        }
        request.reuse.get_or_insert(self.reuse);
        let origin = Arc::clone(&request.target.origin);
        let key = PoolKey { origin, tenant: std::mem::take(&mut request.tenant) };
        let (lane, reused) = match self.waiting(&key, &mut request) {
            Some(lane) => (lane, true),
            None => (Box::pin(self.fresh(&key, &mut request, Versions::Both)).await?, false),
        };
        let versions = match self.exchange(lane, &mut request).await {
            Err(Failure::Gone(_)) if reused && again => Versions::Both,
            Err(Failure::Unprocessed(versions)) => versions,
            done => return done,
        };
        let lane = Box::pin(self.fresh(&key, &mut request, versions)).await?;
        self.exchange(lane, &mut request).await
    }

    /// A connection for bytes that are not ours to read. The fields are those of the CONNECT.
    ///
    /// # Errors
    /// See [`DialError`].
    pub async fn tunnel(&self, to: &Authority, client: &Client, fields: &Fields) -> Result<Side, DialError> {
        self.dials.one();
        let via: Vec<&[u8]> = fields.all(Known::Via).collect();
        let dialled = Box::pin(self.connector.dial_blind(to, &OnBehalf { client, via: &via })).await;
        let mut wire = dialled.inspect_err(|error| self.note_failed(error))?;
        wire.bound_unread(self.memory.receiving.share(client.clone()));
        Ok(Side::new(wire, Vec::new()))
    }

    /// Whether a connection to this is refused, whatever its name stands for.
    pub fn forbids(&self, authority: &Authority) -> bool {
        self.connector.forbids(authority)
    }

    /// Whether a request with these fields has been sent by us before, through the parent proxy.
    pub fn has_sent(&self, fields: &Fields) -> bool {
        self.connector.hop().is_some_and(|it| it.is_behind(fields))
    }

    /// Closes connections that were idle for too long, and those that no request can use any more: their tenant is not
    /// current. Call it every second or so.
    pub fn sweep(&self, is_current: impl Fn(&Tenant) -> bool) {
        self.pool.sweep(is_current);
    }

    /// Closes all idle connections.
    pub fn close_idle(&self) {
        self.pool.clear();
    }

    /// How its connections came to be.
    pub fn connections(&self) -> Connections {
        let Self { connector: _, memory: _, reuse: _, pool, dials, failed_dials, reuses } = self;
        Connections { idle: pool.idle(), dials: dials.get(), failed_dials: failed_dials.get(), reuses: reuses.get() }
    }

    /// The request on its way over a connection that there is already.
    fn waiting(&self, key: &PoolKey, request: &mut Request<'_>) -> Option<Lane> {
        // One that has switched does not come back, so none that others can use is taken for it.
        if request.upgrade {
            return None;
        }
        let own = match self.pool.find(key)? {
            Found::Own(channel) => channel,
            Found::Shared(connection) => match Lane::http2(connection, request) {
                lane @ Some(_) => return lane.inspect(|_| self.reuses.one()),
                None => self.pool.take(key)?,
            },
        };
        self.reuses.one();
        Some(Lane::http1(own, request))
    }

    fn shared(&self, key: &PoolKey, request: &mut Request<'_>) -> Option<Lane> {
        Lane::http2(self.pool.share(key)?, request)
    }

    /// The same over a new connection, or over one that somebody else has dialled meanwhile.
    async fn fresh(&self, key: &PoolKey, request: &mut Request<'_>, versions: Versions) -> Result<Lane, Failure> {
        if request.upgrade || versions == Versions::Http1 || key.origin.scheme == Scheme::Http {
            return self.dial_http1(key, request).await;
        }
        let patience = Instant::now() + LONGEST_WAIT;
        let flight = loop {
            match self.pool.turn(key) {
                Turn::Dial(flight) => break flight,
                Turn::Wait(landed) => {
                    let waited = timeout_at(patience, landed).await;
                    if let Some(lane) = self.shared(key, request) {
                        self.reuses.one();
                        return Ok(lane);
                    }
                    if waited.is_err() {
                        break None;
                    }
                }
            }
        };
        self.dial(key, request, flight).await
    }

    async fn dial(&self, key: &PoolKey, request: &mut Request<'_>, flight: Option<Flight>) -> Result<Lane, Failure> {
        let dialled = self.connect(&key.origin, request.client, request.fields, Versions::Both).await?;
        if !dialled.wire.is_http2() {
            self.pool.prefers_http1(key);
            return Ok(Lane::http1(Channel::new(dialled, key.clone(), &self.pool, request.silence.usual), request));
        }
        // Somebody who did not wait either may have been faster.
        if let Some(lane) = self.shared(key, request) {
            return Ok(lane);
        }
        let share = self.memory.windows.share(request.client.clone());
        let started = Multiplexed::start(dialled.wire, key.clone(), flight, share, request.longest_head).await;
        let connection = started.map_err(|error| Failure::Gone(Some(into_io(error))))?;
        self.pool.add(&connection);
        match Lane::http2(connection, request) {
            Some(lane) => Ok(lane),
            None => self.dial_http1(key, request).await,
        }
    }

    async fn dial_http1(&self, key: &PoolKey, request: &mut Request<'_>) -> Result<Lane, Failure> {
        let versions = if request.upgrade { Versions::Upgrade } else { Versions::Http1 };
        let dialled = self.connect(&key.origin, request.client, request.fields, versions).await?;
        let channel = Channel::new(dialled, key.clone(), &self.pool, request.silence.usual);
        Ok(match key.origin.scheme {
            Scheme::Http => Lane::http1(channel, request),
            Scheme::Https => Lane::downgraded(channel, request),
        })
    }

    async fn connect(
        &self,
        to: &Origin,
        client: &Client,
        fields: &Fields,
        versions: Versions,
    ) -> Result<Dialled, Failure> {
        self.dials.one();
        let via: Vec<&[u8]> = fields.all(Known::Via).collect();
        let dialled = self.connector.dial(to, versions, &OnBehalf { client, via: &via }).await;
        let mut dialled = dialled.inspect_err(|error| self.note_failed(error))?;
        dialled.wire.bound_unread(self.memory.receiving.share(client.clone()));
        Ok(dialled)
    }

    fn note_failed(&self, error: &DialError) {
        self.failed_dials.one();
        if error.is_exhaustion() {
            // The next one finds a descriptor.
            self.close_idle();
        }
    }

    async fn exchange(&self, lane: Lane, request: &mut Request<'_>) -> Result<Answer, Failure> {
        let (mut interims, mut memory) = (Interims::default(), None);
        loop {
            let answer = poll_fn(|cx| match lane.poll_answer(cx, request.method) {
                Poll::Pending => match self.memory.hold(&mut memory, lane.held(), request.client) {
                    Ok(()) => Poll::Pending,
                    Err(full) => Poll::Ready(Err(full.into())),
                },
                ready @ Poll::Ready(_) => ready,
            });
            let (mut head, framing) = match answer.await {
                Err(Failure::Gone(_) | Failure::Unprocessed(_)) if interims.have_begun() => {
                    return Err(Failure::Unexpected("it ends after an interim one"));
                }
                Err(Failure::Unprocessed(_)) if !lane.gives_back(request) => {
                    return Err(Failure::Unexpected("it refuses what it has begun to read"));
                }
                answer => answer?,
            };
            self.memory.hold(&mut memory, head.fields.held(), request.client)?;
            match head.status {
                407 if lane.hop().is_some() => return Err(DialError::ParentRefused(407).into()),
                200.. => {
                    head.memory = memory;
                    return Ok(lane.answer(head, framing));
                }
                101 if request.upgrade => return lane.switch(head),
                101 => return Err(Failure::Unexpected("it switches protocols unasked")),
                _ => {
                    interims.add(&head, Instant::now(), request.silence.streaming)?;
                    if let Some(interim) = &mut request.interim {
                        interim.pass(head).await;
                    }
                }
            }
        }
    }
}

/// Whether origins expect to be told the length of the content even where there is none (RFC 9110 section 8.6); some answer
/// 411 else.
fn anticipates_content(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

/// Only an idempotent request (RFC 9110 section 9.2.2) of which no body byte can have arrived.
fn may_repeat(request: &Request<'_>) -> bool {
    request.body.is_empty() && request.method.is_idempotent()
}
