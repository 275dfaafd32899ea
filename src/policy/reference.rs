//! The evaluation of random policies against a slow evaluator that follows the words of the specification.

use std::{collections::BTreeSet, sync::Arc};

use http::Method;
use jiff::Timestamp;
use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any},
    prop_oneof, proptest,
    sample::select,
};
use serde_json::{Value, json};

use crate::{
    base::target::Target,
    identity::Principal,
    policy::{
        Action, Condition, Denial, LimitKey, Policy, PolicySet, Question, Rate, examine, methods_that_may_pass,
        set::Evaluation,
        tests::{World, credential},
    },
};

const URLS: &[&str] = &[
    "https://api.example.com/",
    "https://api.example.com/a/b?x=1",
    "https://api.example.com/a/delete",
    "https://b.example.com:443/a/",
    "http://b.example.com/a",
    "https://evil.example/a/b",
];
const PATTERNS: &[&str] = &[
    "*",
    "https://api.example.com/*",
    "https://*.example.com/a/*",
    "https://api.example.com/*/delete",
    "{http,https}://b.example.com/a",
    "https://api.example.com/*?x=*",
];
const METHODS: &[&str] = &["GET", "POST", "DELETE"];
const TIMES: &[&str] = &["2026-06-01T03:00:00Z", "2026-06-01T12:00:00Z", "2026-06-06T23:30:00Z"];
const WINDOWS: &[(&str, &str)] = &[("09:00", "17:00"), ("23:00", "07:00"), ("00:00", "24:00")];

fn any_leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        select(PATTERNS).prop_map(|it| json!({ "url_match": it })),
        method_leaf(),
        (select(WINDOWS), any::<bool>()).prop_map(|((start, end), weekdays)| {
            let mut window = json!({ "start": start, "end": end, "tz": "UTC" });
            if weekdays {
                window["days"] = json!(["mon", "tue", "wed", "thu", "fri"]);
            }
            json!({ "time_window": window })
        }),
        (1_u32..4).prop_map(|secs| json!({ "rate_limit": { "max": 1, "window_secs": secs * 10 } })),
    ]
}

fn method_leaf() -> impl Strategy<Value = Value> {
    vec(select(METHODS), 1..3).prop_map(|it| json!({ "method_match": it }))
}

fn condition(leaf: impl Strategy<Value = Value> + 'static) -> impl Strategy<Value = Value> {
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 1..4).prop_map(|it| json!({ "and": it })),
            vec(inner.clone(), 1..4).prop_map(|it| json!({ "or": it })),
            inner.prop_map(|it| json!({ "not": it })),
        ]
    })
}

fn random_policy(leaf: impl Strategy<Value = Value> + 'static) -> impl Strategy<Value = Value> {
    let action = || select(&["allow", "allow", "deny"][..]);
    let rule =
        (condition(leaf), action()).prop_map(|(condition, action)| json!({ "condition": condition, "action": action }));
    let evaluation = prop_oneof![Just(None), Just(Some("per_dimension")), Just(Some("first_match"))];
    (vec(rule, 0..5), action(), evaluation).prop_map(|(rules, action, evaluation)| {
        let mut policy = json!({ "name": "p", "credential_pattern": "*", "default_action": action, "rules": rules });
        if let Some(it) = evaluation {
            policy["evaluation"] = json!(it);
        }
        policy
    })
}

/// The specification, word by word, on the whole tree, again for every rate that might turn.
struct Reference<'a> {
    target: &'a Target,
    method: &'a str,
    now: Timestamp,
    full: &'a BTreeSet<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Said {
    Allow,
    Deny,
    Later,
}

impl Reference<'_> {
    fn truth(&self, condition: &Condition, turned: Option<u64>) -> bool {
        match condition {
            Condition::UrlMatch(it) => it.matches(self.target),
            Condition::MethodMatch(it) => it.iter().any(|it| it == self.method),
            Condition::TimeWindow(it) => it.holds(self.now),
            Condition::RateLimit(it) => self.full.contains(&it.id) == (turned == Some(it.id)),
            Condition::And(parts) => parts.iter().filter(|it| !self.truth(it, turned)).count() == 0,
            Condition::Or(parts) => parts.iter().filter(|it| self.truth(it, turned)).count() > 0,
            Condition::Not(part) => !self.truth(part, turned),
        }
    }

    /// The rates in a condition whose turn would turn it.
    fn hinges(&self, condition: &Condition) -> BTreeSet<u64> {
        let mut all = BTreeSet::new();
        condition.clone().rates_mut(&mut |it| all.extend([it.id]));
        all.retain(|it| self.truth(condition, Some(*it)) != self.truth(condition, None));
        all
    }

    /// What the policy says, and what would be counted.
    fn says(&self, policy: &Policy) -> (Said, BTreeSet<u64>) {
        let mut counted = BTreeSet::new();
        let said = self.verdict(policy, &mut counted);
        let asked_full = counted.iter().any(|it| self.full.contains(it));
        counted.retain(|it| !self.full.contains(it));
        let fresh = Reference { full: &BTreeSet::new(), ..*self };
        match said {
            Said::Deny if asked_full && fresh.verdict(policy, &mut BTreeSet::new()) == Said::Allow => {
                (Said::Later, counted)
            }
            _ => (said, counted),
        }
    }

    fn verdict(&self, policy: &Policy, counted: &mut BTreeSet<u64>) -> Said {
        let rules = &policy.rules;
        let of = |action: Action| if action == Action::Allow { Said::Allow } else { Said::Deny };
        let is_limit = |it: &Condition| matches!(it, Condition::TimeWindow(_) | Condition::RateLimit(_));
        let literal = policy.evaluation == Some(Evaluation::FirstMatch);
        let mut passed = true;
        let mut guards = BTreeSet::new();
        if !literal {
            for rule in rules {
                match (&rule.condition, rule.action) {
                    (Condition::RateLimit(it), Action::Allow) => guards.extend([it.id]),
                    (Condition::RateLimit(_), Action::Deny) => return Said::Deny,
                    (it @ Condition::TimeWindow(_), action) if self.truth(it, None) != (action == Action::Allow) => {
                        return Said::Deny;
                    }
                    _ => (),
                }
            }
            for kind in ["url_match", "method_match"] {
                let dimension: Vec<_> = rules.iter().filter(|it| it.condition.kind() == kind).collect();
                match dimension.iter().find(|it| self.truth(&it.condition, None)) {
                    Some(first) if first.action == Action::Deny => return Said::Deny,
                    Some(_) => (),
                    None => passed &= dimension.iter().all(|it| it.action == Action::Deny),
                }
            }
        }
        for rule in rules.iter().filter(|it| literal || it.condition.is_composite()) {
            counted.extend(self.hinges(&rule.condition));
            if self.truth(&rule.condition, None) {
                if rule.action == Action::Allow {
                    counted.extend(guards);
                }
                return of(rule.action);
            }
        }
        let simple = rules.iter().any(|it| !it.condition.is_composite() && !is_limit(&it.condition));
        let only_limits = !rules.is_empty() && rules.iter().all(|it| is_limit(&it.condition));
        let said =
            if !literal && (only_limits || (simple && passed)) { Said::Allow } else { of(policy.default_action) };
        if said == Said::Allow {
            counted.extend(guards);
        }
        said
    }
}

fn read(policies: Vec<Value>) -> Vec<Arc<Policy>> {
    let named = policies.into_iter().enumerate().map(|(nth, mut it)| {
        it["name"] = json!(format!("p{nth}"));
        Arc::new(serde_json::from_value(it).unwrap())
    });
    named.collect()
}

proptest! {
    #[test]
    fn where_only_methods_are_asked_for_exactly_those_that_may_pass_do(
        policies in vec(random_policy(method_leaf()), 0..3),
    ) {
        let policies = read(policies);
        let world = World::new(&policies);
        let mut passed = methods_that_may_pass(&[]);
        passed.retain(|it| world.asks_at(it.as_str(), URLS[0], TIMES[0]).is_ok());
        assert_eq!(methods_that_may_pass(&policies), passed, "{policies:#?}");
    }

    #[test]
    fn the_evaluation_is_that_of_the_specification(
        policies in vec(random_policy(any_leaf()), 1..3),
        url in select(URLS),
        method in select(METHODS),
        at in select(TIMES),
        filled in vec(any::<bool>(), 64),
    ) {
        let policies = read(policies);
        let world = World::new(&policies);
        let mut rates = Vec::new();
        for policy in &policies {
            for rule in &policy.rules {
                rule.condition.clone().rates_mut(&mut |it| rates.push((it.id, it.rate)));
            }
        }
        let ids: BTreeSet<u64> = rates.iter().map(|it| it.0).collect();
        assert_eq!(ids.len(), rates.len(), "each counts for itself");
        let charge = |(id, Rate { max, window }): (u64, Rate)| {
            world.limiter.charge(LimitKey::of_rule(id, credential().id, None), max, window).is_ok()
        };
        let full: BTreeSet<u64> =
            rates.iter().zip(&filled).filter(|(rate, full)| **full && charge(**rate)).map(|(rate, _)| rate.0).collect();
        let target = Target::parse(url).unwrap();
        let reference = Reference { target: &target, method, now: at.parse().unwrap(), full: &full };

        let (mut deny, mut later, mut counted) = (false, false, BTreeSet::new());
        for policy in &policies {
            let (said, its) = reference.says(policy);
            deny |= said == Said::Deny;
            later |= said == Said::Later;
            // A guard that is full makes an answer of 429 of what would be allowed.
            let guards = policy.rules.iter().filter_map(|it| match (&it.condition, it.action) {
                (Condition::RateLimit(rate), Action::Allow) => Some(rate.id),
                _ => None,
            });
            if policy.evaluation != Some(Evaluation::FirstMatch) && said == Said::Allow {
                later |= guards.into_iter().any(|it| full.contains(&it));
            }
            counted.extend(its);
        }
        let expected = if deny { Said::Deny } else if later { Said::Later } else { Said::Allow };

        let question = Question {
            alias: &credential().alias,
            credential: Some(&credential()),
            principal: &Principal::Local,
            target: &target,
            method: &method.parse::<Method>().unwrap(),
            now: at.parse().unwrap(),
        };
        let set = PolicySet::new(policies.iter().map(|it| (**it).clone())).unwrap();
        let examined = examine(&set, &question, Some(&world.limiter));
        let got = match world.asks_at(method, url, at) {
            Ok(_) => Said::Allow,
            Err(Denial::Rate { .. }) => Said::Later,
            Err(_) => Said::Deny,
        };
        assert_eq!(got, expected, "{policies:#?} {full:?}");
        let may_pass = methods_that_may_pass(&policies);
        assert!(got == Said::Deny || may_pass.iter().any(|it| it == method), "{may_pass:?} {policies:#?} {full:?}");
        let wanted = match expected {
            Said::Allow => (Action::Allow, None),
            Said::Later => (Action::Deny, Some("rate_limited")),
            Said::Deny => (Action::Deny, Some("policy_denied")),
        };
        assert_eq!((examined.result, examined.error), wanted, "what is told is what happens");
        let now_full: BTreeSet<u64> = rates.iter().filter(|it| !charge(**it)).map(|it| it.0).collect();
        let expected_full = if expected == Said::Allow { full.union(&counted).copied().collect() } else { full };
        assert_eq!(now_full, expected_full, "{policies:#?}");
    }
}
