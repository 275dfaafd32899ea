//! Whether a request may be sent, by so many rules of which none but the last says yes.

use std::{hint::black_box, sync::Arc};

use criterion::{BenchmarkId, Criterion};
use http::Method;
use jiff::Timestamp;
use serde_json::json;
use vultrino::{
    base::{clock::Clock, id::Id, target::Target},
    credential::{Credential, Kind, Metadata},
    identity::Principal,
    policy::{self, Facts, Limiter, Policy},
};

use crate::messages;

/// As many as a policy may have.
const RULES_OF_ONE: u32 = 1000;

/// `decide/…`
pub fn decide(c: &mut Criterion) {
    let mut group = c.benchmark_group("decide");
    let (credential, limiter) = (credential(), Limiter::new(Clock.steady()));
    let target = Target::parse(messages::ABSOLUTE).unwrap();
    for rules in [0, 1, 100, 10_000] {
        let policies = policies(rules);
        let facts = Facts {
            principal: &Principal::Local,
            credential: Some(&credential),
            policies: &policies,
            target: &target,
            method: &Method::POST,
            now: Timestamp::UNIX_EPOCH,
        };
        group.bench_function(BenchmarkId::new("rules", rules), |b| {
            b.iter(|| policy::decide(black_box(&facts), &limiter).unwrap());
        });
    }
    group.finish();
}

/// Together they have so many rules.
fn policies(rules: u32) -> Vec<Arc<Policy>> {
    let policies = rules.div_ceil(RULES_OF_ONE);
    (0..policies).map(|at| Arc::new(policy(at, rules / policies))).collect()
}

fn policy(at: u32, rules: u32) -> Policy {
    let other = |rule: u32| {
        let url = format!("https://api.example.com/v1/{at}/{rule}/*");
        json!({ "condition": { "url_match": url }, "action": "deny" })
    };
    let last = json!({ "condition": { "url_match": "https://api.example.com/v1/chat/*" }, "action": "allow" });
    let rules: Vec<_> = (1..rules).map(other).chain([last]).collect();
    let name = format!("policy-{at}");
    serde_json::from_value(json!({ "name": name, "credential_pattern": "chat*", "rules": rules })).unwrap()
}

fn credential() -> Credential {
    Credential {
        id: Id::from_bytes([7; 16]),
        alias: "chat".parse().unwrap(),
        kind: Kind::ApiKey,
        description: None,
        metadata: Metadata::default(),
        bindings: vec!["api.example.com".parse().unwrap()],
        auto: true,
        placed_by: None,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}
