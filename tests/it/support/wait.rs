//! Bounded waiting for what another process does: nothing is assumed to have happened because time has passed.

use std::{
    thread,
    time::{Duration, Instant},
};

/// After this long, what has not happened does not happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again and again until there is an answer.
///
/// # Panics
/// When patience runs out, with `what` was waited for.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(it) = ask() {
            return it;
        }
        assert!(Instant::now() < end, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
