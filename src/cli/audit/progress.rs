//! How far a long read of the log has come, for who waits at a terminal.

use std::time::{Duration, Instant};

use crate::cli::output::Output;

/// How often it is told; short work tells nothing.
const PAUSE: Duration = Duration::from_millis(200);

/// Wiped away at its end.
pub(crate) struct Progress<'a> {
    output: &'a Output,
    told: Instant,
    visible: bool,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(output: &'a Output) -> Self {
        Self { output, told: Instant::now(), visible: false }
    }

    pub(crate) fn at(&mut self, bytes: u64, total: u64) {
        if self.told.elapsed() > PAUSE {
            (self.told, self.visible) = (Instant::now(), true);
            self.output.progress(&format!("{} of {} MiB read", bytes >> 20, total >> 20));
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if self.visible {
            self.output.progress("");
        }
    }
}
