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
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU64, AtomicUsize, Ordering},
        },
        thread,
        time::Duration,
    };

    use proptest::{collection::vec, proptest};

    use crate::{
        base::id::Id,
        policy::{
            limit::{Charge, Exhausted, FINEST, LimitKey, Limiter, MOST_STRANGERS, Room, SHARDS},
            rate::Rate,
        },
    };

    /// Goes on when it is told to.
    #[derive(Clone, Default)]
    struct Hand(Arc<AtomicU64>);

    impl Hand {
        fn limiter(&self) -> Limiter {
            let hand = self.clone();
            Limiter::new(move || Duration::from_nanos(hand.0.load(Ordering::SeqCst)))
        }

        fn advance(&self, by: Duration) {
            self.0.fetch_add(by.as_nanos().try_into().unwrap(), Ordering::SeqCst);
        }
    }

    fn rate(max: u32, secs: u64) -> Rate {
        Rate { max, window: Duration::from_secs(secs) }
    }

    fn rule(rate: u64) -> LimitKey {
        LimitKey::of_rule(rate, Id::from_bytes([1; 16]), None)
    }

    fn charge(limiter: &Limiter, key: LimitKey, rate: Rate) -> Result<Room, Exhausted> {
        limiter.charge(key, rate.max, rate.window)
    }

    #[test]
    fn there_is_room_again_when_the_oldest_grant_is_a_window_old() {
        let hand = Hand::default();
        let (limiter, rate) = (hand.limiter(), rate(2, 10));
        assert_eq!(charge(&limiter, rule(1), rate).unwrap().remaining, 1);
        hand.advance(Duration::from_secs(4));
        let room = charge(&limiter, rule(1), rate).unwrap();
        assert_eq!((room.max, room.remaining, room.reset), (2, 0, Duration::from_secs(6)));
        assert_eq!(charge(&limiter, rule(1), rate).unwrap_err().retry_after, Duration::from_secs(6));
        hand.advance(Duration::from_nanos(5_999_999_999));
        assert_eq!(limiter.room(&rule(1), rate).unwrap_err().retry_after, Duration::from_nanos(1));
        hand.advance(Duration::from_nanos(1));
        assert!(charge(&limiter, rule(1), rate).is_ok());
        assert_eq!(charge(&limiter, rule(1), rate).unwrap_err().retry_after, Duration::from_secs(4));
        assert!(charge(&limiter, rule(2), rate).is_ok(), "each counts for itself");
    }

    #[test]
    fn exactly_max_of_many_at_once_get_through() {
        let limiter = Limiter::new(|| Duration::ZERO);
        let through = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..10 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        through
                            .fetch_add(usize::from(charge(&limiter, rule(1), rate(100, 60)).is_ok()), Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(through.into_inner(), 100);
    }

    #[test]
    fn several_are_charged_all_or_none_and_nobody_waits_forever() {
        let limiter = Limiter::new(|| Duration::ZERO);
        let due = |id, max| Charge { key: rule(id), rate: rate(max, 60) };
        let granted = AtomicUsize::new(0);
        thread::scope(|scope| {
            for turn in 0..8 {
                let (limiter, granted) = (&limiter, &granted);
                scope.spawn(move || {
                    for _ in 0..100 {
                        let mut all: Vec<_> = (0..8).map(|id| due(id, if id == 7 { 50 } else { 1000 })).collect();
                        all.rotate_left(turn);
                        granted.fetch_add(usize::from(limiter.charge_all(&all).is_ok()), Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(granted.into_inner(), 50);
        for id in 0..7 {
            assert_eq!(charge(&limiter, rule(id), rate(1000, 60)).unwrap().remaining, 1000 - 51, "{id}");
        }
    }

    #[test]
    fn of_several_full_ones_the_slowest_is_told() {
        let hand = Hand::default();
        let limiter = hand.limiter();
        charge(&limiter, rule(1), rate(1, 10)).unwrap();
        charge(&limiter, rule(2), rate(1, 100)).unwrap();
        let all = [(1, 10), (2, 100), (3, 5)].map(|(id, secs)| Charge { key: rule(id), rate: rate(1, secs) });
        let (at, full) = limiter.charge_all(&all).unwrap_err();
        assert_eq!((at, full.retry_after), (1, Duration::from_secs(100)));
        assert!(charge(&limiter, rule(3), rate(1, 5)).is_ok());
    }

    #[test]
    fn idle_counters_are_forgotten() {
        let hand = Hand::default();
        let limiter = hand.limiter();
        for id in 0..10_000 {
            charge(&limiter, rule(id), rate(5, 10)).unwrap();
        }
        assert_eq!(limiter.len(), 10_000);
        hand.advance(Duration::from_secs(10));
        limiter.sweep();
        assert!(limiter.is_empty());
    }

    #[test]
    fn shards_forget_by_themselves_when_they_grow() {
        let hand = Hand::default();
        let limiter = hand.limiter();
        for id in 0..200_000 {
            hand.advance(Duration::from_millis(10));
            charge(&limiter, rule(id), rate(5, 1)).unwrap();
        }
        assert!(limiter.len() < 10_000, "{}", limiter.len());
    }

    #[test]
    fn made_up_callers_fill_no_memory_and_reset_no_counter_of_a_known_one() {
        let hand = Hand::default();
        let limiter = hand.limiter();
        let known = [
            rule(0),
            LimitKey::of_caller("proxy", Some(Id::from_bytes([7; 16]))),
            LimitKey::of_caller("management", Some(Id::from_bytes([7; 16]))),
            LimitKey::of_caller("proxy", None),
        ];
        for key in known {
            charge(&limiter, key, rate(1, 3600)).unwrap();
        }
        for caller in 0..150_000_u128 {
            hand.advance(Duration::from_nanos(1));
            charge(&limiter, LimitKey::of_stranger("test", &caller.to_be_bytes()), rate(10, 60)).unwrap();
        }
        assert!(limiter.len() <= SHARDS * MOST_STRANGERS + known.len(), "{}", limiter.len());
        for key in known {
            assert!(charge(&limiter, key, rate(1, 3600)).is_err(), "{key:?}");
        }
    }

    #[test]
    fn a_large_rate_keeps_few_entries_and_never_lets_too_many_through() {
        let hand = Hand::default();
        let (limiter, rate) = (hand.limiter(), rate(10 * FINEST, 60));
        let mut through = 0;
        for _ in 0..20 * FINEST {
            hand.advance(Duration::from_micros(10));
            through += u32::from(charge(&limiter, rule(1), rate).is_ok());
        }
        assert_eq!(through, 10 * FINEST);
        let entries: usize = limiter
            .shards
            .iter()
            .flat_map(|it| it.lock().unwrap().counters.values().map(|it| it.grants.len()).collect::<Vec<_>>())
            .sum();
        assert!(entries <= FINEST as usize + 1, "{entries}");
    }

    #[test]
    fn a_lowered_max_counts_at_once() {
        let limiter = Limiter::new(|| Duration::ZERO);
        for _ in 0..10 {
            charge(&limiter, rule(1), rate(10, 60)).unwrap();
        }
        assert_eq!(charge(&limiter, rule(1), rate(5, 50)).unwrap_err().retry_after, Duration::from_secs(50));
    }

    proptest! {
        /// Over any history, no stretch as long as the window holds more than `max` grants, and none is refused that
        /// could have been granted.
        #[test]
        fn windows_slide_exactly(max in 1_u32..6, secs in 1_u64..8, steps in vec(0_u64..3_000, 1..200)) {
            let hand = Hand::default();
            let (limiter, rate) = (hand.limiter(), rate(max, secs));
            let (mut now, mut grants) = (0_u64, Vec::new());
            for step in steps {
                hand.advance(Duration::from_millis(step));
                now += step;
                let recent = grants.iter().filter(|it| **it + secs * 1000 > now).count();
                let granted = charge(&limiter, rule(1), rate).is_ok();
                assert_eq!(granted, recent < max as usize, "at {now} after {grants:?}");
                if granted {
                    grants.push(now);
                }
            }
        }
    }
}
