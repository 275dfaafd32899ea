//! The life of one request. Everything that a door does with a request for the world goes through here.

use std::{
    net::SocketAddr,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use arc_swap::ArcSwap;
use http::Method;

use crate::{
    audit::{Door, Entry, Recorder, Unavailable},
    base::{
        body::{BodyError, Meter},
        fields::{Fields, Known},
        head::{AnswerHead, Framing, Interim},
        target::Origin,
    },
    credential::Credential,
    exchange::{
        Config, Inbound, Recorded, Refusal, Reply, Snapshot, Unmatched,
        bind::bind,
        forward::{prepare_answer, prepare_request},
    },
    identity::{Presented, Principal, presented},
    inject,
    policy::{Denial, Facts, Permit, decide},
    safe::Safe,
    upstream::{Answer, DialError, Failure, Request, Upstream},
};

/// What one worker needs to run exchanges.
#[derive(Debug)]
pub struct Exchange {
    snapshot: Arc<ArcSwap<Snapshot>>,
    safe: Arc<Safe>,
    upstream: Upstream,
    recorder: Recorder,
    config: Arc<Config>,
}

impl Exchange {
    /// Over the snapshot and the safe that all workers share, and this worker's own way out and records.
    pub fn new(
        snapshot: Arc<ArcSwap<Snapshot>>,
        safe: Arc<Safe>,
        upstream: Upstream,
        recorder: Recorder,
        config: Arc<Config>,
    ) -> Self {
        Self { snapshot, safe, upstream, recorder, config }
    }

    /// Runs one request to the head of its answer; the body then streams, and closes the record.
    ///
    /// # Errors
    /// The refusal to answer with. Its record is already closed.
    pub async fn run(&self, inbound: &mut Inbound<'_>) -> Result<Reply, Refusal> {
        let mut entry = self.recorder.open(inbound.door, "http_request").map_err(unrecorded)?;
        note(&mut entry, inbound);
        let meter = Arc::new(Meter::new(self.config.max_body_size.unwrap_or(u64::MAX)));
        let done = Unpanicked(pin!(self.attempt(inbound, &mut entry, &meter))).await;
        match done {
            Ok(Answer { head, framing, body }) => {
                entry.record.status = head.status;
                Ok(Reply { head, framing, body: Recorded::new(body, entry, meter) })
            }
            Err(refusal) => {
                entry.record.bytes_up = meter.seen();
                Err(close(entry, refusal))
            }
        }
    }

    /// The stages in their order; each needs what the one before gives.
    async fn attempt(
        &self,
        inbound: &mut Inbound<'_>,
        entry: &mut Entry,
        meter: &Arc<Meter>,
    ) -> Result<Answer, Refusal> {
        self.check(inbound)?;
        let principal = identify(inbound)?;
        entry.record.name = Some(principal.name());
        let known = bind(&self.snapshot.load(), inbound, self.config.unmatched)?;
        entry.record.credential = known.as_ref().map(|it| Arc::clone(&it.alias));
        let credential = known.as_ref().map(|it| &*it.credential);
        let facts = Facts { principal: &principal, credential, target: &inbound.target, method: &inbound.method };
        let permit = decide(&facts).map_err(|denial| deny(denial, credential))?;
        let stripped = prepare_request(&mut inbound.fields, &self.config);
        entry.arm();
        if let Some(credential) = credential {
            self.inject(&permit, credential, &mut inbound.fields)?;
        }
        let keep = (inbound.framing == Framing::Chunked).then(|| stripped.keep_trailer(&inbound.fields));
        let mut interim = inbound.interim.take().map(EndToEnd);
        let interim = interim.as_mut().map(|it| it as _);
        let request = Request { keep_trailer: keep, interim, ..request(inbound, meter) };
        let answer = self.upstream.send(request).await;
        let mut answer = answer.map_err(|failure| refuse(&failure))?;
        prepare_answer(&mut answer.head, answer.framing);
        Ok(answer)
    }

    /// Records what is refused before it is an exchange: a target that is none, a tunnel that does not come to be.
    pub fn refuse(&self, door: Door, source: SocketAddr, method: &Method, target: &str, refusal: Refusal) -> Refusal {
        let action = if door == Door::Tunnel { "connect" } else { "http_request" };
        match self.recorder.open(door, action) {
            Ok(mut entry) => {
                entry.record.source = Some(source);
                entry.record.set_method(method.as_str());
                entry.record.set_authority(without_values(target));
                close(entry, refusal)
            }
            Err(unavailable) => unrecorded(unavailable),
        }
    }

    /// Whether a tunnel may be opened, before anything is signed for it. The requests in it are judged one by one.
    ///
    /// # Errors
    /// A key that is not valid, a port that nothing permits, a host that would be refused anyway.
    pub fn admit(&self, presented: &Presented, origin: &Origin, ports: &[u16]) -> Result<(), Refusal> {
        authenticate(presented).ok_or(Refusal::ProxyUnauthorized)?;
        let snapshot = self.snapshot.load();
        let named = presented.alias.as_deref().and_then(|it| snapshot.named(it));
        let bound = snapshot.bound_to(origin).next().is_some()
            || named.is_some_and(|it| it.credential.is_bound_to(origin.scheme, &origin.authority));
        if !bound && !ports.contains(&origin.authority.port) {
            return Err(Refusal::Port);
        }
        // A header inside the tunnel may still name a credential, so only `deny` closes it.
        if !bound && self.config.unmatched == Unmatched::Deny {
            return Err(Refusal::Unmatched);
        }
        Ok(())
    }

    /// Whether records can be written.
    pub fn is_recording(&self) -> bool {
        !self.recorder.is_failing()
    }

    /// Closes idle connections to origin servers whose time is over.
    pub fn sweep(&self) {
        self.upstream.sweep();
    }

    /// What can be refused without knowing anything.
    fn check(&self, inbound: &Inbound<'_>) -> Result<(), Refusal> {
        if inbound.fields.all(Known::Expect).any(|it| !it.eq_ignore_ascii_case(b"100-continue")) {
            return Err(Refusal::Expectation);
        }
        match (inbound.framing, self.config.max_body_size) {
            (Framing::Length(length), Some(most)) if length > most => Err(Refusal::TooLarge),
            _ => Ok(()),
        }
    }

    fn inject(&self, permit: &Permit, credential: &Credential, fields: &mut Fields) -> Result<(), Refusal> {
        let material = self.safe.open(permit).map_err(|error| {
            tracing::error!(credential = %credential.alias, %error, "a credential could not be opened");
            Refusal::Internal
        })?;
        inject::apply(credential, &material, fields);
        Ok(())
    }
}

/// Interim answers lose what is for one connection, like final ones.
struct EndToEnd<'a>(&'a mut (dyn Interim + 'a));

impl Interim for EndToEnd<'_> {
    fn pass<'a>(&'a mut self, mut head: AnswerHead) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        prepare_answer(&mut head, Framing::None);
        self.0.pass(head)
    }
}

fn note(entry: &mut Entry, inbound: &Inbound<'_>) {
    let origin = &inbound.target.origin;
    let path = inbound.target.path_and_query();
    let path = if presented::holds_a_key(path.as_bytes()) { "/..." } else { path };
    let record = &mut entry.record;
    record.source = inbound.source;
    record.set_method(inbound.method.as_str());
    record.set_url(origin.scheme.as_str(), origin.host_field(), path);
}

fn unrecorded(unavailable: Unavailable) -> Refusal {
    match unavailable {
        Unavailable::NoSlot => Refusal::Overloaded,
        Unavailable::Failing | Unavailable::Closed => Refusal::AuditUnavailable,
    }
}

/// Of a target that could not be parsed: nothing that may be a value, a password or a key.
fn without_values(target: &str) -> &str {
    let path = target.split(['?', '#']).next().unwrap_or(target);
    let may_hold_one = path.contains('@') || presented::holds_a_key(path.as_bytes());
    if may_hold_one { "..." } else { path }
}

fn identify(inbound: &Inbound<'_>) -> Result<Principal, Refusal> {
    let refusal = if inbound.is_proxy_style() { Refusal::ProxyUnauthorized } else { Refusal::Unauthorized };
    let shown = inbound.fields.all(Known::Authorization).any(|it| presented::in_authorization(it).is_some())
        || presented::holds_a_key(inbound.target.path_and_query().as_bytes());
    if shown { Err(refusal) } else { authenticate(&inbound.presented).ok_or(refusal) }
}

/// In local mode no key is needed, but one that is shown counts, and none has been created.
fn authenticate(presented: &Presented) -> Option<Principal> {
    presented.key.is_none().then_some(Principal::Local)
}

fn request<'a>(inbound: &'a mut Inbound<'_>, meter: &Arc<Meter>) -> Request<'a> {
    Request {
        target: &inbound.target,
        method: &inbound.method,
        fields: &inbound.fields,
        framing: inbound.framing,
        body: std::mem::take(&mut inbound.body).metered(meter),
        keep_trailer: None,
        interim: None,
    }
}

fn deny(denial: Denial, credential: Option<&Credential>) -> Refusal {
    let alias = credential.map(|it| it.alias.to_string()).unwrap_or_default();
    match denial {
        Denial::Unbound => Refusal::Unbound(alias),
        Denial::HostNotBound => Refusal::HostNotBound(alias),
    }
}

/// Whose fault it is that there is no answer. The cause is logged; what the caller reads tells nothing of the network.
fn refuse(failure: &Failure) -> Refusal {
    tracing::debug!(error = failure as &dyn std::error::Error, "no answer from the origin server");
    match failure {
        Failure::Dial(DialError::Blocked) => Refusal::Address,
        Failure::Dial(_) => Refusal::Unreachable,
        Failure::Gone(_) | Failure::Answer(_) | Failure::Unexpected(_) => Refusal::BadAnswer,
        Failure::Timeout => Refusal::Timeout,
        Failure::Request(BodyError::TooLarge) => Refusal::TooLarge,
        Failure::Request(_) => Refusal::ClientGone,
    }
}

fn close(mut entry: Entry, refusal: Refusal) -> Refusal {
    entry.record.status = refusal.status();
    entry.record.reason = Some(refusal.reason().unwrap_or(refusal.code()));
    entry.close(refusal.outcome());
    refusal
}

/// Turns a panic inside one exchange into its refusal; the others go on.
struct Unpanicked<'a, F>(Pin<&'a mut F>);

impl<T, F: Future<Output = Result<T, Refusal>>> Future for Unpanicked<'_, F> {
    type Output = Result<T, Refusal>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let work = AssertUnwindSafe(|| self.0.as_mut().poll(cx));
        std::panic::catch_unwind(work).unwrap_or(Poll::Ready(Err(Refusal::Internal)))
    }
}
