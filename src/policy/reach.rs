//! What a credential may be used for at all, for whoever asks before there is a request. Reads the rules as `judge` does,
//! but in three values: where it depends on the URL, the time or the counters, either answer is possible.

use std::sync::Arc;

use http::Method;

use crate::policy::{
    rule::{Action, Condition, Rule},
    set::{Evaluation, Policy},
};

/// What agents use. A policy may know others.
const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// The methods that no policy denies whatever the URL, the time and the counters are. A method that is not among them
/// never passes; one that is may still not.
pub fn methods_that_may_pass(policies: &[Arc<Policy>]) -> Vec<Method> {
    METHODS.into_iter().filter(|method| policies.iter().all(|it| may_allow(it, method))).collect()
}

fn may_allow(policy: &Policy, method: &Method) -> bool {
    let by_default = policy.default_action == Action::Allow;
    if policy.evaluation == Some(Evaluation::FirstMatch) {
        let rules = in_order(&policy.rules, method, |_| true);
        return rules.allow || rules.none && by_default;
    }
    let is_url = |it: &Condition| matches!(it, Condition::UrlMatch(_));
    let is_method = |it: &Condition| matches!(it, Condition::MethodMatch(_));
    let denies_always = |it: &Rule| it.action == Action::Deny && matches!(it.condition, Condition::RateLimit(_));
    let (urls, methods) = (in_order(&policy.rules, method, is_url), in_order(&policy.rules, method, is_method));
    if policy.rules.iter().any(denies_always) || urls.only_denies() || methods.only_denies() {
        return false;
    }
    let composites = in_order(&policy.rules, method, Condition::is_composite);
    let simple = policy.rules.iter().any(|it| is_url(&it.condition) || is_method(&it.condition));
    let passes = policy.traits().only_limits || simple && urls.may_pass() && methods.may_pass();
    composites.allow || composites.none && (by_default || passes)
}

/// What rules of which the first match decides may come to.
#[derive(Clone, Copy, Default)]
struct Ends {
    /// One of them allows, whether it is reached or not.
    grants: bool,
    /// An allow may be the first match.
    allow: bool,
    /// There may be no match.
    none: bool,
}

impl Ends {
    fn only_denies(self) -> bool {
        !self.allow && !self.none
    }

    /// As a dimension of `judge`.
    fn may_pass(self) -> bool {
        self.allow || self.none && !self.grants
    }
}

fn in_order(rules: &[Rule], method: &Method, is_asked: impl Fn(&Condition) -> bool) -> Ends {
    let mut ends = Ends { none: true, ..Ends::default() };
    for Rule { condition, action } in rules.iter().filter(|it| is_asked(&it.condition)) {
        let allows = *action == Action::Allow;
        ends.grants |= allows;
        let holds = holds(condition, method);
        ends.allow |= allows && ends.none && holds != Some(false);
        ends.none &= holds != Some(true);
    }
    ends
}

/// Whether a condition holds; `None` where it depends.
fn holds(condition: &Condition, method: &Method) -> Option<bool> {
    match condition {
        Condition::UrlMatch(it) => it.is_any().then_some(true),
        Condition::MethodMatch(it) => Some(it.contains(method.as_str())),
        Condition::TimeWindow(_) | Condition::RateLimit(_) => None,
        Condition::And(parts) => decided_by(false, parts, method),
        Condition::Or(parts) => decided_by(true, parts, method),
        Condition::Not(part) => holds(part, method).map(|it| !it),
    }
}

/// Parts of which one with the value `enough` decides for all.
fn decided_by(enough: bool, parts: &[Condition], method: &Method) -> Option<bool> {
    let mut together = Some(!enough);
    for part in parts {
        match holds(part, method) {
            None => together = None,
            Some(it) if it == enough => return Some(enough),
            Some(_) => (),
        }
    }
    together
}
