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
    /// What the line will say. Boxed, since it is handed on often.
    pub record: Box<Record>,
    /// Gone once it is closed.
    slot: Option<Slot>,
    lane: Arc<Lane>,
}

impl Entry {
    pub(crate) fn new(record: Box<Record>, slot: Slot, lane: Arc<Lane>) -> Self {
        Self { record, slot: Some(slot), lane }
    }

    /// Writes down what is known now, with the outcome `interrupted`: if the process dies, this becomes the line. To be
    /// called before a credential is opened.
    pub fn arm(&mut self) {
        let Some(slot) = &mut self.slot else { return };
        let line = Line { record: &self.record, outcome: Outcome::Interrupted, millis: None, key: self.lane.key() };
        let mut settled = 0;
        self.lane.slots.put(slot, Kind::Armed, |space, _| {
            let fit = line.write(space, b"");
            settled = fit.settled;
            fit.length
        });
        self.record.settled = settled;
    }

    /// Ends the record. Its line is safe when this returns, and in the log soon after.
    pub fn close(self, outcome: Outcome) {
        self.close_timed(outcome);
    }

    /// The same, and says how long it was open.
    pub fn close_timed(mut self, outcome: Outcome) -> Duration {
        let open = self.record.opened.elapsed();
        self.finish(outcome, open);
        open
    }

    /// The target, as it is before any credential is put into it. Of the query only the names of its parameters are
    /// kept; what has no name is a value.
    pub fn set_url(&mut self, scheme: &str, authority: &str, path_and_query: &str) {
        self.record.set_url(scheme, authority, path_and_query.as_bytes(), self.lane.key());
    }

    /// The target of a tunnel, `host:port`, or a path of our own.
    pub fn set_authority(&mut self, authority: &str) {
        self.record.set_authority(authority, self.lane.key());
    }

    /// Gives the record up: it is one of several that will have one line. To be called on one that was never armed.
    pub fn fold(mut self) -> Box<Record> {
        if let Some(slot) = self.slot.take() {
            self.lane.give_back(slot);
        }
        let Record { id, at, opened, door, action, .. } = *self.record;
        std::mem::replace(&mut self.record, Box::new(Record::new(id, (at, opened), door, action)))
    }

    /// Writes the line of `count` records that were folded.
    pub fn close_folded(mut self, outcome: Outcome, count: u64) {
        self.record.count = count;
        self.write(outcome, None);
    }

    /// Since when it is open.
    pub fn opened(&self) -> Instant {
        self.record.opened
    }

    /// Names the record.
    pub fn id(&self) -> RequestId {
        self.record.id
    }

    fn finish(&mut self, outcome: Outcome, open: Duration) {
        self.write(outcome, u64::try_from(open.as_millis()).ok());
    }

    fn write(&mut self, outcome: Outcome, millis: Option<u64>) {
        let Some(mut slot) = self.slot.take() else { return };
        if let Some(observer) = self.lane.observer() {
            observer.ended(&self.record, outcome);
        }
        let line = Line { record: &self.record, outcome, millis, key: self.lane.key() };
        let mut long = None;
        self.lane.slots.put(&mut slot, Kind::Closed, |space, armed| {
            let fit = line.write(space, armed.get(..line.record.settled).unwrap_or_default());
            if fit.cut {
                let mut whole = vec![0; LONGEST];
                let length = line.write(&mut whole, b"").length;
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
            self.finish(Outcome::of_abandoned(), self.record.opened.elapsed());
        }
    }
}
