//! The life of one request. Everything that a door does with a request for the world goes through here.

use std::{
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use arc_swap::ArcSwap;
use http::Method;
use jiff::Timestamp;

use crate::{
    audit::{Door, Entry, Recorder},
    base::{
        body::Meter,
        capacity::{Capacity, Client, Share},
        clock::Clock,
        fields::{Fields, Known},
        head::Framing,
        head_memory,
        peer::Peer,
    },
    credential::Credential,
    exchange::{
        Caller, Config, Health, Inbound, Recorded, Refusal, Reply, Snapshot,
        bind::bind,
        check_method,
        failure::refuse,
        forward::{EndToEnd, ask_for_websocket, prepare_answer, prepare_request, takes_trailers},
        identify::{Leave, client, key_in, permitted},
        live::{Live, Rights, Ticket},
        metrics::{Limit, Metrics},
        open::{Open, without_values},
        snapshot,
        strangers::Strangers,
        time_limit::TimeLimit,
    },
    identity::{Permission, Principal, presented},
    inject,
    policy::{Denial, Facts, Limiter, Permit, decide},
    safe::{Safe, Stored},
    upstream::{self, Answer, Request, Tenant, Upstream},
};

/// What one worker needs to run exchanges.
#[derive(Debug)]
pub struct Exchange {
    pub(crate) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) upstream: Upstream,
    pub(crate) recorder: Recorder,
    pub(crate) live: Live,
    pub(crate) metrics: Arc<Metrics>,
    /// Takes why there was no answer, where the owner may know it.
    pub(crate) cause: Option<Arc<OnceLock<String>>>,
}

/// What the exchanges of all workers have in common.
#[derive(Debug)]
pub struct Shared {
    /// Opens secrets.
    pub safe: Safe,
    /// Counts what may happen only so often.
    pub limiter: Limiter,
    /// Refusals of callers that are not known.
    pub strangers: Strangers,
    /// What is open.
    pub open: Arc<Capacity>,
    /// Bytes of heads, see [`head_memory`].
    pub heads: Arc<Capacity>,
    /// Tells the time.
    pub clock: Clock,
    /// What is not as it should be.
    pub health: Health,
}

impl Exchange {
    /// Over what all workers share, and this worker's own way out and records.
    pub fn new(snapshot: Arc<ArcSwap<Snapshot>>, shared: Arc<Shared>, upstream: Upstream, recorder: Recorder) -> Self {
        Self { snapshot, shared, upstream, recorder, live: Live::default(), metrics: Arc::default(), cause: None }
    }

    /// Runs one request to the head of its answer; the body then streams, and closes the record.
    ///
    /// # Errors
    /// The refusal to answer with. Its record is already closed.
    pub async fn run(&self, inbound: &mut Inbound<'_>) -> Result<Reply, Refusal> {
        let mut open = self.open(inbound.door, "http_request")?;
        note(&mut open.entry, inbound);
        let (snapshot, ticket) = (self.snapshot.load_full(), self.live.enter());
        let meter = Arc::new(Meter::new(snapshot.config().max_body_size.unwrap_or(u64::MAX)));
        let attempt = self.attempt(&snapshot, inbound, &mut open, &ticket, &meter);
        let done = Guarded { attempt: pin!(attempt), ticket: &ticket }.await;
        match done {
            Ok(Answer { head, framing, body }) => {
                open.entry.record.status = head.status;
                Ok(Reply { head, framing, body: Recorded::new(body, open, ticket, meter) })
            }
            Err(refusal) => {
                open.entry.record.bytes_up = meter.seen();
                if !open.entry.record.has_name() {
                    let key = key_in(&inbound.fields).or(inbound.presented.key);
                    self.name_caller(&mut open.entry.record, key.as_ref(), inbound.keyless);
                }
                Err(self.close_refused(open, refusal))
            }
        }
    }

    /// The stages in their order; each needs what the one before gives.
    async fn attempt(
        &self,
        snapshot: &Snapshot,
        inbound: &mut Inbound<'_>,
        open: &mut Open,
        ticket: &Ticket,
        meter: &Arc<Meter>,
    ) -> Result<Answer, Refusal> {
        let (now, config) = (self.shared.clock.now(), snapshot.config());
        let Open { entry, share, silenced_by, .. } = open;
        entry.record.generation = snapshot.generation();
        check(inbound, config)?;
        self.check_loop(&inbound.fields)?;
        let principal = self.identify(snapshot, inbound, entry, now)?;
        let share = share.insert(self.share(config, &principal, inbound.source)?);
        let _head = self.hold(&inbound.fields, || client(&principal, inbound.source))?;
        match inbound.leave.take() {
            // The role may be another one by now.
            Some(Leave { .. }) => permitted(&principal, Permission::Execute)?,
            None => self.pace(config, &principal, Permission::Execute)?,
        }
        let known = bind(snapshot, &principal, inbound).inspect_err(|refusal| {
            entry.record.set_credential(presented::unless_key(refusal.alias().unwrap_or_default()));
        })?;
        if let Some(known) = &known {
            entry.record.set_credential(&known.alias);
        }
        let origin = Some(Arc::clone(&inbound.target.origin));
        ticket.uses(Rights { holder: principal.holder().cloned(), known: known.clone(), origin });
        let facts = facts(snapshot, &principal, known.as_deref(), inbound, now);
        let permit =
            decide(&facts, &self.shared.limiter).map_err(|denial| self.deny(entry, denial, known.as_deref()))?;
        let judged = self.metrics.judged(entry.opened());
        let tenant = snapshot.tenant(&principal, known.as_deref());
        let limit = TimeLimit::of(config, known.as_deref(), inbound);
        let reuse = known.as_ref().and_then(|it| it.credential().metadata.reuse());
        let takes_trailers = takes_trailers(&inbound.fields);
        let stripped = prepare_request(inbound, config, permit.strips_overrides())?;
        if inbound.upgrade {
            ask_for_websocket(&mut inbound.fields);
        }
        entry.arm();
        if let Some(known) = &known {
            self.inject(&permit, &known.stored, &mut inbound.fields)?;
        }
        let keep = (inbound.framing != Framing::None).then(|| stripped.keep_trailer(&inbound.fields));
        let mut interim = inbound.interim.take().map(EndToEnd);
        let interim = interim.as_mut().map(|it| it as _);
        let request = Request {
            tenant,
            reuse,
            takes_trailers,
            keep_trailer: keep,
            interim,
            ..request(inbound, share, meter, config, limit)
        };
        let answer = self.upstream.send(request).await;
        let mut answer = answer.map_err(|failure| refuse(&failure, limit, self.cause.as_deref()))?;
        *silenced_by = limit.of_answer(answer.framing, inbound.door);
        self.metrics.answered(judged);
        prepare_answer(&mut answer.head, answer.framing)?;
        Ok(answer)
    }

    /// Records what is refused before it is an exchange: a target that is none, a tunnel that does not come to be.
    /// What was shown by `caller` need not be valid.
    pub fn refuse(&self, door: Door, caller: &Caller<'_>, method: &Method, target: &str, refusal: Refusal) -> Refusal {
        let action = if door == Door::Tunnel { "connect" } else { "http_request" };
        match self.open(door, action) {
            Ok(mut open) => {
                open.entry.set_authority(without_values(target));
                let record = &mut open.entry.record;
                record.set_source(caller.source.and_then(Peer::address));
                record.set_method(method.as_str());
                self.name_caller(record, caller.presented.key.as_ref(), caller.keyless);
                self.close_refused(open, refusal)
            }
            Err(unavailable) => unavailable,
        }
    }

    /// Refuses what has come back to us through the parent proxy.
    ///
    /// # Errors
    /// `Via` names us.
    pub fn check_loop(&self, fields: &Fields) -> Result<(), Refusal> {
        if self.upstream.has_sent(fields) { Err(Refusal::Loop) } else { Ok(()) }
    }

    /// A share of the memory for request heads, of which nothing is taken yet.
    pub fn heads(&self, client: Client) -> Share {
        self.shared.heads.share(client)
    }

    /// The memory for the head of a request, if it is not short: for as long as the request may have to wait.
    ///
    /// # Errors
    /// As much is in use as there may be, for this client or for all.
    pub fn hold(&self, fields: &Fields, client: impl FnOnce() -> Client) -> Result<Option<Share>, Refusal> {
        let bytes = fields.held();
        if bytes <= head_memory::SHORT {
            return Ok(None);
        }
        let mut share = self.heads(client());
        head_memory::hold(&mut share, bytes)?;
        Ok(Some(share))
    }

    /// Counts what may happen only so often.
    pub fn limiter(&self) -> &Limiter {
        &self.shared.limiter
    }

    /// What is in force now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// What is not as it should be, beside the audit log.
    pub fn health(&self) -> &Health {
        &self.shared.health
    }

    /// What has been counted.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// How its connections to origin servers came to be, and how many wait.
    pub fn connections(&self) -> upstream::Connections {
        self.upstream.connections()
    }

    /// Whether records can be written.
    pub fn is_recording(&self) -> bool {
        !self.recorder.is_failing()
    }

    /// Closes all idle connections to origin servers: others need the descriptors.
    pub fn close_idle(&self) {
        self.upstream.close_idle();
    }

    /// Closes idle connections to origin servers whose time is over, and ends what has lost its right.
    pub fn sweep(&self) {
        let (snapshot, now) = (self.snapshot.load(), self.shared.clock.now());
        self.upstream.sweep(|tenant| snapshot.is_current(tenant, now));
        self.live.sweep(|rights| snapshot.upholds(rights, now));
        self.shared.strangers.write(&self.recorder, false);
    }

    /// Writes what is not in the log yet. To be called when no more requests come.
    pub fn finish(&self) {
        self.shared.strangers.write(&self.recorder, true);
    }

    fn deny(&self, entry: &mut Entry, denial: Denial, known: Option<&snapshot::Known>) -> Refusal {
        let alias = known.map(|it| it.alias.to_string()).unwrap_or_default();
        match denial {
            Denial::Unbound => Refusal::Unbound(alias),
            Denial::HostNotBound => Refusal::HostNotBound(alias),
            Denial::Plaintext => Refusal::Plaintext(alias),
            Denial::Policy(verdict) => {
                entry.record.policy = Some(verdict.to_string().into());
                Refusal::Policy(verdict)
            }
            Denial::Rate { verdict, room } => {
                self.metrics.limited(Limit::Policy);
                entry.record.policy = Some(verdict.to_string().into());
                Refusal::RateLimited(room)
            }
        }
    }

    fn inject(&self, permit: &Permit, stored: &Stored<Credential>, fields: &mut Fields) -> Result<(), Refusal> {
        let material = self.shared.safe.open(permit, stored).map_err(|error| {
            tracing::error!(credential = %stored.facts.alias, %error, "a credential could not be opened");
            Refusal::Internal
        })?;
        inject::apply(&stored.facts, material, fields);
        Ok(())
    }
}

/// What can be refused without knowing anything.
fn check(inbound: &Inbound<'_>, config: &Config) -> Result<(), Refusal> {
    check_method(&inbound.method)?;
    if let Some(why) = inbound.fields.repeated() {
        return Err(Refusal::Invalid(why));
    }
    if inbound.fields.all(Known::Expect).any(|it| !it.eq_ignore_ascii_case(b"100-continue")) {
        return Err(Refusal::Expectation);
    }
    match (inbound.framing, config.max_body_size) {
        (Framing::Length(length), Some(most)) if length > most => Err(Refusal::TooLarge),
        _ => Ok(()),
    }
}

fn facts<'a>(
    snapshot: &'a Snapshot,
    principal: &'a Principal,
    known: Option<&'a snapshot::Known>,
    inbound: &'a Inbound<'_>,
    now: Timestamp,
) -> Facts<'a> {
    let policies = known.map_or(&[][..], |it| snapshot.policies_for(it));
    let credential = known.map(snapshot::Known::credential);
    Facts { principal, credential, policies, target: &inbound.target, method: &inbound.method, now }
}

fn note(entry: &mut Entry, inbound: &Inbound<'_>) {
    let origin = &inbound.target.origin;
    let path = inbound.target.path_in_url();
    let path = if presented::holds_a_key(path.as_bytes()) { "/..." } else { path };
    entry.record.set_source(inbound.source.and_then(Peer::address));
    entry.record.set_method(inbound.method.as_str());
    entry.set_url(origin.scheme.as_str(), origin.host_field(), path);
}

fn request<'a>(
    inbound: &'a mut Inbound<'_>,
    share: &'a Share,
    meter: &Arc<Meter>,
    config: &Config,
    limit: TimeLimit,
) -> Request<'a> {
    Request {
        target: &inbound.target,
        method: &inbound.method,
        fields: &inbound.fields,
        framing: inbound.framing,
        body: std::mem::take(&mut inbound.body).metered(meter),
        silence: limit.silence(config, inbound.door),
        longest_head: config.longest_answer_head,
        tenant: Tenant::default(),
        client: share.client(),
        reuse: None,
        takes_trailers: false,
        keep_trailer: None,
        interim: None,
        upgrade: inbound.upgrade,
    }
}

/// Turns a panic inside one exchange into its refusal, so that the others go on; ends one whose right is taken away.
pub(crate) struct Guarded<'a, F> {
    pub(crate) attempt: Pin<&'a mut F>,
    pub(crate) ticket: &'a Ticket,
}

impl<T, F: Future<Output = Result<T, Refusal>>> Future for Guarded<'_, F> {
    type Output = Result<T, Refusal>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let work = AssertUnwindSafe(|| self.attempt.as_mut().poll(cx));
        let polled = std::panic::catch_unwind(work).unwrap_or(Poll::Ready(Err(Refusal::Internal)));
        match polled {
            Poll::Pending => self.ticket.poll_revoked(cx).map(|()| Err(Refusal::Revoked)),
            ready @ Poll::Ready(_) => ready,
        }
    }
}
