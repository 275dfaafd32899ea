//! Rules of the evaluation one by one, and all of them against a slow evaluator that follows the words of the
//! specification.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

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
    base::{host::AuthorityPattern, id::Id, target::Target},
    credential::{Credential, Kind, Metadata},
    identity::Principal,
    policy::{
        Action, Condition, Denial, Facts, LimitKey, Limiter, Policy, PolicySet, Question, Rate, Verdict, decide,
        examine, set::Evaluation,
    },
};

const NOON: &str = "2026-06-01T12:00:00Z";

fn credential() -> Credential {
    let hosts = ["*.example.com", "http://*.example.com", "evil.example"];
    Credential {
        id: Id::from_bytes([7; 16]),
        alias: "github-api".parse().unwrap(),
        kind: Kind::ApiKey,
        description: None,
        metadata: Metadata::default(),
        bindings: hosts.iter().map(|it| it.parse::<AuthorityPattern>().unwrap()).collect(),
        auto: true,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}

fn policy(rules: &str) -> Arc<Policy> {
    let text = format!("name = \"p\"\ncredential_pattern = \"*\"\n{rules}");
    Arc::new(toml::from_str(&text).unwrap_or_else(|error| panic!("{text}\n{error}")))
}

/// A world with a clock that goes on when it is told to.
struct World {
    policies: Vec<Arc<Policy>>,
    limiter: Limiter,
    clock: Arc<AtomicU64>,
}

impl World {
    fn new(policies: &[Arc<Policy>]) -> Self {
        let clock = Arc::new(AtomicU64::new(0));
        let hand = Arc::clone(&clock);
        let limiter = Limiter::new(move || Duration::from_secs(hand.load(Ordering::SeqCst)));
        Self { policies: policies.to_vec(), limiter, clock }
    }

    fn of(rules: &str) -> Self {
        Self::new(&[policy(rules)])
    }

    fn asks(&self, method: &str, url: &str) -> Result<bool, Denial> {
        self.asks_at(method, url, NOON)
    }

    fn asks_at(&self, method: &str, url: &str, at: &str) -> Result<bool, Denial> {
        let (target, method, now) = (Target::parse(url).unwrap(), method.parse().unwrap(), at.parse().unwrap());
        let (credential, principal) = (credential(), Principal::Local);
        let policies = &self.policies;
        let facts = Facts {
            principal: &principal,
            credential: Some(&credential),
            policies,
            target: &target,
            method: &method,
            now,
        };
        decide(&facts, &self.limiter).map(|permit| permit.strips_overrides())
    }

    /// `allow`, or what denies: `p/1`, or `429 p/1`.
    fn said(&self, method: &str, url: &str) -> String {
        match self.asks(method, url) {
            Ok(_) => "allow".to_owned(),
            Err(Denial::Policy(verdict)) => verdict.to_string(),
            Err(Denial::Rate { verdict, .. }) => format!("429 {verdict}"),
            Err(other) => format!("{other:?}"),
        }
    }
}

#[test]
fn without_a_policy_a_bound_credential_may_be_used() {
    let world = World::new(&[]);
    assert_eq!(world.asks("DELETE", "https://api.example.com/"), Ok(false));
    assert_eq!(world.asks("GET", "https://other.example/"), Err(Denial::HostNotBound));
}

#[test]
fn the_binding_is_judged_before_the_policies() {
    let world = World::of("default_action = \"allow\"");
    assert_eq!(world.asks("GET", "https://other.example/"), Err(Denial::HostNotBound));
}

#[test]
fn each_kind_of_rule_is_judged_for_itself() {
    let world = World::of(
        "rules = [
            { condition = { url_match = \"https://api.example.com/admin/*\" }, action = \"deny\" },
            { condition = { url_match = \"https://api.example.com/*\" }, action = \"allow\" },
            { condition = { method_match = [\"get\", \"HEAD\"] }, action = \"allow\" },
        ]",
    );
    assert_eq!(world.asks("GET", "https://api.example.com/x"), Ok(true), "a method rule is there");
    assert_eq!(world.said("get", "https://api.example.com/x"), "allow");
    assert_eq!(world.said("POST", "https://api.example.com/x"), "p/default");
    assert_eq!(world.said("GET", "https://evil.example/"), "p/default");
    assert_eq!(world.said("GET", "https://api.example.com//%61dmin/x"), "p/1");
}

#[test]
fn rules_that_only_deny_let_the_rest_through() {
    let world = World::of("rules = [{ condition = { method_match = [\"DELETE\"] }, action = \"deny\" }]");
    assert_eq!(world.said("GET", "https://api.example.com/"), "allow");
    assert_eq!(world.said("delete", "https://api.example.com/"), "p/1");
}

#[test]
fn without_rules_the_default_decides() {
    assert_eq!(World::of("").said("GET", "https://api.example.com/"), "p/default");
    assert_eq!(World::of("default_action = \"allow\"").said("GET", "https://api.example.com/"), "allow");
    let composite = "rules = [{ condition = { not = { method_match = [\"GET\"] } }, action = \"deny\" }]";
    assert_eq!(World::of(composite).said("GET", "https://api.example.com/"), "p/default");
    assert_eq!(World::of(composite).said("PUT", "https://api.example.com/"), "p/1");
}

#[test]
fn all_policies_must_pass_and_a_no_for_good_is_told_first() {
    let limited =
        policy("rules = [{ condition = { rate_limit = { max = 1, window_secs = 60 } }, action = \"allow\" }]");
    let mut gets = (*policy("rules = [{ condition = { method_match = [\"GET\"] }, action = \"allow\" }]")).clone();
    gets.name = "gets".into();
    let world = World::new(&[limited, Arc::new(gets)]);
    let url = "https://api.example.com/";
    assert_eq!(world.said("POST", url), "gets/default");
    assert_eq!(world.said("GET", url), "allow", "what was denied cost nothing");
    assert_eq!(world.said("GET", url), "429 p/1");
    assert_eq!(world.said("POST", url), "gets/default");
    world.clock.store(60, Ordering::SeqCst);
    assert_eq!(world.said("GET", url), "allow");
}

#[test]
fn limits_guard_and_grant_only_where_there_is_nothing_else() {
    let window =
        "{ condition = { time_window = { start = \"09:00\", end = \"17:00\", tz = \"UTC\" } }, action = \"allow\" }";
    let only = World::of(&format!("rules = [{window}]"));
    let url = "https://evil.example/";
    assert!(only.asks_at("GET", url, "2026-06-01T09:00:00Z").is_ok());
    let denied = only.asks_at("GET", url, "2026-06-01T17:00:00Z");
    let verdict = Verdict { policy: "p".into(), rule: Some(1), condition: "time_window" };
    assert_eq!(denied, Err(Denial::Policy(verdict)));
    let with_urls = format!(
        "rules = [{window}, {{ condition = {{ url_match = \"https://api.example.com/*\" }}, action = \"allow\" }}]"
    );
    assert_eq!(World::of(&with_urls).said("GET", url), "p/default");
    let closed = World::of(&format!("default_action = \"allow\"\nrules = [{}]", window.replace("allow", "deny")));
    assert_eq!(closed.said("GET", url), "p/1");
    assert!(closed.asks_at("GET", url, "2026-06-01T17:00:00Z").is_ok());
}

#[test]
fn two_rates_each_get_one_of_a_request_or_none() {
    let world = World::of(
        "rules = [
            { condition = { rate_limit = { max = 1, window_secs = 10 } }, action = \"allow\" },
            { condition = { rate_limit = { max = 2, window_secs = 60 } }, action = \"allow\" },
        ]",
    );
    let url = "https://api.example.com/";
    let at = |secs| {
        world.clock.store(secs, Ordering::SeqCst);
        world.said("GET", url)
    };
    assert_eq!([at(0), at(1), at(10), at(20), at(60)], ["allow", "429 p/1", "allow", "429 p/2", "allow"]);
}

#[test]
fn a_rate_in_a_condition_counts_what_it_makes_a_difference_for() {
    let world = World::of(
        "rules = [
            { condition = { method_match = [\"GET\"] }, action = \"allow\" },
            { condition = { and = [
                { method_match = [\"POST\"] },
                { rate_limit = { max = 1, window_secs = 60 } },
            ] }, action = \"allow\" },
        ]",
    );
    let url = "https://api.example.com/";
    let said: Vec<_> = ["GET", "GET", "POST", "POST", "GET", "PUT"].iter().map(|it| world.said(it, url)).collect();
    assert_eq!(said, ["allow", "allow", "allow", "429 p/2", "allow", "p/default"]);
}

#[test]
fn a_rate_may_also_deny_what_is_too_much() {
    let world = World::of(
        "default_action = \"allow\"
        rules = [{ condition = { and = [
            { method_match = [\"POST\"] },
            { not = { rate_limit = { max = 1, window_secs = 60 } } },
        ] }, action = \"deny\" }]",
    );
    let url = "https://api.example.com/";
    let said: Vec<_> = ["GET", "POST", "GET", "POST"].iter().map(|it| world.said(it, url)).collect();
    assert_eq!(said, ["allow", "allow", "allow", "429 p/1"]);
}

#[test]
fn the_literal_order_can_be_asked_for() {
    let rules = "rules = [
        { condition = { url_match = \"https://api.example.com/*\" }, action = \"allow\" },
        { condition = { method_match = [\"DELETE\"] }, action = \"deny\" },
        { condition = { rate_limit = { max = 1, window_secs = 60 } }, action = \"allow\" },
    ]";
    let world = World::of(&format!("evaluation = \"first_match\"\n{rules}"));
    assert_eq!(world.said("DELETE", "https://api.example.com/"), "allow");
    assert_eq!(world.said("DELETE", "https://evil.example/"), "p/2");
    assert_eq!(world.said("GET", "https://evil.example/"), "allow");
    assert_eq!(world.said("GET", "https://evil.example/"), "429 p/3");
}

#[test]
fn counters_survive_a_reload_of_a_rule_that_did_not_change() {
    let url = "https://api.example.com/";
    let rate = "{ condition = { rate_limit = { max = 1, window_secs = 60 } }, action = \"allow\" }";
    let other = "{ condition = { method_match = [\"DELETE\"] }, action = \"deny\" }";
    let mut world = World::of(&format!("rules = [{rate}]"));
    assert_eq!(world.said("GET", url), "allow");
    world.policies = vec![policy(&format!("default_action = \"allow\"\nrules = [{other}, {rate}]"))];
    assert_eq!(world.said("GET", url), "429 p/2");
    world.policies = vec![policy(&format!("rules = [{}]", rate.replace("max = 1", "max = 2")))];
    assert_eq!(world.said("GET", url), "allow", "another rule begins anew");
}

#[test]
fn two_rules_that_say_the_same_count_for_themselves() {
    let rate = "{ condition = { rate_limit = { max = 2, window_secs = 60 } }, action = \"allow\" }";
    let world = World::of(&format!("rules = [{rate}, {rate}]"));
    let said: Vec<_> = (0..3).map(|_| world.said("GET", "https://api.example.com/")).collect();
    assert_eq!(&said[..2], ["allow", "allow"]);
    assert!(said[2].starts_with("429"), "{said:?}");
    assert_eq!(world.limiter.len(), 2);
}

#[test]
fn a_policy_reads_back_as_it_is_written() {
    let text = "name = \"p\"\ncredential_pattern = \"a-*\"\ndefault_action = \"deny\"\nevaluation = \"first_match\"\n\
        [[rules]]\naction = \"allow\"\n[rules.condition]\nnot = { and = [{ url_match = \"https://h.example/{a,b}/*\" }, \
        { or = [{ method_match = [\"GET\"] }, { time_window = { start = \"23:00\", end = \"24:00\", tz = \"Europe/Berlin\", \
        days = [\"mon\"] } }, { rate_limit = { max = 5, window_secs = 60, per = \"key\" } }] }] }\n";
    let policy: Policy = toml::from_str(text).unwrap();
    assert_eq!(toml::from_str::<Policy>(&toml::to_string(&policy).unwrap()).unwrap(), policy);
    let json = serde_json::to_value(&policy).unwrap();
    assert_eq!(serde_json::from_value::<Policy>(json).unwrap(), policy);
}

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

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        select(PATTERNS).prop_map(|it| json!({ "url_match": it })),
        vec(select(METHODS), 1..3).prop_map(|it| json!({ "method_match": it })),
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

fn condition() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 1..4).prop_map(|it| json!({ "and": it })),
            vec(inner.clone(), 1..4).prop_map(|it| json!({ "or": it })),
            inner.prop_map(|it| json!({ "not": it })),
        ]
    })
}

fn random_policy() -> impl Strategy<Value = Value> {
    let action = || select(&["allow", "allow", "deny"][..]);
    let rule =
        (condition(), action()).prop_map(|(condition, action)| json!({ "condition": condition, "action": action }));
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

proptest! {
    #[test]
    fn the_evaluation_is_that_of_the_specification(
        policies in vec(random_policy(), 1..3),
        url in select(URLS),
        method in select(METHODS),
        at in select(TIMES),
        filled in vec(any::<bool>(), 64),
    ) {
        let policies: Vec<Arc<Policy>> = policies.into_iter().enumerate().map(|(nth, mut it)| {
            it["name"] = json!(format!("p{nth}"));
            Arc::new(serde_json::from_value(it).unwrap())
        }).collect();
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
