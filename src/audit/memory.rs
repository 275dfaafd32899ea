//! What the trail remembers beside its lines: the last record, which the store keeps as an anchor, and the newest store
//! that was seen, so that an older one put in its place is noticed.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use thiserror::Error;

use crate::audit::{
    anchor::Anchor,
    behind::catch_up,
    config::Config,
    head::{Head, State},
    rotated::Files,
    witness::{Witness, hear},
};

/// A store of a lower revision than the trail has seen: somebody put a copy of an earlier day back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum RolledBack {
    /// It is.
    #[error(
        "the store is older than it was: revision {seen} has been seen, and now it is at {found}, so what was deleted \
         or revoked meanwhile is there again; put the newest store back, or, if this one was put there on purpose, stop \
         the server and start it with `vultrino serve --accept-rollback`"
    )]
    Older {
        /// What it is.
        found: u64,
        /// What it was.
        seen: u64,
    },
    /// It may be: what would tell is gone.
    #[error(
        "it cannot be told whether the store is older than it was: `chain` in the folder of the audit journals is \
         missing or not as it was written, and the audit log does not hold every record after {known}, which the store \
         knows; if the store was put there on purpose, `vultrino serve --accept-rollback` takes it"
    )]
    Untold {
        /// The last record that the store knows.
        known: Anchor,
    },
}

/// A handle on it, also after the trail is closed. Clones share it.
#[derive(Clone, Debug)]
pub struct Memory {
    head: Arc<Mutex<Head>>,
    log: PathBuf,
}

impl Memory {
    /// Of the trail that is set up so; it need not be open.
    pub fn of(config: &Config) -> Self {
        Self::new(Head::new(&config.journal_dir, config.chain.clone()), config.file.clone())
    }

    pub(crate) fn new(head: Head, log: PathBuf) -> Self {
        Self { head: Arc::new(Mutex::new(head)), log }
    }

    /// The last record that is in the log. It is on the disk when this returns, and all before it.
    ///
    /// # Errors
    /// The head of the chain or the log cannot be read or synced.
    pub fn head(&self) -> io::Result<Anchor> {
        let Some(state) = self.lock().look()? else { return Ok(Anchor::BEGIN) };
        // The log, and what was the log a moment ago.
        for path in Files::of(&self.log)?.readable.iter().rev().take(2) {
            match File::open(path) {
                Ok(file) => file.sync_data()?,
                // It has moved on since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => (),
                Err(error) => return Err(error),
            }
        }
        Ok(state.anchor)
    }

    /// The newest revision of the store that there is any trace of, for a store that knows the chain up to `known`.
    /// `None` if what should tell it is gone.
    ///
    /// # Errors
    /// The head of the chain or the log cannot be read.
    pub fn newest_revision(&self, known: Anchor) -> io::Result<Option<u64>> {
        let mut head = self.lock();
        let Some(mut state) = head.look()? else {
            return Ok(match hear(&self.log, head.key(), known)? {
                Witness::Nothing => Some(0),
                Witness::Unbroken(revision) => Some(revision),
                Witness::Broken => None,
            });
        };
        // Who put an older head there, too, left the log.
        let log = match File::open(&self.log) {
            Ok(log) if !log.metadata()?.is_file() => return Ok(Some(state.revision)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            opened => Some(opened?),
        };
        catch_up(&mut state, log.as_ref(), &self.log, head.key())?;
        Ok(Some(state.revision))
    }

    /// The highest revision of the store that any process has seen; 0 if none was.
    ///
    /// # Errors
    /// The head of the chain cannot be read.
    pub fn seen_revision(&self) -> io::Result<u64> {
        Ok(self.lock().look()?.map_or(0, |it| it.revision))
    }

    /// Whether a store of this revision is none of an earlier day. If so, it is remembered.
    ///
    /// # Errors
    /// The head of the chain cannot be read or written.
    pub fn see_revision(&self, found: u64) -> io::Result<Result<(), RolledBack>> {
        let seen = self.seen_revision()?;
        if found < seen {
            return Ok(Err(RolledBack::Older { found, seen }));
        }
        if found > seen {
            self.set_revision(|seen| seen.max(found))?;
        }
        Ok(Ok(()))
    }

    /// From now on a store of this revision is the newest, although a newer one was seen.
    ///
    /// # Errors
    /// The head of the chain cannot be written.
    pub fn accept_revision(&self, revision: u64) -> io::Result<()> {
        self.set_revision(|_| revision)
    }

    /// The file that remembers it.
    pub fn path(&self) -> PathBuf {
        self.lock().path().to_owned()
    }

    /// Where the log lies.
    pub fn log(&self) -> &Path {
        &self.log
    }

    fn set_revision(&self, change: impl FnOnce(u64) -> u64) -> io::Result<()> {
        let mut head = self.lock();
        let mut head = head.lock()?;
        // Without a head nothing was appended yet; the first line makes it.
        let Some(state) = head.state() else { return Ok(()) };
        head.set(State { revision: change(state.revision), ..state })
    }

    fn lock(&self) -> MutexGuard<'_, Head> {
        // Whatever a panic left half done is read anew from the file.
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
