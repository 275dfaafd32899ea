//! Requests that the rules of a policy can tell apart.

use http::Method;
use jiff::Timestamp;

use crate::{
    base::target::Target,
    policy::{
        lint::{each, times::minutes},
        rule::Condition,
        set::Policy,
    },
};

/// A host that nobody names.
pub(crate) const ELSEWHERE: &str = "https://elsewhere.example/";
/// More make no new case.
const MOST: usize = 24;

/// What requests are put together of.
pub(crate) struct Probe {
    /// The first is [`ELSEWHERE`].
    pub(crate) targets: Vec<Target>,
    pub(crate) methods: Vec<Method>,
    pub(crate) times: Vec<Timestamp>,
}

impl Probe {
    pub(crate) fn of(policy: &Policy) -> Self {
        let mut conditions = Vec::new();
        for rule in &policy.rules {
            each(&rule.condition, &mut |it| conditions.push(it));
        }
        Self { targets: targets(&conditions), methods: methods(&conditions), times: times(&conditions) }
    }
}

fn targets(conditions: &[&Condition]) -> Vec<Target> {
    let mut urls = vec![ELSEWHERE.to_owned()];
    for condition in conditions {
        if let Condition::UrlMatch(pattern) = condition {
            for example in pattern.examples() {
                let host = example.split('/').take(3).collect::<Vec<_>>().join("/");
                urls.extend([example.to_owned(), format!("{host}/elsewhere")]);
            }
        }
    }
    unique(urls).iter().filter_map(|it| Target::parse(it).ok()).collect()
}

fn methods(conditions: &[&Condition]) -> Vec<Method> {
    let mut names: Vec<String> = ["GET", "POST", "DELETE", "PATCH"].map(str::to_owned).to_vec();
    for condition in conditions {
        if let Condition::MethodMatch(methods) = condition {
            names.extend(methods.iter().map(str::to_owned));
        }
    }
    unique(names).iter().filter_map(|it| it.parse().ok()).collect()
}

/// A time inside and one outside each window, and inside all of them if there is one.
fn times(conditions: &[&Condition]) -> Vec<Timestamp> {
    let windows: Vec<_> = conditions
        .iter()
        .filter_map(|it| if let Condition::TimeWindow(window) = it { Some(window) } else { None })
        .take(MOST / 2)
        .collect();
    let mut times: Vec<Timestamp> =
        minutes().find(|it| windows.iter().all(|window| window.holds(*it))).into_iter().collect();
    for window in windows {
        times.extend([true, false].into_iter().filter_map(|wanted| minutes().find(|it| window.holds(*it) == wanted)));
    }
    unique(times)
}

/// Each once, the first ones.
fn unique<T: PartialEq>(all: Vec<T>) -> Vec<T> {
    let mut kept: Vec<T> = Vec::new();
    for it in all {
        if kept.len() < MOST && !kept.contains(&it) {
            kept.push(it);
        }
    }
    kept
}
