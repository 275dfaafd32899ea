//! A table of expected decisions: `[Nx] METHOD URL RESULT REASON` a line, in order, with one set of counters.
//!
//! `as ALIAS` says whose key is used from here on, `at TIME` when, `wait SECONDS` lets time pass. RESULT is `allow`,
//! `deny` or `rate_limited`; REASON is `rule N`, `default`, `unopposed`, or `none` where no policy is about the alias.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use vultrino::{
    base::{host::AuthorityPattern, id::Id, target::Target},
    credential::{Alias, Credential, Kind, Metadata},
    identity::Principal,
    policy::{Denial, Facts, Limiter, PolicySet, Question, decide, examine},
};

pub(crate) struct Table<'a> {
    policies: &'a PolicySet,
    limiter: Limiter,
    passed: Arc<AtomicU64>,
    start: Timestamp,
    alias: Alias,
}

impl<'a> Table<'a> {
    pub(crate) fn new(policies: &'a PolicySet) -> Self {
        let passed = Arc::new(AtomicU64::new(0));
        let seconds = Arc::clone(&passed);
        let limiter = Limiter::new(move || Duration::from_secs(seconds.load(Ordering::Relaxed)));
        // A Monday at noon.
        let start = "2026-06-01T12:00:00Z".parse().unwrap();
        Self { policies, limiter, passed, start, alias: "nobody".parse().unwrap() }
    }

    /// What is not as the table says.
    pub(crate) fn check(mut self, name: &str, text: &str) -> Vec<String> {
        let mut wrong = Vec::new();
        for (nth, line) in text.lines().enumerate() {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            match *words {
                [] | ["#", ..] => (),
                ["as", alias] => self.alias = alias.parse().unwrap(),
                ["at", time] => self.start = time.parse().unwrap(),
                ["wait", seconds] => drop(self.passed.fetch_add(seconds.parse().unwrap(), Ordering::Relaxed)),
                [many, method, url, ref expected @ ..] if many.ends_with('x') => {
                    for _ in 0..many.trim_end_matches('x').parse().unwrap() {
                        wrong.extend(
                            self.differs(method, url, &expected.join(" "))
                                .map(|it| format!("{name}:{}: {it}", nth + 1)),
                        );
                    }
                }
                [method, url, ref expected @ ..] => {
                    wrong.extend(
                        self.differs(method, url, &expected.join(" ")).map(|it| format!("{name}:{}: {it}", nth + 1)),
                    );
                }
                _ => wrong.push(format!("{name}:{}: not understood", nth + 1)),
            }
        }
        wrong
    }

    /// Decides for real, after asking what would be decided: both must say the same.
    fn differs(&self, method: &str, url: &str, expected: &str) -> Option<String> {
        let (target, method) = (Target::parse(url).unwrap(), method.parse().unwrap());
        let credential = credential(&self.alias, &target);
        let now = self.start + SignedDuration::from_secs(self.passed.load(Ordering::Relaxed).cast_signed());
        let principal = Principal::Local;
        let question = Question {
            alias: &self.alias,
            credential: Some(&credential),
            principal: &principal,
            target: &target,
            method: &method,
            now,
        };
        let foretold = examine(self.policies, &question, Some(&self.limiter));
        let policies = self.policies.matching(&self.alias);
        let facts = Facts {
            principal: &principal,
            credential: Some(&credential),
            policies: &policies,
            target: &target,
            method: &method,
            now,
        };
        let result = match decide(&facts, &self.limiter) {
            Ok(_) => "allow",
            Err(Denial::Rate { .. }) => "rate_limited",
            Err(_) => "deny",
        };
        let foretold_result = match foretold.error {
            None => "allow",
            Some("policy_denied") => "deny",
            Some(other) => other,
        };
        let reason = match (&foretold.rule, foretold.policies.first()) {
            (Some(rule), _) => format!("rule {rule}"),
            (None, None) => "none".to_owned(),
            (None, Some(it)) if it.because == "default action" => "default".to_owned(),
            (None, Some(_)) => "unopposed".to_owned(),
        };
        let got = format!("{result} {reason}");
        let same = result == foretold_result && got == expected;
        (!same).then(|| format!("{method} {url}: {got}, foretold {foretold_result}, expected {expected}"))
    }
}

/// Bound to wherever the request goes: these tables are about policies alone.
fn credential(alias: &Alias, target: &Target) -> Credential {
    let mut id = [0; 16];
    for (at, byte) in alias.as_str().bytes().enumerate() {
        id[at % 16] ^= byte;
    }
    Credential {
        id: Id::from_bytes(id),
        alias: alias.clone(),
        kind: Kind::ApiKey,
        description: None,
        metadata: Metadata::default(),
        bindings: vec![AuthorityPattern::exactly(target.origin.scheme, &target.origin.authority)],
        auto: true,
        placed_by: None,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}
