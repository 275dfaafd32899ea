//! The decision, and the permits that only it can give.

use std::{fmt, sync::Arc};

use http::Method;
use jiff::Timestamp;
use smallvec::SmallVec;

use crate::{
    base::{
        host::{Authority, Scheme},
        id::Id,
        target::Target,
    },
    credential::Credential,
    identity::Principal,
    policy::{
        explain,
        judge::{Basis, Counters, Due, Dues, Outcome, Request, judge},
        limit::{Charge, Exhausted, Limiter},
        rule::Condition,
        set::Policy,
    },
};

/// How often a request is decided anew because a rate inside a condition was used up meanwhile.
const MOST_TRIES: usize = 8;

/// All that a decision depends on, but for the counters.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Who calls.
    pub principal: &'a Principal,
    /// What would be used; none when the request goes out as it came.
    pub credential: Option<&'a Credential>,
    /// Every policy whose pattern matches its alias.
    pub policies: &'a [Arc<Policy>],
    /// Where the request goes.
    pub target: &'a Target,
    /// What it does there.
    pub method: &'a Method,
    /// When.
    pub now: Timestamp,
}

/// Leave to send one request, with the secret of at most one credential. Only [`decide`] gives it.
#[derive(Debug)]
pub struct Permit {
    /// With when it was last changed: what is opened must be what was judged.
    credential: Option<(Id, Timestamp)>,
    strips_overrides: bool,
}

/// Leave to show a stored secret to the person who holds the storage password (D-05). Only [`reveal`] gives it.
#[derive(Debug)]
pub struct Reveal {
    credential: Id,
}

/// Why not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Denial {
    /// The credential is bound to no host at all.
    Unbound,
    /// It is bound to others.
    HostNotBound,
    /// It is bound to this host, but over https only.
    Plaintext,
    /// A policy says no.
    Policy(Verdict),
    /// A policy would say yes, had not too much happened lately.
    Rate {
        /// The rule with the rate.
        verdict: Verdict,
        /// When there is room again.
        room: Exhausted,
    },
}

/// Which policy says no, and by what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// Its name.
    pub policy: Arc<str>,
    /// The rule that says it, counted from 1; `None` is the policy's default action.
    pub rule: Option<u16>,
    /// What the rule asks for, as it is written; `default_action` where there is no rule.
    pub condition: &'static str,
}

/// `NAME/RULE`, as audit lines have it; `NAME/default` where no rule says it.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rule {
            Some(rule) => write!(f, "{}/{rule}", self.policy),
            None => write!(f, "{}/default", self.policy),
        }
    }
}

impl Permit {
    /// Whether this is the credential that was judged, unchanged since.
    pub fn is_for(&self, credential: &Credential) -> bool {
        self.credential == Some((credential.id, credential.updated_at))
    }

    /// Whether headers that name another method or URL than the request's must not go upstream: a policy has judged those.
    pub fn strips_overrides(&self) -> bool {
        self.strips_overrides
    }
}

impl Reveal {
    /// Whose secret may be shown.
    pub fn credential(&self) -> Id {
        self.credential
    }
}

/// Decides. A credential is used only against hosts that it is bound to (D-06), and only where every policy about it
/// says yes. What a policy counts is counted last: a request that is refused costs nothing.
///
/// # Errors
/// The reason to refuse.
pub fn decide(facts: &Facts<'_>, limiter: &Limiter) -> Result<Permit, Denial> {
    let Some(credential) = facts.credential else {
        return Ok(Permit { credential: None, strips_overrides: false });
    };
    check_binding(credential, facts.target)?;
    if !facts.policies.is_empty() {
        let counters = Counters::of(facts, credential, limiter);
        explain::log(facts, credential, &counters);
        let passed = pass(facts.policies, &Request::of(facts), &counters, limiter);
        tracing::debug!(target: "vultrino::policy", "Result: {}", if passed.is_ok() { "allow" } else { "deny" });
        passed?;
    }
    let strips_overrides = facts.policies.iter().any(|it| it.traits().judges_requests);
    Ok(Permit { credential: Some((credential.id, credential.updated_at)), strips_overrides })
}

/// The person at the local command line has shown the storage password; that is all it takes.
/// A holder of a key never sees a value.
pub fn reveal(principal: &Principal, credential: &Credential) -> Option<Reveal> {
    matches!(principal, Principal::Local).then_some(Reveal { credential: credential.id })
}

/// Whether the credential may be used there at all.
pub(crate) fn check_binding(credential: &Credential, target: &Target) -> Result<(), Denial> {
    let origin = &target.origin;
    if credential.is_bound_to(origin.scheme, &origin.authority) {
        Ok(())
    } else if credential.bindings.is_empty() {
        Err(Denial::Unbound)
    } else if origin.scheme == Scheme::Http && credential.is_bound_to(Scheme::Https, &secured(&origin.authority)) {
        Err(Denial::Plaintext)
    } else {
        Err(Denial::HostNotBound)
    }
}

/// Where https reaches what http reaches here.
fn secured(authority: &Authority) -> Authority {
    let Authority { host, port } = authority.clone();
    let port = if port == Scheme::Http.default_port() { Scheme::Https.default_port() } else { port };
    Authority { host, port }
}

/// What all policies together say, before anything is counted.
pub(crate) fn consider<'p>(
    policies: &'p [Arc<Policy>],
    request: &Request<'_>,
    counters: &Counters<'_>,
    dues: &mut Dues<'p>,
) -> Result<(), Denial> {
    let mut rate = None;
    for policy in policies {
        match judge(policy, request, counters, dues) {
            Outcome::Allow(_) => (),
            Outcome::Deny(Basis::Rule(number)) => return Err(Denial::Policy(Verdict::of(policy, Some(number)))),
            Outcome::Deny(_) => return Err(Denial::Policy(Verdict::of(policy, None))),
            // Another policy may still say no for good.
            Outcome::Full(rule, room) => {
                rate = rate.or_else(|| Some(Denial::Rate { verdict: Verdict::of(policy, Some(rule)), room }));
            }
        }
    }
    rate.map_or(Ok(()), Err)
}

/// What all policies together say, and counts the request if they let it through.
pub(crate) fn pass(
    policies: &[Arc<Policy>],
    request: &Request<'_>,
    counters: &Counters<'_>,
    limiter: &Limiter,
) -> Result<(), Denial> {
    for tries in 1.. {
        let mut dues = Dues::new();
        consider(policies, request, counters, &mut dues)?;
        let charges: SmallVec<[Charge; 4]> = dues.iter().filter_map(|it| counters.charge(it.limit)).collect();
        if charges.is_empty() {
            return Ok(());
        }
        match limiter.charge_all(&charges) {
            Ok(()) => return Ok(()),
            // Without this rate another rule may decide.
            Err((at, _)) if !dues[at].guards && tries < MOST_TRIES => (),
            Err((at, full)) => return Err(dues[at].denial(full)),
        }
    }
    Ok(())
}

impl<'a> Request<'a> {
    pub(crate) fn of(facts: &Facts<'a>) -> Self {
        Self { target: facts.target, method: facts.method, now: facts.now }
    }
}

impl<'a> Counters<'a> {
    pub(crate) fn of(facts: &Facts<'_>, credential: &Credential, limiter: &'a Limiter) -> Self {
        let caller = facts.principal.holder().map(|it| it.key.id);
        Self::Live { limiter, credential: credential.id, caller }
    }
}

impl Due<'_> {
    /// What it means that there is no room.
    pub(crate) fn denial(&self, room: Exhausted) -> Denial {
        Denial::Rate { verdict: Verdict::of(self.policy, Some(self.rule)), room }
    }
}

impl Verdict {
    fn of(policy: &Policy, rule: Option<u16>) -> Self {
        let condition = policy.condition(rule).map_or("default_action", Condition::kind);
        Self { policy: Arc::clone(&policy.name), rule, condition }
    }
}
