//! What the exchanges of one worker have come to, in numbers. No label names anything that a caller chose.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    audit::{Door, Outcome},
    base::{
        count::Count,
        histogram::{Histogram, Lengths},
    },
    exchange::Refusal,
};

/// Ways in, in the order of [`Sums::requests`].
pub const DOORS: [&str; 6] = ["path", "forward", "connect", "tunnel", "api", "mcp"];
/// Ends, in the order of the rows of [`Sums::requests`].
pub const OUTCOMES: [&str; 7] =
    ["ok", "denied", "client_abort", "upstream_error", "upstream_abort", "error", "revoked_midstream"];
/// Parts of an exchange, in the order of [`Sums::stages`].
pub const STAGES: [&str; 3] = ["judge", "upstream", "total"];
/// What became of API keys, in the order of [`Sums::authentications`].
pub const AUTHENTICATIONS: [&str; 4] = ["ok", "missing", "invalid", "limited"];
/// Limits, in the order of [`Sums::rate_denials`].
pub const LIMITS: [&str; 4] = ["policy", "proxy", "authentication", "management"];

/// The counters of one worker, which alone writes to them. They share no cache line with those of another.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Metrics {
    requests: [[Count; OUTCOMES.len()]; DOORS.len()],
    stages: [Histogram; STAGES.len()],
    bytes_up: Count,
    bytes_down: Count,
    refusals: [Count; Refusal::CODES.len()],
    policy_denials: Count,
    rate_denials: [Count; LIMITS.len()],
    authentications: [Count; AUTHENTICATIONS.len()],
}

/// What became of an API key, or of its absence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Authentication {
    /// It is valid.
    Ok,
    /// One is needed, and none was shown.
    Missing,
    /// It is not valid.
    Invalid,
    /// It is not valid, and neither were too many before it.
    Limited,
}

/// What may happen only so often.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Limit {
    /// A policy's rate.
    Policy,
    /// `[rate_limits] proxy`
    Proxy,
    /// `[rate_limits] auth_failures`
    Authentication,
    /// `[rate_limits] management`
    Management,
}

/// One exchange, counted once, however it ends.
#[derive(Debug)]
pub struct Tally {
    metrics: Arc<Metrics>,
    door: Door,
    opened: Instant,
    counted: bool,
}

/// What several workers have come to together.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    /// By door and outcome.
    pub requests: [[u64; OUTCOMES.len()]; DOORS.len()],
    /// How long each stage took.
    pub stages: [Lengths; STAGES.len()],
    /// Bytes of request bodies.
    pub bytes_up: u64,
    /// Bytes of bodies of answers.
    pub bytes_down: u64,
    /// By [`Refusal::CODES`].
    pub refusals: [u64; Refusal::CODES.len()],
    /// Exchanges that a policy does not allow.
    pub policy_denials: u64,
    /// Exchanges that came too soon.
    pub rate_denials: [u64; LIMITS.len()],
    /// Looks at keys.
    pub authentications: [u64; AUTHENTICATIONS.len()],
}

impl Metrics {
    /// Begins to count an exchange.
    pub fn begin(self: &Arc<Self>, door: Door, opened: Instant) -> Tally {
        Tally { metrics: Arc::clone(self), door, opened, counted: false }
    }

    /// An exchange that was opened then has its permit. Gives the time, for [`Metrics::answered`].
    pub fn judged(&self, opened: Instant) -> Instant {
        let now = Instant::now();
        self.stages[0].observe(now.saturating_duration_since(opened));
        now
    }

    /// The head of its answer is here.
    pub fn answered(&self, judged: Instant) {
        self.stages[1].observe(judged.elapsed());
    }

    /// A request got this instead of what it asked for.
    pub fn refused(&self, refusal: &Refusal) {
        self.coded(refusal.code());
        if matches!(refusal, Refusal::Policy(_)) {
            self.policy_denials.one();
        }
    }

    /// A request got an error with this code, if it is one of them.
    pub fn coded(&self, code: &str) {
        if let Some(at) = Refusal::CODES.iter().position(|it| *it == code) {
            self.refusals[at].one();
        }
    }

    /// A request got nothing at all, not even a record.
    pub fn unrecorded(&self, door: Door, refusal: &Refusal) {
        self.count(door, refusal.outcome());
        self.refused(refusal);
    }

    /// Something came too soon.
    pub fn limited(&self, by: Limit) {
        self.rate_denials[by as usize].one();
    }

    /// A key was looked at.
    pub fn authenticated(&self, result: Authentication) {
        self.authentications[result as usize].one();
    }

    /// Adds what was counted so far.
    pub fn add_to(&self, sums: &mut Sums) {
        for (sums, counts) in sums.requests.iter_mut().zip(&self.requests) {
            add(sums, counts);
        }
        for (lengths, histogram) in sums.stages.iter_mut().zip(&self.stages) {
            lengths.add(histogram);
        }
        sums.bytes_up += self.bytes_up.get();
        sums.bytes_down += self.bytes_down.get();
        sums.policy_denials += self.policy_denials.get();
        add(&mut sums.refusals, &self.refusals);
        add(&mut sums.rate_denials, &self.rate_denials);
        add(&mut sums.authentications, &self.authentications);
    }

    fn count(&self, door: Door, outcome: Outcome) {
        if let (Some(row), Some(column)) = (row(door), column(outcome)) {
            self.requests[row][column].one();
        }
    }
}

impl Tally {
    /// It ended so, after this time, with so many bytes up and down.
    pub fn end(&mut self, outcome: Outcome, took: Duration, (up, down): (u64, u64)) {
        self.metrics.bytes_up.add(up);
        self.metrics.bytes_down.add(down);
        self.finish(outcome, took);
    }

    /// As [`Metrics::refused`].
    pub fn refused(&self, refusal: &Refusal) {
        self.metrics.refused(refusal);
    }

    fn finish(&mut self, outcome: Outcome, took: Duration) {
        self.counted = true;
        self.metrics.count(self.door, outcome);
        self.metrics.stages[2].observe(took);
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        if !self.counted {
            self.finish(Outcome::of_abandoned(), self.opened.elapsed());
        }
    }
}

fn add(sums: &mut [u64], counts: &[Count]) {
    for (sum, count) in sums.iter_mut().zip(counts) {
        *sum += count.get();
    }
}

/// No worker sees the others.
fn row(door: Door) -> Option<usize> {
    Some(match door {
        Door::Path => 0,
        Door::Forward => 1,
        Door::Connect => 2,
        Door::Tunnel => 3,
        Door::Api => 4,
        Door::Mcp => 5,
        Door::Cli | Door::Admin => return None,
    })
}

/// What is interrupted counts no longer.
fn column(outcome: Outcome) -> Option<usize> {
    Some(match outcome {
        Outcome::Ok => 0,
        Outcome::Denied => 1,
        Outcome::ClientAbort => 2,
        Outcome::UpstreamError => 3,
        Outcome::UpstreamAbort => 4,
        Outcome::Error => 5,
        Outcome::RevokedMidstream => 6,
        Outcome::Interrupted => return None,
    })
}
