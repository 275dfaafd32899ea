//! One open record: it ends in exactly one line, also when it is only dropped.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::audit::{
    journal::{Kind, Slot},
    line::{LONGEST, Line},
    record::{Outcome, Record, RequestId},
    recorder::{Closed, Lane},
};

/// The right and the duty to write one line.
#[derive(Debug)]
pub struct Entry {
    /// What the line will say.
    pub record: Record,
    id: RequestId,
    /// Gone once it is closed.
    slot: Option<Slot>,
    lane: Arc<Lane>,
    started: Instant,
}

impl Entry {
    pub(crate) fn new(record: Record, id: RequestId, slot: Slot, lane: Arc<Lane>, started: Instant) -> Self {
        Self { record, id, slot: Some(slot), lane, started }
    }

    /// Writes down what is known now, with the outcome `interrupted`: if the process dies, this becomes the line. To be
    /// called before a credential is opened.
    pub fn arm(&mut self) {
        let line = Line { record: &self.record, outcome: Outcome::Interrupted, millis: None, id: self.id };
        if let Some(slot) = &mut self.slot {
            self.lane.slots.put(slot, Kind::Armed, |space| line.write(space).length);
        }
    }

    /// Ends the record. Its line is safe when this returns, and in the log soon after.
    pub fn close(self, outcome: Outcome) {
        self.close_timed(outcome);
    }

    /// The same, and says how long it was open.
    pub fn close_timed(mut self, outcome: Outcome) -> Duration {
        let open = self.started.elapsed();
        self.finish(outcome, open);
        open
    }

    /// Since when it is open.
    pub fn opened(&self) -> Instant {
        self.started
    }

    /// Names the record.
    pub fn id(&self) -> RequestId {
        self.id
    }

    fn finish(&mut self, outcome: Outcome, open: Duration) {
        let Some(mut slot) = self.slot.take() else { return };
        let millis = u64::try_from(open.as_millis()).ok();
        let line = Line { record: &self.record, outcome, millis, id: self.id };
        let mut long = None;
        self.lane.slots.put(&mut slot, Kind::Closed, |space| {
            let fit = line.write(space);
            if fit.cut {
                let mut whole = vec![0; LONGEST];
                let length = line.write(&mut whole).length;
                whole.truncate(length);
                long = Some(whole.into_boxed_slice());
            }
            fit.length
        });
        self.lane.close(Closed { slot, long });
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if self.slot.is_some() {
            self.finish(Outcome::of_abandoned(), self.started.elapsed());
        }
    }
}
