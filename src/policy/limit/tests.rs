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
                    through.fetch_add(usize::from(charge(&limiter, rule(1), rate(100, 60)).is_ok()), Ordering::SeqCst);
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
