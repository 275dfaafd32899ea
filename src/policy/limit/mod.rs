//! Counters of what was granted lately. Windows slide: never are there more than `max` grants in any stretch of time as
//! long as the window, however many threads ask at once.

use std::{
    collections::{HashMap, VecDeque, hash_map::RandomState},
    fmt,
    hash::{BuildHasher, DefaultHasher, Hash, Hasher},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use smallvec::SmallVec;

use crate::{base::id::Id, policy::rate::Rate};

/// Threads that count different things seldom meet.
const SHARDS: usize = 64;
/// Grants that one counter tells apart. Above that they are put down in steps of a part of the window, and rounded so
/// that none is forgotten too early.
const FINEST: u32 = 4096;
/// Most counters of callers that are not known in one shard: addresses and keys can be made up. Of known callers there are
/// as many as the store has keys.
const MOST_STRANGERS: usize = 1024;
/// Bytes that tell one from another; of longer ones the rest goes into a digest.
const LONGEST: usize = 24;
/// A shard that has grown to this, and then to twice of what was left, forgets what no window reaches back to.
const FIRST_SWEEP: usize = 64;

/// All counters. What counts against callers that are not known lies in shards of its own: however many of them somebody
/// makes up, no counter of a known caller is forgotten for them.
pub struct Limiter {
    /// [`SHARDS`] for known callers, then as many for others.
    shards: Box<[Mutex<Shard>]>,
    random: RandomState,
    steady: Box<dyn Fn() -> Duration + Send + Sync>,
}

/// What is counted, and for whom.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LimitKey(Counter);

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Counter {
    /// A rate of a policy, the use of a credential, and the caller where each has a counter of its own.
    Rule { rate: u64, credential: Id, caller: Option<Id> },
    /// A limit of the appliance itself for a known caller: the holder of a key, or all who need none.
    Caller { kind: &'static str, caller: Option<Id> },
    /// The same for a caller that is not known.
    Stranger { kind: &'static str, whom: [u8; LONGEST], length: u8 },
}

/// One grant to be counted.
#[derive(Clone, Copy, Debug)]
pub struct Charge {
    /// Where.
    pub key: LimitKey,
    /// Under which rate.
    pub rate: Rate,
}

/// A grant was counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    /// The most there may be.
    pub max: u32,
    /// How many more there may be now.
    pub remaining: u32,
    /// When the first of those counted is forgotten.
    pub reset: Duration,
}

/// There are as many as there may be; nothing was counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exhausted {
    /// The most there may be.
    pub max: u32,
    /// In any stretch of time as long as this.
    pub window: Duration,
    /// When there is room for one more.
    pub retry_after: Duration,
}

#[derive(Default)]
struct Shard {
    counters: HashMap<LimitKey, Window>,
    sweep_at: usize,
}

/// Grants of one counter, the oldest first.
#[derive(Default)]
struct Window {
    /// When, and how many then.
    grants: VecDeque<(Duration, u32)>,
    count: u32,
    length: Duration,
}

impl Limiter {
    /// Counts by a clock that nobody sets: how long it has been running.
    pub fn new(steady: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        let shards = (0..2 * SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, random: RandomState::new(), steady: Box::new(steady) }
    }

    /// Counts one grant, if there is room.
    ///
    /// # Errors
    /// There is none.
    pub fn charge(&self, key: LimitKey, max: u32, window: Duration) -> Result<Room, Exhausted> {
        let rate = Rate { max, window };
        let mut shard = self.lock(self.shard_of(&key));
        let now = (self.steady)();
        let window = shard.window(key, now);
        window.room(rate, now)?;
        window.grant(rate, now);
        Ok(window.told(rate, now))
    }

    /// How many more grants there may be, without counting one.
    pub fn look(&self, key: LimitKey, max: u32, window: Duration) -> Room {
        let rate = Rate { max, window };
        let mut shard = self.lock(self.shard_of(&key));
        let now = (self.steady)();
        let Some(counter) = shard.counters.get_mut(&key) else {
            return Room { max, remaining: max, reset: Duration::ZERO };
        };
        counter.forget(rate, now);
        counter.told(rate, now)
    }

    /// Counts one grant in each, or in none.
    ///
    /// # Errors
    /// Which one has no room; of several the one that takes longest.
    pub fn charge_all(&self, charges: &[Charge]) -> Result<(), (usize, Exhausted)> {
        let mut places: SmallVec<[usize; 4]> = charges.iter().map(|it| self.shard_of(&it.key)).collect();
        // In one order, so that nobody waits for one who waits for him.
        places.sort_unstable();
        places.dedup();
        let mut shards: SmallVec<[MutexGuard<'_, Shard>; 4]> = places.iter().map(|it| self.lock(*it)).collect();
        let now = (self.steady)();
        let at = |key: &LimitKey| places.binary_search(&self.shard_of(key)).unwrap_or_default();
        let mut full: Option<(usize, Exhausted)> = None;
        for (nth, charge) in charges.iter().enumerate() {
            let window = shards[at(&charge.key)].window(charge.key, now);
            if let Err(it) = window.room(charge.rate, now)
                && full.is_none_or(|(_, other)| other.retry_after < it.retry_after)
            {
                full = Some((nth, it));
            }
        }
        if let Some(full) = full {
            return Err(full);
        }
        for charge in charges {
            shards[at(&charge.key)].window(charge.key, now).grant(charge.rate, now);
        }
        Ok(())
    }

    /// Whether there is room, without taking it.
    ///
    /// # Errors
    /// There is none.
    pub fn room(&self, key: &LimitKey, rate: Rate) -> Result<(), Exhausted> {
        let mut shard = self.lock(self.shard_of(key));
        let now = (self.steady)();
        shard.counters.get_mut(key).map_or(Ok(()), |it| it.room(rate, now))
    }

    /// Forgets counters that no window reaches back to. Shards do it by themselves when they grow; this is for those that
    /// do not any more.
    pub fn sweep(&self) {
        let now = (self.steady)();
        (0..self.shards.len()).for_each(|place| self.lock(place).sweep(now));
    }

    /// How many counters there are.
    pub fn len(&self) -> usize {
        (0..self.shards.len()).map(|place| self.lock(place).counters.len()).sum()
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard_of(&self, key: &LimitKey) -> usize {
        // The table inside the shard uses the low bits of its own hash.
        let place = (self.random.hash_one(key) >> 32) as usize % SHARDS;
        if key.is_of_stranger() { SHARDS + place } else { place }
    }

    fn lock(&self, place: usize) -> MutexGuard<'_, Shard> {
        // Each change of a shard is whole before anything that could panic.
        self.shards[place].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Exhausted {
    /// Whole seconds after which it is worth trying again.
    pub fn retry_after_secs(&self) -> u64 {
        let whole = self.retry_after.as_secs();
        (whole + u64::from(self.retry_after.subsec_nanos() > 0)).max(1)
    }
}

impl LimitKey {
    /// A limit of the appliance itself for a known caller; `None` is all who need no key.
    pub fn of_caller(kind: &'static str, caller: Option<Id>) -> Self {
        Self(Counter::Caller { kind, caller })
    }

    /// A limit of the appliance itself for a caller that is not known, whom these bytes name.
    pub fn of_stranger(kind: &'static str, bytes: &[u8]) -> Self {
        let mut whom = [0; LONGEST];
        if let Some(place) = whom.get_mut(..bytes.len()) {
            place.copy_from_slice(bytes);
        } else {
            let mut hasher = DefaultHasher::new();
            bytes.hash(&mut hasher);
            whom.copy_from_slice(&bytes[..LONGEST]);
            whom[LONGEST - 8..].copy_from_slice(&hasher.finish().to_be_bytes());
        }
        Self(Counter::Stranger { kind, whom, length: u8::try_from(bytes.len()).unwrap_or(u8::MAX) })
    }

    pub(crate) fn of_rule(rate: u64, credential: Id, caller: Option<Id>) -> Self {
        Self(Counter::Rule { rate, credential, caller })
    }

    fn is_of_stranger(&self) -> bool {
        matches!(self.0, Counter::Stranger { .. })
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").field("counters", &self.len()).finish_non_exhaustive()
    }
}

impl Shard {
    fn window(&mut self, key: LimitKey, now: Duration) -> &mut Window {
        if !self.counters.contains_key(&key) {
            self.make_room(&key, now);
        }
        self.counters.entry(key).or_default()
    }

    fn make_room(&mut self, key: &LimitKey, now: Duration) {
        if self.counters.len() >= self.sweep_at.max(FIRST_SWEEP) {
            self.sweep(now);
        }
        if key.is_of_stranger() && self.counters.len() >= MOST_STRANGERS {
            self.drop_oldest();
        }
    }

    fn sweep(&mut self, now: Duration) {
        self.counters.retain(|_, it| !it.is_over(now));
        self.counters.shrink_to(2 * self.counters.len());
        self.sweep_at = 2 * self.counters.len();
    }

    /// A quarter at once, so that a flood of new ones does not search for the oldest each time.
    fn drop_oldest(&mut self) {
        let mut times: Vec<Duration> = self.counters.values().map(Window::last_grant).collect();
        let quarter = times.len() / 4;
        let (_, last, _) = times.select_nth_unstable(quarter);
        let last = *last;
        self.counters.retain(|_, it| last < it.last_grant());
    }
}

impl Window {
    fn room(&mut self, rate: Rate, now: Duration) -> Result<(), Exhausted> {
        self.forget(rate, now);
        if self.count < rate.max {
            return Ok(());
        }
        // `max` may have been lowered since, so it can take more than the first.
        let mut left = self.count;
        let freeing = self.grants.iter().find(|(_, many)| {
            left -= many;
            left < rate.max
        });
        let retry_after = freeing.map_or(rate.window, |(at, _)| (*at + rate.window).saturating_sub(now));
        Err(Exhausted { max: rate.max, window: rate.window, retry_after })
    }

    fn forget(&mut self, rate: Rate, now: Duration) {
        self.length = rate.window;
        while let Some((_, many)) = self.grants.front().copied().filter(|(at, _)| *at + rate.window <= now) {
            self.count -= many;
            self.grants.pop_front();
        }
    }

    fn grant(&mut self, rate: Rate, now: Duration) {
        let at = if rate.max <= FINEST { now } else { round_up(now, rate.window / FINEST) };
        match self.grants.back_mut() {
            Some((last, many)) if *last >= at => *many += 1,
            _ => self.grants.push_back((at, 1)),
        }
        self.count += 1;
    }

    fn told(&self, rate: Rate, now: Duration) -> Room {
        let first = self.grants.front().map_or(now, |(at, _)| *at);
        let reset = (first + rate.window).saturating_sub(now);
        Room { max: rate.max, remaining: rate.max.saturating_sub(self.count), reset }
    }

    fn last_grant(&self) -> Duration {
        self.grants.back().map_or(Duration::ZERO, |(at, _)| *at)
    }

    fn is_over(&self, now: Duration) -> bool {
        self.grants.back().is_none_or(|(at, _)| *at + self.length <= now)
    }
}

/// To a whole number of steps of at least a nanosecond.
fn round_up(time: Duration, step: Duration) -> Duration {
    let step = step.as_nanos().max(1);
    let nanos = time.as_nanos().div_ceil(step) * step;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
