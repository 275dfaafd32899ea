//! How many requests came how.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::verdict::Verdict;

/// How many requests came how.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Seen {
    pub(crate) right: u64,
    pub(crate) missing: u64,
    pub(crate) wrong: u64,
    pub(crate) repeated: u64,
    pub(crate) leaked: u64,
}

impl Seen {
    pub(crate) fn only_right(&self) -> bool {
        let Self { right: _, missing, wrong, repeated, leaked } = self;
        [missing, wrong, repeated, leaked].into_iter().all(|count| *count == 0)
    }
}

/// The same, while it is counted.
#[derive(Default)]
pub(crate) struct Tally {
    right: AtomicU64,
    missing: AtomicU64,
    wrong: AtomicU64,
    repeated: AtomicU64,
    leaked: AtomicU64,
}

impl Tally {
    pub(crate) fn count(&self, verdict: Verdict) {
        let counter = match verdict {
            Verdict::Right => &self.right,
            Verdict::Missing => &self.missing,
            Verdict::Wrong => &self.wrong,
            Verdict::Repeated => &self.repeated,
            Verdict::Leaked => &self.leaked,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Seen {
        Seen {
            right: self.right.load(Ordering::Relaxed),
            missing: self.missing.load(Ordering::Relaxed),
            wrong: self.wrong.load(Ordering::Relaxed),
            repeated: self.repeated.load(Ordering::Relaxed),
            leaked: self.leaked.load(Ordering::Relaxed),
        }
    }
}
