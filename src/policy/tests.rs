//! Rules of the evaluation one by one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    base::{host::AuthorityPattern, id::Id, target::Target},
    credential::{Credential, Kind, Metadata},
    identity::Principal,
    policy::{Denial, Facts, Limiter, Policy, Verdict, decide, methods_that_may_pass},
};

const NOON: &str = "2026-06-01T12:00:00Z";

pub(super) fn credential() -> Credential {
    let hosts = ["*.example.com", "http://*.example.com", "evil.example"];
    Credential {
        id: Id::from_bytes([7; 16]),
        alias: "github-api".parse().unwrap(),
        kind: Kind::ApiKey,
        description: None,
        metadata: Metadata::default(),
        bindings: hosts.iter().map(|it| it.parse::<AuthorityPattern>().unwrap()).collect(),
        auto: true,
        placed_by: None,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}

fn policy(rules: &str) -> Arc<Policy> {
    let text = format!("name = \"p\"\ncredential_pattern = \"*\"\n{rules}");
    Arc::new(toml::from_str(&text).unwrap_or_else(|error| panic!("{text}\n{error}")))
}

/// A world with a clock that goes on when it is told to.
pub(super) struct World {
    policies: Vec<Arc<Policy>>,
    pub(super) limiter: Limiter,
    clock: Arc<AtomicU64>,
}

impl World {
    pub(super) fn new(policies: &[Arc<Policy>]) -> Self {
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

    pub(super) fn asks_at(&self, method: &str, url: &str, at: &str) -> Result<bool, Denial> {
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
fn a_method_may_pass_unless_it_is_denied_whatever_else_holds() {
    let may_pass = |rules: &str| {
        let methods = methods_that_may_pass(&[policy(&format!("rules = [{rules}]"))]);
        methods.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    let urls = "{ condition = { url_match = \"https://api.example.com/*\" }, action = \"allow\" }";
    let reads = "{ condition = { method_match = [\"get\", \"HEAD\"] }, action = \"allow\" }";
    let rate = "{ condition = { rate_limit = { max = 1, window_secs = 60 } }, action = \"allow\" }";
    assert_eq!(may_pass(&[urls, reads, rate].join(", ")), "GET HEAD");
    assert_eq!(may_pass(urls), "GET HEAD POST PUT PATCH DELETE OPTIONS");
    assert_eq!(may_pass(&[reads, &urls.replace("allow", "deny")].join(", ")), "GET HEAD", "elsewhere");
    assert_eq!(may_pass(rate), may_pass(urls), "limits alone deny no method for good");
    assert_eq!(may_pass(&rate.replace("allow", "deny")), "");
    let posts_at_a_url = "{ condition = { and = [
        { method_match = [\"POST\"] },
        { url_match = \"https://api.example.com/*\" },
    ] }, action = \"allow\" }";
    assert_eq!(may_pass(&[reads, posts_at_a_url].join(", ")), "GET HEAD POST");
    let nowhere = "{ condition = { url_match = \"*\" }, action = \"deny\" }";
    assert_eq!(may_pass(&[nowhere, posts_at_a_url].join(", ")), "");
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
