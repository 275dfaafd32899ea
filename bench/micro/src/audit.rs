//! The line of a request: written into memory, and all the way into the log.

use std::{hint::black_box, thread};

use criterion::Criterion;
use tempfile::tempdir;
use vultrino::audit::{
    Audit, ChainKey, Config, Door, Entry, Outcome, Recorder,
    line::{LONGEST, Line},
};

/// As many as a worker has by default.
const SLOTS: u16 = 2048;

/// `audit/…`
pub fn audit(c: &mut Criterion) {
    let mut group = c.benchmark_group("audit");
    let folder = tempdir().unwrap();
    let config = Config {
        file: folder.path().join("audit.log"),
        journal_dir: folder.path().join("journals"),
        chain: ChainKey::new(&[7; 32]),
        anchor: None,
        revision: 1,
    };
    let (audit, recorders) = Audit::open(config, 1, SLOTS).unwrap();
    let recorder = &recorders[0];
    let (entry, mut space) = (noted(recorder), [0; LONGEST]);
    let line = Line { record: &entry.record, outcome: Outcome::Ok, millis: Some(12), key: &ChainKey::new(&[7; 32]) };
    group.bench_function("line", |b| b.iter(|| black_box(&line).write(&mut space, b"")));
    // Faster than the writer can follow: what is timed is the slower of the two threads.
    group.bench_function("into the log", |b| {
        b.iter(|| {
            let mut entry = noted(recorder);
            entry.arm();
            entry.close(Outcome::Ok);
        });
    });
    drop(entry);
    audit.close().unwrap();
    group.finish();
}

/// A record as it is when a request is about to be sent; waits where the writer has no slot free yet.
fn noted(recorder: &Recorder) -> Entry {
    let mut entry = loop {
        match recorder.open(Door::Connect, "http_request") {
            Ok(entry) => break entry,
            Err(_) => thread::yield_now(),
        }
    };
    entry.record.set_method("POST");
    entry.set_url("https", "api.example.com", crate::messages::WITHIN);
    entry.record.set_credential("chat");
    entry.record.set_source(Some(([127, 0, 0, 1], 53122).into()));
    entry.record.set_key("vk_0123456789ab");
    entry.record.set_name("ci");
    entry.record.status = 200;
    entry.record.generation = 7;
    entry
}
