//! One request, one answer: over a pooled connection where one is alive, else over a fresh one.

use std::{future::poll_fn, io, ops::AddAssign, sync::Arc, time::Duration};

use http::Method;
use rustls::ClientConfig;
use thiserror::Error;

use crate::{
    base::{
        body::{Body, BodyError},
        count::Count,
        fields::{Fields, Known},
        head::{AnswerHead, Framing, Interim},
        host::Authority,
        target::Target,
    },
    http1::{
        Refused,
        send::{KeepTrailer, Outgoing},
        write,
    },
    upstream::{
        Config,
        channel::Channel,
        connect::{Connector, DialError},
        guard::Guard,
        hop::Hop,
        pool::Pool,
    },
};

/// Most interim answers before a final one.
const MOST_INTERIM: usize = 16;

/// The way out of one worker.
#[derive(Debug)]
pub struct Upstream {
    connector: Connector,
    pool: Arc<Pool>,
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
    /// What was injected included.
    pub fields: &'a Fields,
    /// How the body is told.
    pub framing: Framing,
    /// As it comes from the client.
    pub body: Body,
    /// For silence of the origin server: from the last request byte to the answer, and inside bodies. Never a total.
    pub timeout: Duration,
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
    /// The answer is no valid HTTP.
    #[error("the origin server's answer is not valid: {0}")]
    Answer(#[from] Refused),
    /// Too many interim answers, or an upgrade that nobody asked for.
    #[error("the origin server's answer is not valid: {0}")]
    Unexpected(&'static str),
    /// No answer in time.
    #[error("the origin server did not answer in time")]
    Timeout,
    /// The request could not be read to its end.
    #[error(transparent)]
    Request(BodyError),
}

impl Upstream {
    /// A way out with an empty pool. Must be used on one runtime only.
    pub fn new(config: &Config, guard: Arc<Guard>, tls: Arc<ClientConfig>, hop: Option<Arc<Hop>>) -> Self {
        let connector = Connector::new(guard, tls, hop, config.connect_timeout);
        let [dials, failed_dials, reuses] = Default::default();
        Self { connector, pool: Arc::default(), dials, failed_dials, reuses }
    }

    /// Sends a request and waits for the head of its answer. A pooled connection that proves dead is replaced once,
    /// if the request may be sent twice.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn send(&self, mut request: Request<'_>) -> Result<Answer, Failure> {
        // One that has switched does not come back, and what waits in the pool may speak another version.
        let waiting = if request.upgrade { None } else { self.pool.take(&request.target.origin) };
        if let Some(channel) = waiting {
            self.reuses.one();
            let again = may_repeat(&request);
            match self.exchange(channel, &mut request).await {
                Err(Failure::Gone(_)) if again => {}
                done => return done,
            }
        }
        self.dials.one();
        let via: Vec<&[u8]> = request.fields.all(Known::Via).collect();
        let dialled = Box::pin(self.connector.dial(&request.target.origin, &via)).await;
        let dialled = dialled.inspect_err(|error| {
            self.failed_dials.one();
            if error.is_exhaustion() {
                // The next one finds a descriptor.
                self.close_idle();
            }
        })?;
        let channel = Channel::new(dialled, Arc::clone(&request.target.origin), &self.pool, request.timeout);
        self.exchange(channel, &mut request).await
    }

    /// Whether a connection to this is refused, whatever its name stands for.
    pub fn forbids(&self, authority: &Authority) -> bool {
        self.connector.forbids(authority)
    }

    /// Whether a request with these fields has been sent by us before, through the parent proxy.
    pub fn has_sent(&self, fields: &Fields) -> bool {
        self.connector.hop().is_some_and(|it| it.is_behind(fields))
    }

    /// Closes idle connections whose time is over. Call it now and then.
    pub fn sweep(&self) {
        self.pool.sweep();
    }

    /// Closes all idle connections.
    pub fn close_idle(&self) {
        self.pool.clear();
    }

    /// How its connections came to be.
    pub fn connections(&self) -> Connections {
        let Self { connector: _, pool, dials, failed_dials, reuses } = self;
        Connections { idle: pool.idle(), dials: dials.get(), failed_dials: failed_dials.get(), reuses: reuses.get() }
    }

    async fn exchange(&self, channel: Arc<Channel>, request: &mut Request<'_>) -> Result<Answer, Failure> {
        channel.begin(outgoing(request, channel.hop()), request.timeout);
        for passed in 0..=MOST_INTERIM {
            let answer = poll_fn(|cx| channel.poll_answer(cx, request.method)).await;
            let (head, framing) = match answer {
                // What was answered, even if not finally, is not asked again.
                Err(Failure::Gone(_)) if passed > 0 => return Err(Failure::Unexpected("it ends after an interim one")),
                answer => answer?,
            };
            match head.status {
                407 if channel.hop().is_some() => return Err(DialError::ParentRefused(407).into()),
                200.. => return Ok(Answer { head, framing, body: channel.into_body() }),
                101 if request.upgrade => return switch(channel, head),
                101 => return Err(Failure::Unexpected("it switches protocols unasked")),
                _ => {
                    if let Some(interim) = &mut request.interim {
                        interim.pass(head).await;
                    }
                }
            }
        }
        Err(Failure::Unexpected("it sends too many interim answers"))
    }
}

/// Only to what was asked for (RFC 9110 section 7.8).
fn switch(channel: Arc<Channel>, head: AnswerHead) -> Result<Answer, Failure> {
    if !head.fields.upgrades_to_websocket() {
        return Err(Failure::Unexpected("it switches to a protocol that was not asked for"));
    }
    let side = channel.into_side().ok_or(Failure::Unexpected("it switches protocols before it has the request"))?;
    Ok(Answer { head, framing: Framing::None, body: Body::Switched(Box::new(side)) })
}

fn outgoing(request: &mut Request<'_>, hop: Option<&Hop>) -> Outgoing {
    let Request { target, method, fields, framing, body, keep_trailer, .. } = request;
    let host = target.origin.host_field();
    let head = match hop {
        None => write::request(method, target.path_and_query(), host, [*fields], *framing),
        Some(hop) => write::request(method, &target.absolute_form(), host, [*fields, hop.fields()], *framing),
    };
    let outgoing = Outgoing::new(head, *framing, std::mem::take(body)).keeping(keep_trailer.clone());
    let is_secret = |it: &Fields| it.injected().next().is_some();
    if is_secret(fields) || hop.is_some_and(|it| is_secret(it.fields())) { outgoing.secret() } else { outgoing }
}

/// Only an idempotent request (RFC 9110 section 9.2.2) of which no body byte can have arrived.
fn may_repeat(request: &Request<'_>) -> bool {
    request.body.is_empty() && request.method.is_idempotent()
}
