//! The record of one exchange while it is open, and what is counted of it: both end together.

use crate::{
    audit::{Door, Entry, Outcome, Record, Unavailable},
    base::{capacity::Share, peer::Peer},
    exchange::{Exchange, Refusal, metrics::Tally, time_limit::Setting},
    identity::{PresentedKey, Principal, presented},
};

/// The right and the duty to write one line and count one exchange; dropped, its caller went away.
#[derive(Debug)]
pub struct Open {
    /// What the line will say.
    pub entry: Entry,
    tally: Tally,
    /// Its share of what may be open at once, from when it is known whose.
    pub(crate) share: Option<Share>,
    /// The setting that ends it if the origin server falls silent in its answer.
    pub(crate) silenced_by: Setting,
}

impl Open {
    /// It has ended so.
    pub fn close(self, outcome: Outcome) {
        let Self { entry, mut tally, share: _share, silenced_by: _ } = self;
        let (up, down) = (entry.record.bytes_up, entry.record.bytes_down);
        let took = entry.close_timed(outcome);
        tally.end(outcome, took, (up, down));
    }
}

/// What a line says of an answer, whoever gave it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Word {
    /// Of the answer.
    pub status: u16,
    /// The code that programs read.
    pub code: &'static str,
    /// More than that, from a fixed set.
    pub reason: Option<&'static str>,
    /// What the line ends with.
    pub outcome: Outcome,
}

impl Word {
    /// What was asked for was given.
    pub const OK: Self = Self { status: 200, code: "ok", reason: None, outcome: Outcome::Ok };

    /// What is said of this one.
    pub fn of(refusal: &Refusal) -> Self {
        let (status, code) = (refusal.status(), refusal.code());
        Self { status, code, reason: refusal.reason(), outcome: refusal.outcome() }
    }
}

/// What somebody asked of us that is neither an exchange nor a change, or came to be neither.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Which way.
    pub door: Door,
    /// As the line names it.
    pub action: &'static str,
    /// Where from.
    pub source: Option<Peer>,
    /// As it was asked; empty where there is none.
    pub method: &'a str,
    /// The path; what follows it is left out. Empty where there is none.
    pub target: &'a str,
    /// The credential that it is about, as the caller says it; empty where there is none.
    pub alias: &'a str,
    /// The key that was shown.
    pub key: Option<PresentedKey>,
    /// Who that is, if that is known.
    pub principal: Option<&'a Principal>,
}

impl Exchange {
    /// Closes the record of what was refused.
    pub(crate) fn close_refused(&self, open: Open, refusal: Refusal) -> Refusal {
        open.tally.refused(&refusal);
        self.close_answered(open, &Word::of(&refusal));
        refusal
    }

    fn close_answered(&self, mut open: Open, word: &Word) {
        let record = &mut open.entry.record;
        record.status = word.status;
        record.reason = (word.outcome != Outcome::Ok).then(|| word.reason.unwrap_or(word.code));
        // Where the disk has no room to spare, that is for uses.
        let has_line = record.has_name() && self.recorder.has_room_to_spare();
        if word.outcome == Outcome::Ok || has_line {
            return open.close(word.outcome);
        }
        let Open { entry, mut tally, share: _share, silenced_by: _ } = open;
        let up = entry.record.bytes_up;
        let took = self.shared.strangers.close(entry, word.outcome, &self.recorder);
        tally.end(word.outcome, took, (up, 0));
    }

    /// Says in the record who was refused before it was asked: the holder of a key, or whoever needs none. A key that is not
    /// found is `?`: its text is the caller's own, and may begin as the key of somebody else does.
    pub(crate) fn name_caller(&self, record: &mut Record, key: Option<&PresentedKey>, keyless: bool) {
        let Some(key) = key else {
            if keyless {
                record.set_name(Principal::Local.name());
            }
            return;
        };
        let (snapshot, now) = (self.snapshot.load(), self.shared.clock.now());
        let Some(holder) = snapshot.holder(key) else { return record.set_key("?") };
        record.set_key(&holder.key.prefix);
        if !holder.key.is_expired(now) {
            record.set_name(&holder.key.name);
        }
    }

    /// Opens a record.
    ///
    /// # Errors
    /// There is none to be had.
    pub(crate) fn open(&self, door: Door, action: &'static str) -> Result<Open, Refusal> {
        match self.recorder.open(door, action) {
            Ok(entry) => {
                let tally = self.metrics.begin(door, entry.opened());
                Ok(Open { entry, tally, share: None, silenced_by: Setting::Server })
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

    /// Records a call, and how it was answered.
    ///
    /// # Errors
    /// There is no record to be had; that is what it is refused for then.
    pub fn note(&self, call: &Call<'_>, word: &Word) -> Result<(), Refusal> {
        let mut open = self.open(call.door, call.action)?;
        open.entry.set_authority(without_values(call.target));
        let record = &mut open.entry.record;
        record.set_source(call.source.and_then(Peer::address));
        record.set_method(call.method);
        record.set_credential(presented::unless_key(call.alias));
        if let Some(principal) = call.principal {
            record.set_name(principal.name());
            record.set_key(principal.prefix());
        } else {
            self.name_caller(record, call.key.as_ref(), false);
        }
        if word.outcome != Outcome::Ok {
            self.metrics.coded(word.code);
        }
        self.close_answered(open, word);
        Ok(())
    }
}

/// Of a target that could not be parsed: nothing that may be a value, a password or a key.
pub(crate) fn without_values(target: &str) -> &str {
    let path = target.split(['?', '#']).next().unwrap_or(target);
    let may_hold_one = path.contains('@') || presented::holds_a_key(path.as_bytes());
    if may_hold_one { "..." } else { path }
}
