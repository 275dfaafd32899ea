//! A number that only grows, written by one thread and read by any: what metrics are made of.

use std::sync::atomic::{AtomicU64, Ordering};

/// One thread alone adds to it. That saves the locked instruction, which costs ten times as much: what two threads add
/// at once may be lost.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds one.
    pub fn one(&self) {
        self.add(1);
    }

    /// Adds so many.
    pub fn add(&self, more: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
    }

    /// What it has come to.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
