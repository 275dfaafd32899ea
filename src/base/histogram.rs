//! How long things took: counted by length, written by one thread and read by any.

use std::time::Duration;

use crate::base::count::Count;

/// The upper ends of the lengths that are told apart, in microseconds: from what a decision takes to what a long answer
/// does. What is longer is counted, too.
const BOUNDS: [u64; 21] = [
    5,
    10,
    25,
    50,
    100,
    250,
    500, //
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000, //
    1_000_000,
    2_500_000,
    10_000_000,
    60_000_000,
    600_000_000,
];

/// One thread alone observes with it, as [`Count`] says.
#[derive(Debug, Default)]
pub struct Histogram {
    /// Each with what is longer than the bound before; the last with what is longer than all.
    counts: [Count; BOUNDS.len() + 1],
    nanos: Count,
}

/// What one or several histograms held.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lengths {
    counts: [u64; BOUNDS.len() + 1],
    nanos: u64,
}

impl Histogram {
    /// Counts something that took so long.
    pub fn observe(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.counts[BOUNDS.partition_point(|it| it * 1000 < nanos)].one();
        self.nanos.add(nanos);
    }
}

impl Lengths {
    /// Adds what this histogram holds.
    pub fn add(&mut self, histogram: &Histogram) {
        for (sum, count) in self.counts.iter_mut().zip(&histogram.counts) {
            *sum += count.get();
        }
        self.nanos = self.nanos.wrapping_add(histogram.nanos.get());
    }

    /// How many were observed.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them together.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.nanos)
    }

    /// How many were within each bound, and longer than the one before; seconds.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        let bounds = BOUNDS.into_iter().map(|it| Duration::from_micros(it).as_secs_f64());
        bounds.chain([f64::INFINITY]).zip(self.counts)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::base::histogram::{BOUNDS, Histogram, Lengths};

    #[test]
    fn a_length_counts_within_the_first_bound_that_it_does_not_exceed() {
        assert!(BOUNDS.is_sorted_by(|a, b| a < b));
        let histogram = Histogram::default();
        for nanos in [0, 5_000, 5_001, 600_000_000_000, 600_000_000_001] {
            histogram.observe(Duration::from_nanos(nanos));
        }
        let mut lengths = Lengths::default();
        lengths.add(&histogram);
        let hit: Vec<(f64, u64)> = lengths.buckets().filter(|(_, count)| *count > 0).collect();
        assert_eq!(hit, [(0.000_005, 2), (0.000_01, 1), (600.0, 1), (f64::INFINITY, 1)]);
        assert_eq!((lengths.count(), lengths.sum()), (5, Duration::from_nanos(1_200_000_010_002)));
        lengths.add(&histogram);
        assert_eq!(lengths.count(), 10);
    }
}
