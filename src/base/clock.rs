//! The one place that asks the system for the time of day.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// The wall clock. Passed in, so that what depends on time says so in its signature.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock;

impl Clock {
    /// Now, in UTC, with the system's precision.
    pub fn now(self) -> Timestamp {
        Timestamp::now()
    }

    /// How long it is since this call, by a clock that nobody can set.
    pub fn steady(self) -> impl Fn() -> Duration + Send + Sync + 'static {
        let start = Instant::now();
        move || start.elapsed()
    }
}
