//! The one thread that writes the log: in batches, for as long as it takes, and it forgets no line.

use std::{
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use crate::audit::{
    journal::Journal,
    recorder::{Closed, Lane, Signals},
    sink::{Appended, Sink},
};

/// Under load, lines wait so long for others to share a write with them.
const NAP: Duration = Duration::from_millis(5);

/// Naps that bring no line, before it sleeps until somebody rouses it.
const PATIENCE: u32 = 2;

/// One write is not much longer than this.
const BATCH: usize = 256 * 1024;

/// Pauses between attempts while the log cannot be written.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How long it goes on trying when the process wants to end.
const LAST_ATTEMPTS: Duration = Duration::from_secs(2);

/// The state of the thread.
#[derive(Debug)]
pub struct Writer {
    sink: Sink,
    journal: Arc<Journal>,
    lanes: Vec<Arc<Lane>>,
    signals: Arc<Signals>,
    /// Lines that are not in the log, of each lane.
    waiting: Vec<Vec<Closed>>,
}

impl Writer {
    /// Writes what `lanes` close.
    pub fn new(sink: Sink, journal: Arc<Journal>, lanes: Vec<Arc<Lane>>, signals: Arc<Signals>) -> Self {
        let waiting = lanes.iter().map(|_| Vec::new()).collect();
        Self { sink, journal, lanes, signals, waiting }
    }

    /// Returns when the trail is closed, and either all is written or it is hopeless.
    pub fn run(mut self) {
        let _alarm = Alarm(Arc::clone(&self.signals));
        let (mut idle, mut pause, mut give_up_at) = (0, FIRST_PAUSE, None);
        loop {
            let closing = self.signals.is_closing();
            if !self.collect() {
                if closing {
                    return;
                }
                idle += 1;
                self.rest(idle > PATIENCE);
                continue;
            }
            idle = 0;
            self.signals.set_awake(true);
            if self.write() {
                pause = FIRST_PAUSE;
                if !closing {
                    thread::park_timeout(NAP);
                }
            } else if closing {
                let now = Instant::now();
                if *give_up_at.get_or_insert(now + LAST_ATTEMPTS) <= now {
                    return;
                }
                thread::park_timeout(FIRST_PAUSE);
            } else {
                thread::park_timeout(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    /// Whether there is anything to write.
    fn collect(&mut self) -> bool {
        for (lane, waiting) in self.lanes.iter().zip(&mut self.waiting) {
            lane.collect(waiting);
        }
        self.has_lines()
    }

    fn has_lines(&self) -> bool {
        self.waiting.iter().any(|it| !it.is_empty())
    }

    fn rest(&mut self, for_long: bool) {
        if !for_long {
            return thread::park_timeout(NAP);
        }
        // Who closes a record after this rouses us; who closed one before has left it where we look now.
        self.signals.set_awake(false);
        if !self.collect() && !self.signals.is_closing() {
            thread::park();
        }
    }

    /// Writes all that waits, or says that it could not.
    fn write(&mut self) -> bool {
        while self.has_lines() {
            if let Err(error) = self.write_batch() {
                if self.signals.set_failing(true) {
                    let log = self.sink.path().display();
                    tracing::error!(%error, %log, "the audit log cannot be written: no credential is used until it can");
                }
                return false;
            }
        }
        if self.signals.set_failing(false) {
            let log = self.sink.path().display();
            tracing::warn!(%log, "the audit log can be written again; nothing was lost");
        }
        true
    }

    fn write_batch(&mut self) -> io::Result<()> {
        let waiting = self.lanes.iter().zip(&self.waiting);
        let lines = waiting.flat_map(|(lane, waiting)| waiting.iter().map(|it| lane.text(it)));
        let mut room = Some(BATCH);
        let batch = lines.take_while(|line| {
            let fits = room.is_some();
            room = room.and_then(|it| it.checked_sub(line.len()));
            fits
        });
        let Appended { lines: mut written, result } = self.sink.append(batch, |mark| self.journal.note(mark));
        for (lane, waiting) in self.lanes.iter().zip(&mut self.waiting) {
            let lines = written.min(waiting.len());
            lane.release(waiting.drain(..lines).map(|it| it.slot));
            written -= lines;
        }
        result
    }
}

/// A writer that died of a bug must not look like one that has nothing to do.
#[derive(Debug)]
struct Alarm(Arc<Signals>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.set_failing(true);
        }
    }
}
