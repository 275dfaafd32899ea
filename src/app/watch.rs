//! Changes that other processes make to the store reach this one within a second.

use std::time::Duration;

use crate::{
    app::parts::Parts,
    store::{FileStore, Stamp, StoreError},
};

/// One look costs one `stat`.
const LOOK: Duration = Duration::from_millis(250);

/// Looks at the store again and again.
#[derive(Debug)]
pub struct Watch {
    store: FileStore,
    revision: u64,
    parts: Parts,
    stamp: Option<Stamp>,
}

impl Watch {
    /// From a revision on that `parts` already has.
    pub fn new(store: FileStore, revision: u64, parts: Parts) -> Self {
        Self { store, revision, parts, stamp: None }
    }

    /// Republishes what the store holds whenever it has changed. What cannot be read leaves everything as it was.
    pub async fn run(mut self) {
        let mut failing = false;
        loop {
            tokio::time::sleep(LOOK).await;
            match self.look() {
                Ok(()) => failing = false,
                Err(error) if !failing => {
                    failing = true;
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "the store cannot be read; the last state stays in force");
                }
                Err(_) => {}
            }
        }
    }

    fn look(&mut self) -> Result<(), StoreError> {
        let now = Some(self.store.stamp()?);
        if self.stamp == now {
            return Ok(());
        }
        let records = self.store.load()?;
        if records.revision != self.revision {
            self.parts.replace(&records);
            self.revision = records.revision;
            tracing::info!(self.revision, credentials = records.credentials.len(), "the store has changed");
        }
        // Only now: a change between the two looks is seen by the next one.
        self.stamp = now;
        Ok(())
    }
}
