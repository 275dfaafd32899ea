//! What the policies would have said about requests of the past, each at its own time. Rates are counted by those times.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::Method;
use jiff::Timestamp;

use crate::{
    base::{id::Id, target::Target},
    credential::Alias,
    policy::{
        decide::{Denial, pass},
        judge::{Counters, Request},
        limit::Limiter,
        set::{Policy, PolicySet},
    },
};

/// A request of the past.
#[derive(Clone, Copy, Debug)]
pub struct Past<'a> {
    /// When it came.
    pub at: Timestamp,
    /// Whose key was used.
    pub alias: &'a Alias,
    /// By whom: whatever tells callers apart.
    pub caller: Option<&'a str>,
    /// Where to.
    pub target: &'a Target,
    /// What was done there.
    pub method: &'a Method,
}

/// Policies that judge one request of the past after the other.
#[derive(Debug)]
pub struct Replay<'a> {
    policies: &'a PolicySet,
    limiter: Limiter,
    /// Nanoseconds since 1970. It never goes back, as lines of a log may.
    clock: Arc<AtomicU64>,
    matching: HashMap<Alias, (Id, Vec<Arc<Policy>>)>,
    callers: HashMap<String, Id>,
}

impl<'a> Replay<'a> {
    /// Nothing has been counted yet.
    pub fn new(policies: &'a PolicySet) -> Self {
        let clock = Arc::new(AtomicU64::new(0));
        let hand = Arc::clone(&clock);
        let limiter = Limiter::new(move || Duration::from_nanos(hand.load(Ordering::Relaxed)));
        Self { policies, limiter, clock, matching: HashMap::new(), callers: HashMap::new() }
    }

    /// What the policies would have said. Hosts that the credential is bound to are not looked at.
    ///
    /// # Errors
    /// Why they would have refused.
    pub fn judge(&mut self, past: &Past<'_>) -> Result<(), Denial> {
        let nanos = u64::try_from(past.at.as_nanosecond()).unwrap_or_default();
        self.clock.fetch_max(nanos, Ordering::Relaxed);
        let caller = past.caller.map(|it| match self.callers.get(it) {
            Some(id) => *id,
            None => *self.callers.entry(it.to_owned()).or_insert_with(Id::random),
        });
        if !self.matching.contains_key(past.alias) {
            self.matching.insert(past.alias.clone(), (Id::random(), self.policies.matching(past.alias)));
        }
        let Some((credential, policies)) = self.matching.get(past.alias) else { return Ok(()) };
        let counters = Counters::Live { limiter: &self.limiter, credential: *credential, caller };
        let request = Request { target: past.target, method: past.method, now: past.at };
        pass(policies, &request, &counters, &self.limiter)
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use jiff::{SignedDuration, Timestamp};

    use crate::{
        base::target::Target,
        policy::{
            PolicySet,
            replay::{Past, Replay},
            set::Policy,
        },
    };

    #[test]
    fn rates_are_counted_by_the_times_of_the_past() {
        let policy: Policy = toml::from_str(
            "name = \"a\"\ncredential_pattern = \"*\"\n\
             rules = [{ condition = { rate_limit = { max = 2, window_secs = 60, per = \"key\" } }, action = \"allow\" }]",
        )
        .unwrap();
        let set = PolicySet::new([policy]).unwrap();
        let mut replay = Replay::new(&set);
        let (target, alias) = (Target::parse("https://h.example/").unwrap(), "a".parse().unwrap());
        let mut judge = |secs, caller| {
            let at = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(secs);
            let past = Past { at, alias: &alias, caller: Some(caller), target: &target, method: &Method::GET };
            replay.judge(&past).is_ok()
        };
        let got =
            [(0, "a"), (1, "a"), (2, "a"), (2, "b"), (60, "a"), (59, "a"), (61, "a")].map(|(at, who)| judge(at, who));
        assert_eq!(got, [true, true, false, true, true, false, true]);
    }
}
