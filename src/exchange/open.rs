//! The record of one exchange while it is open, and what is counted of it: both end together.

use crate::{
    audit::{Door, Entry, Outcome, Unavailable},
    exchange::{Exchange, Refusal, metrics::Tally},
};

/// The right and the duty to write one line and count one exchange; dropped, its caller went away.
#[derive(Debug)]
pub struct Open {
    /// What the line will say.
    pub entry: Entry,
    tally: Tally,
}

impl Open {
    /// It has ended so.
    pub fn close(self, outcome: Outcome) {
        let Self { entry, mut tally } = self;
        let (up, down) = (entry.record.bytes_up, entry.record.bytes_down);
        let took = entry.close_timed(outcome);
        tally.end(outcome, took, (up, down));
    }

    /// It was answered so.
    pub fn refuse(mut self, refusal: Refusal) -> Refusal {
        self.entry.record.status = refusal.status();
        self.entry.record.reason = Some(refusal.reason().unwrap_or(refusal.code()));
        self.tally.refused(&refusal);
        self.close(refusal.outcome());
        refusal
    }
}

impl Exchange {
    /// Opens a record.
    ///
    /// # Errors
    /// There is none to be had.
    pub(crate) fn open(&self, door: Door, action: &'static str) -> Result<Open, Refusal> {
        match self.recorder.open(door, action) {
            Ok(entry) => {
                let tally = self.metrics.begin(door, entry.opened());
                Ok(Open { entry, tally })
            }
            Err(unavailable) => {
                let refusal = match unavailable {
                    Unavailable::NoSlot => Refusal::Overloaded,
                    Unavailable::Failing | Unavailable::Closed => Refusal::AuditUnavailable,
                };
                self.metrics.unrecorded(door, &refusal);
                Err(refusal)
            }
        }
    }
}
