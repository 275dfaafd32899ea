//! What one policy says about one request. Reads counters, never changes them.

use http::Method;
use jiff::Timestamp;
use smallvec::SmallVec;

use crate::{
    base::{id::Id, target::Target},
    policy::{
        limit::{Charge, Exhausted, LimitKey, Limiter},
        rate::{Per, Rate, RateLimit},
        rule::{Action, Condition, Rule},
        set::{Evaluation, Policy},
    },
};

/// What rules ask of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) target: &'a Target,
    pub(crate) method: &'a Method,
    pub(crate) now: Timestamp,
}

/// What rates are judged by.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Counters<'a> {
    /// As they stand for this credential and caller.
    Live { limiter: &'a Limiter, credential: Id, caller: Option<Id> },
    /// As if nothing had ever been counted.
    Fresh,
    /// As if no rate had room.
    Spent,
}

/// What a policy says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Allow(Basis),
    Deny(Basis),
    /// It would allow, had this rate room.
    Full(u16, Exhausted),
}

/// By what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Basis {
    Rule(u16),
    /// No rule says anything against it.
    Unopposed,
    Default,
}

/// A rate that this request counts for, if it is let through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due<'p> {
    pub(crate) policy: &'p Policy,
    pub(crate) rule: u16,
    pub(crate) limit: &'p RateLimit,
    /// Whether the rate is the whole rule: then it has not been looked at yet, and nothing else depends on it.
    pub(crate) guards: bool,
}

/// Few policies have more than one or two.
pub(crate) type Dues<'p> = SmallVec<[Due<'p>; 4]>;

/// Rates, each with what is known where it has no room.
type Hinges<'p> = SmallVec<[(&'p RateLimit, Option<Exhausted>); 4]>;

/// What the policy says; `dues` gets what would have to be counted.
pub(crate) fn judge<'p>(
    policy: &'p Policy,
    request: &Request<'_>,
    counters: &Counters<'_>,
    dues: &mut Dues<'p>,
) -> Outcome {
    let mut bench = Bench { policy, request, counters, dues, full: None };
    let outcome = bench.verdict();
    let (Outcome::Deny(_), Some((rule, room))) = (outcome, bench.full) else { return outcome };
    let fresh = Bench { counters: &Counters::Fresh, dues: &mut Dues::new(), ..bench }.verdict();
    if matches!(fresh, Outcome::Allow(_)) { Outcome::Full(rule, room) } else { outcome }
}

/// Whether a condition holds.
pub(crate) fn holds(condition: &Condition, request: &Request<'_>, counters: &Counters<'_>) -> bool {
    match condition {
        Condition::UrlMatch(it) => it.matches(request.target),
        Condition::MethodMatch(it) => it.contains(request.method.as_str()),
        Condition::TimeWindow(it) => it.holds(request.now),
        Condition::RateLimit(it) => counters.exhausted(it).is_none(),
        Condition::And(parts) => parts.iter().all(|it| holds(it, request, counters)),
        Condition::Or(parts) => parts.iter().any(|it| holds(it, request, counters)),
        Condition::Not(part) => !holds(part, request, counters),
    }
}

impl Counters<'_> {
    /// That there is no room, if there is none.
    pub(crate) fn exhausted(&self, limit: &RateLimit) -> Option<Exhausted> {
        match self {
            Self::Fresh => None,
            Self::Spent => {
                let Rate { max, window } = limit.rate;
                Some(Exhausted { max, window, retry_after: window })
            }
            Self::Live { limiter, .. } => {
                let Charge { key, rate } = self.charge(limit)?;
                limiter.room(&key, rate).err()
            }
        }
    }

    /// Where a grant would be counted; nowhere if nothing is.
    pub(crate) fn charge(&self, limit: &RateLimit) -> Option<Charge> {
        match *self {
            Self::Fresh | Self::Spent => None,
            Self::Live { credential, caller, .. } => {
                let caller = caller.filter(|_| limit.per == Per::Key);
                Some(Charge { key: LimitKey::of_rule(limit.id, credential, caller), rate: limit.rate })
            }
        }
    }
}

/// One policy at work on one request.
struct Bench<'p, 'a> {
    policy: &'p Policy,
    request: &'a Request<'a>,
    counters: &'a Counters<'a>,
    dues: &'a mut Dues<'p>,
    /// A rate inside a condition that had no room and would have made a difference; of several the slowest.
    full: Option<(u16, Exhausted)>,
}

/// Rules about one thing, of which the first match decides.
#[derive(Clone, Copy, Default)]
struct Dimension {
    decided: bool,
    grants: bool,
}

impl Dimension {
    /// Nothing in it asks for more than came.
    fn passes(self) -> bool {
        self.decided || !self.grants
    }
}

impl<'p> Bench<'p, '_> {
    fn verdict(&mut self) -> Outcome {
        match self.policy.evaluation {
            None | Some(Evaluation::PerDimension) => self.per_dimension(),
            Some(Evaluation::FirstMatch) => self.in_order(|_| true).unwrap_or_else(|| self.default()),
        }
    }

    fn per_dimension(&mut self) -> Outcome {
        let policy = self.policy;
        let (mut urls, mut methods) = (Dimension::default(), Dimension::default());
        let (mut granted_by, mut simple) = (None, false);
        for (number, Rule { condition, action }) in policy.numbered() {
            let allows = *action == Action::Allow;
            let dimension = match condition {
                Condition::TimeWindow(it) if it.holds(self.request.now) == allows => continue,
                Condition::RateLimit(limit) if allows => {
                    self.dues.push(Due { policy, rule: number, limit, guards: true });
                    continue;
                }
                // A rate that denies while it holds always does: nothing is ever counted.
                Condition::TimeWindow(_) | Condition::RateLimit(_) => return Outcome::Deny(Basis::Rule(number)),
                Condition::UrlMatch(_) => &mut urls,
                Condition::MethodMatch(_) => &mut methods,
                Condition::And(_) | Condition::Or(_) | Condition::Not(_) => continue,
            };
            simple = true;
            dimension.grants |= allows;
            if !dimension.decided && holds(condition, self.request, self.counters) {
                if !allows {
                    return Outcome::Deny(Basis::Rule(number));
                }
                dimension.decided = true;
                granted_by = granted_by.or(Some(number));
            }
        }
        let composite = |it: &Rule| it.condition.is_composite();
        if policy.traits().composites
            && let Some(outcome) = self.in_order(composite)
        {
            return outcome;
        }
        match granted_by {
            _ if policy.traits().only_limits => Outcome::Allow(Basis::Rule(1)),
            Some(number) if urls.passes() && methods.passes() => Outcome::Allow(Basis::Rule(number)),
            None if simple && urls.passes() && methods.passes() => Outcome::Allow(Basis::Unopposed),
            _ => self.default(),
        }
    }

    /// The first rule that matches decides.
    fn in_order(&mut self, is_asked: impl Fn(&Rule) -> bool) -> Option<Outcome> {
        let policy = self.policy;
        for (number, rule) in policy.numbered().filter(|(_, it)| is_asked(it)) {
            if self.weigh(number, &rule.condition) {
                let basis = Basis::Rule(number);
                return Some(match rule.action {
                    Action::Allow => Outcome::Allow(basis),
                    Action::Deny => Outcome::Deny(basis),
                });
            }
        }
        None
    }

    /// Whether the condition of a rule holds. A rate in it counts this request if it makes a difference for the rule.
    fn weigh(&mut self, rule: u16, condition: &'p Condition) -> bool {
        if !condition.any(&|it| matches!(it, Condition::RateLimit(_))) {
            return holds(condition, self.request, self.counters);
        }
        let mut hinges = Hinges::new();
        let result = self.hinge(condition, &mut hinges);
        for (limit, exhausted) in hinges {
            match exhausted {
                None => self.dues.push(Due { policy: self.policy, rule, limit, guards: false }),
                Some(it) => self.note_full(rule, it),
            }
        }
        result
    }

    /// The same, and the rates that alone could turn the result.
    fn hinge(&self, condition: &'p Condition, hinges: &mut Hinges<'p>) -> bool {
        // For `and` one part that fails is enough, for `or` one that holds: with one such part only its own hinges
        // count, with several none.
        let (parts, neutral) = match condition {
            Condition::And(parts) => (parts, true),
            Condition::Or(parts) => (parts, false),
            Condition::Not(part) => return !self.hinge(part, hinges),
            Condition::RateLimit(limit) => {
                let exhausted = self.counters.exhausted(limit);
                hinges.push((limit, exhausted));
                return exhausted.is_none();
            }
            _ => return holds(condition, self.request, self.counters),
        };
        let start = hinges.len();
        let mut decisive = 0;
        for part in parts {
            let before = hinges.len();
            if self.hinge(part, hinges) == neutral {
                if decisive > 0 {
                    hinges.truncate(before);
                }
            } else {
                decisive += 1;
                if decisive == 1 {
                    hinges.drain(start..before);
                } else {
                    hinges.truncate(start);
                }
            }
        }
        (decisive == 0) == neutral
    }

    fn note_full(&mut self, rule: u16, room: Exhausted) {
        let slower = !matches!(self.full, Some((_, other)) if other.retry_after >= room.retry_after);
        if slower {
            self.full = Some((rule, room));
        }
    }

    fn default(&self) -> Outcome {
        match self.policy.default_action {
            Action::Allow => Outcome::Allow(Basis::Default),
            Action::Deny => Outcome::Deny(Basis::Default),
        }
    }
}
