//! Likely mistakes in policies.

mod compare;
mod probe;
mod shadow;
mod times;

use std::fmt;

use serde::Serialize;

use crate::policy::{
    rule::{Action, Condition},
    set::{Policy, PolicySet},
};

/// A likely mistake.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct Concern {
    /// The name of the policy.
    pub policy: String,
    /// The rule, counted from 1; `None` is the policy as a whole.
    pub rule: Option<u16>,
    /// What it is about.
    pub kind: Kind,
    /// What it is, and what to do about it.
    pub message: String,
}

/// What a concern is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An earlier rule decides wherever this one matches.
    Shadowed,
    /// It allows requests to any host, in a policy that names hosts.
    NoHost,
    /// Its windows leave no time.
    NeverMatches,
    /// A pattern ends in `*` where the host is not over yet.
    StarInHost,
    /// It denies every request.
    AlwaysDenies,
}

/// All concerns, in the order of policies and rules.
pub fn lint(policies: &PolicySet) -> Vec<Concern> {
    policies
        .iter()
        .flat_map(|policy| {
            let mut found = Vec::new();
            let mut add = |rule, kind, message: String| {
                let policy = policy.name.as_ref().to_owned();
                found.push(Concern { policy, rule, kind, message });
            };
            patterns(policy, &mut add);
            shadow::find(policy, &mut add);
            times::find(policy, &mut add);
            compare::find(policy, &mut add);
            found.sort_by_key(|it| (it.rule, it.kind));
            found
        })
        .collect()
}

impl fmt::Display for Concern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rule {
            Some(rule) => write!(f, "policy \"{}\", rule {rule}: {}", self.policy, self.message),
            None => write!(f, "policy \"{}\": {}", self.policy, self.message),
        }
    }
}

impl Kind {
    /// As programs read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shadowed => "shadowed",
            Self::NoHost => "no_host",
            Self::NeverMatches => "never_matches",
            Self::StarInHost => "star_in_host",
            Self::AlwaysDenies => "always_denies",
        }
    }
}

fn patterns(policy: &Policy, add: &mut impl FnMut(Option<u16>, Kind, String)) {
    for (number, rule) in policy.numbered() {
        each(&rule.condition, &mut |condition| {
            if let Condition::UrlMatch(pattern) = condition
                && pattern.ends_inside_the_host()
            {
                let meant = pattern.as_str().trim_end_matches('*');
                let message = format!(
                    "{pattern} ends inside the host: it matches {meant}x and no path but /; \
                     for everything on that host write {meant}/*"
                );
                add(Some(number), Kind::StarInHost, message);
            }
        });
        if matches!(rule.condition, Condition::RateLimit(_)) && rule.action == Action::Deny {
            let message = "a rate with action = \"deny\" denies while there is room, which is always: \
                           nothing that is denied is counted; write action = \"allow\"";
            add(Some(number), Kind::AlwaysDenies, message.to_owned());
        }
    }
}

/// A condition and all that it holds.
fn each<'c>(condition: &'c Condition, visit: &mut impl FnMut(&'c Condition)) {
    visit(condition);
    for part in condition.parts() {
        each(part, visit);
    }
}
