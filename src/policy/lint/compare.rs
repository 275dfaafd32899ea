//! What a policy says against what it seems to say: requests that it allows wherever they go, and requests about which
//! "the first matching rule decides" says something else.

use std::collections::BTreeSet;

use crate::policy::{
    judge::{Basis, Counters, Dues, Outcome, Request, judge},
    lint::{
        Kind,
        probe::{ELSEWHERE, Probe},
    },
    rule::Condition,
    set::{Evaluation, Policy},
};

pub(crate) fn find(policy: &Policy, add: &mut impl FnMut(Option<u16>, Kind, String)) {
    let mut literal = policy.clone();
    literal.evaluation = Some(Evaluation::FirstMatch);
    let mut told = BTreeSet::new();
    let mut tell = |rule, kind, message| {
        if told.insert((rule, kind)) {
            add(rule, kind, message);
        }
    };
    let probe = Probe::of(policy);
    for now in &probe.times {
        for target in &probe.targets {
            for method in &probe.methods {
                for counters in [Counters::Fresh, Counters::Spent] {
                    let request = Request { target, method, now: *now };
                    let said = ask(policy, &request, &counters);
                    let elsewhere = target.to_string() == ELSEWHERE;
                    if let Outcome::Allow(basis) = said
                        && elsewhere
                    {
                        tell(number(basis), Kind::NoHost, no_host(policy, basis));
                    }
                    if policy.evaluation.is_none() {
                        let read = ask(&literal, &request, &counters);
                        if allows(said) != allows(read) {
                            let rule = deciding(read).or(deciding(said));
                            tell(rule, Kind::NotFirstMatch, differs(policy, rule, &request, &counters, allows(read)));
                        }
                    }
                }
            }
        }
    }
}

/// As a live request would be answered, where a rate without room denies.
fn ask(policy: &Policy, request: &Request<'_>, counters: &Counters<'_>) -> Outcome {
    let mut dues = Dues::new();
    let outcome = judge(policy, request, counters, &mut dues);
    let full = dues.iter().find_map(|it| counters.exhausted(it.limit).map(|room| (it.rule, room)));
    match full {
        Some((rule, room)) if allows(outcome) => Outcome::Full(rule, room),
        _ => outcome,
    }
}

fn allows(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Allow(_))
}

fn number(basis: Basis) -> Option<u16> {
    match basis {
        Basis::Rule(number) => Some(number),
        Basis::Unopposed | Basis::Default => None,
    }
}

fn deciding(outcome: Outcome) -> Option<u16> {
    match outcome {
        Outcome::Allow(basis) | Outcome::Deny(basis) => number(basis),
        Outcome::Full(rule, _) => Some(rule),
    }
}

fn no_host(policy: &Policy, basis: Basis) -> String {
    let what = match basis {
        Basis::Rule(number) => policy.condition(Some(number)).map_or("rule", Condition::kind),
        Basis::Unopposed => "a policy whose rules only deny",
        Basis::Default => "default_action",
    };
    format!(
        "{what} allows without naming a host: only the hosts that the credential is bound to limit it; \
         add a rule such as url_match = \"https://api.example.com/*\""
    )
}

fn differs(
    policy: &Policy,
    rule: Option<u16>,
    request: &Request<'_>,
    counters: &Counters<'_>,
    literally: bool,
) -> String {
    let Request { target, method, .. } = request;
    let what = policy.condition(rule).map_or("default_action", Condition::kind);
    let spent = if matches!(counters, Counters::Spent) { " over the rate" } else { "" };
    let names_no_host = if target.to_string() == ELSEWHERE && literally { ", for it names no host" } else { "" };
    let (read, said) = if literally { ("allow", "denies") } else { ("deny", "allows") };
    format!(
        "if the first match decided, {what} would {read} {method} {target}{spent}{names_no_host}; this policy {said} it. \
         Write evaluation = \"per_dimension\" if that is meant, else \"first_match\""
    )
}
