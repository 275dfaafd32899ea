//! Tests that cannot run here say so where it is seen, and are counted: a silent skip is a lie.

use std::{
    io::{self, Write},
    sync::atomic::{AtomicUsize, Ordering},
};

static SKIPPED: AtomicUsize = AtomicUsize::new(0);

/// Writes past the capture of the test runner that a test did not run, and how many so far.
pub(crate) fn note(test: &str, missing: &str) {
    let count = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
    let line = format!("\nSKIPPED ({count} so far): {test}: {missing}\n");
    io::stderr().write_all(line.as_bytes()).unwrap();
}
