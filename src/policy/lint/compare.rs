//! Requests to hosts that a policy does not name, which it allows although it names hosts.

use std::collections::BTreeSet;

use crate::policy::{
    judge::{Basis, Counters, Dues, Outcome, Request, judge},
    lint::{
        Kind, each,
        probe::{ELSEWHERE, Probe},
    },
    rule::{Action, Condition},
    set::Policy,
};

/// Hosts that requests are not limited to, where the policy seems to limit them: a credential's bindings limit all.
pub(crate) fn find(policy: &Policy, add: &mut impl FnMut(Option<u16>, Kind, String)) {
    if !names_hosts(policy) {
        return;
    }
    let mut told = BTreeSet::new();
    let probe = Probe::of(policy);
    for now in &probe.times {
        for target in probe.targets.iter().filter(|it| it.to_string() == ELSEWHERE) {
            for (method, counters) in probe.methods.iter().flat_map(|it| [(it, Counters::Fresh), (it, Counters::Spent)])
            {
                let request = Request { target, method, now: *now };
                if let Outcome::Allow(basis) = judge(policy, &request, &counters, &mut Dues::new())
                    && told.insert(number(basis))
                {
                    add(number(basis), Kind::NoHost, no_host(policy, basis));
                }
            }
        }
    }
}

/// Whether a rule allows requests to certain hosts.
fn names_hosts(policy: &Policy) -> bool {
    policy.rules.iter().filter(|it| it.action == Action::Allow).any(|rule| {
        let mut found = false;
        each(&rule.condition, &mut |it| found |= matches!(it, Condition::UrlMatch(pattern) if !pattern.is_any()));
        found
    })
}

fn number(basis: Basis) -> Option<u16> {
    match basis {
        Basis::Rule(number) => Some(number),
        Basis::Unopposed | Basis::Default => None,
    }
}

fn no_host(policy: &Policy, basis: Basis) -> String {
    let what = match basis {
        Basis::Rule(number) => policy.condition(Some(number)).map_or("rule", Condition::kind),
        Basis::Unopposed => "a policy whose rules only deny",
        Basis::Default => "default_action",
    };
    format!(
        "{what} allows requests to hosts that no rule names; only the hosts that the credential is bound to limit them. \
         Add a url_match to that rule, or write default_action = \"deny\""
    )
}
