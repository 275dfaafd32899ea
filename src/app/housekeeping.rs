//! What has happened and the store should know: when each key was last used, and how far the audit trail has come.
//! Written now and then, never for a request.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;

use crate::{app::published::Published, audit::Anchor, base::id::Id};

/// How often it writes, if there is anything to write.
const PERIOD: Duration = Duration::from_secs(30);

/// Writes it down.
#[derive(Debug)]
pub struct Housekeeping {
    published: Arc<Published>,
    last: Instant,
    /// What the store has been told of each key, where the snapshot does not know it yet.
    told: HashMap<Id, Timestamp>,
    /// The same of the trail.
    anchor: Anchor,
}

impl Housekeeping {
    /// Begins a period.
    pub fn new(published: Arc<Published>) -> Self {
        Self { published, last: Instant::now(), told: HashMap::new(), anchor: Anchor::BEGIN }
    }

    /// Writes if it is time.
    pub fn look(&mut self) {
        if self.last.elapsed() >= PERIOD {
            self.write_down();
        }
    }

    /// Writes now, in one change, if there is anything new. What fails is tried again with the next period.
    pub fn write_down(&mut self) {
        self.last = Instant::now();
        let (used, anchor) = (self.newly_used(), self.new_anchor());
        if used.is_empty() && anchor.is_none() {
            return;
        }
        match self.published.note(&used, anchor) {
            Ok(()) => {
                self.told.extend(used);
                self.anchor = anchor.unwrap_or(self.anchor);
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "the use of keys and the end of the audit trail could not be written down");
            }
        }
    }

    fn newly_used(&mut self) -> Vec<(Id, Timestamp)> {
        let mut used: HashMap<Id, Timestamp> = self.published.snapshot().used().into_iter().collect();
        // Of the others the snapshot knows as much, or they are gone.
        self.told.retain(|id, _| used.contains_key(id));
        used.retain(|id, at| self.told.get(id).is_none_or(|told| *told < *at));
        used.into_iter().collect()
    }

    fn new_anchor(&self) -> Option<Anchor> {
        match self.published.trail().head() {
            Ok(head) => Some(head).filter(|it| it.sequence > self.anchor.sequence),
            Err(error) => {
                tracing::warn!(%error, "cannot store the position of the audit log");
                None
            }
        }
    }
}
