//! The end of the trail: a batch of lines becomes the next records of the chain and is appended to the log, in one write,
//! under the lock that all processes of the store share.

use std::{
    fs::OpenOptions,
    io,
    path::{Path, PathBuf},
};

use crate::{
    audit::{
        anchor::Anchor,
        behind,
        chain::ChainKey,
        head::{Head, Locked, State},
        log::{Log, Mark},
        witness::told,
    },
    base::trusted,
};

/// What of a batch is in the log, and why not the rest.
#[derive(Debug)]
pub struct Appended {
    /// How many of its lines.
    pub lines: usize,
    /// An error means that the rest must be written again.
    pub result: io::Result<()>,
}

/// The end of one line of a batch.
#[derive(Debug)]
struct End {
    /// Bytes of the batch up to there.
    length: usize,
    /// The record.
    anchor: Anchor,
    /// What is known of the store after it.
    revision: u64,
}

/// Appends to one log and one chain.
#[derive(Debug)]
pub struct Sink {
    path: PathBuf,
    log: Option<Log>,
    head: Head,
    key: ChainKey,
    /// What the store remembers; needed only where there is no head.
    known: Anchor,
    /// The newest revision of the store that was seen; needed there, too.
    revision: u64,
    /// The batch as it is written, and what each line's end is. Both are reused.
    text: Vec<u8>,
    ends: Vec<End>,
}

impl Sink {
    /// Opens the log at `path`, and makes it if there is none.
    pub fn open(path: PathBuf, head: Head, key: ChainKey, known: Anchor, revision: u64) -> io::Result<Self> {
        let log = Log::open(&path)?;
        Ok(Self { path, log: Some(log), head, key, known, revision, text: Vec::new(), ends: Vec::new() })
    }

    /// Where the log lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Brings the head up to the log, whatever has become of either; afterwards there is one.
    pub fn settle(&mut self) -> io::Result<()> {
        let mut head = self.head.lock()?;
        let log = current(&mut self.log, &self.path)?;
        let state = caught_up(&head, log, &self.path, &self.key, (self.known, self.revision))?;
        self.revision = state.revision;
        head.set(state)
    }

    /// Appends whole lines. `note` is told, before the first byte, where the batch will begin.
    pub fn append<'a>(
        &mut self,
        lines: impl Iterator<Item = &'a [u8]>,
        note: impl FnOnce(Mark) -> io::Result<()>,
    ) -> Appended {
        let appended = self.try_append(lines, note).unwrap_or_else(|error| Appended { lines: 0, result: Err(error) });
        if appended.result.is_err() {
            self.log = None;
        }
        appended
    }

    fn try_append<'a>(
        &mut self,
        lines: impl Iterator<Item = &'a [u8]>,
        note: impl FnOnce(Mark) -> io::Result<()>,
    ) -> io::Result<Appended> {
        let mut head = self.head.lock()?;
        let log = current(&mut self.log, &self.path)?;
        let mut state = caught_up(&head, log, &self.path, &self.key, (self.known, self.revision))?;
        let start = state.mark;
        note(start)?;
        chain(lines, &state, &self.key, &mut self.text, &mut self.ends);
        let (length, result) = log.append(&self.text, start);
        let written = self.ends.partition_point(|it| it.length <= length);
        if let Some(last) = self.ends[..written].last() {
            state = State { anchor: last.anchor, mark: log.end()?, revision: last.revision };
            if let Err(error) = head.set(state) {
                // The lines are there: this process knows it, and another one finds them behind the head.
                tracing::warn!(%error, "the head of the audit chain cannot be written; the log itself goes on");
            }
        }
        self.revision = state.revision;
        Ok(Appended { lines: written, result })
    }

    /// Takes away half a line at the end of what was the log before it was rotated.
    pub fn mend(&mut self, path: &Path) -> io::Result<()> {
        let _alone = self.head.lock()?;
        Log { file: trusted::open_own(OpenOptions::new().read(true).append(true), path)?, regular: true }.mend()
    }

    /// What was written is on the disk when this returns.
    pub fn sync(&mut self) -> io::Result<()> {
        let log = current(&mut self.log, &self.path)?;
        if log.regular { log.file.sync_data() } else { Ok(()) }
    }
}

/// The file that has the log's name now.
fn current<'a>(open: &'a mut Option<Log>, path: &Path) -> io::Result<&'a Log> {
    if let Some(log) = open
        && log.regular
        && !log.is_named(path)?
    {
        *open = None;
    }
    match open {
        Some(log) => Ok(log),
        none => Ok(none.insert(Log::open(path)?)),
    }
}

/// Where the chain and the log end, whoever wrote to the log since the head was written. The log ends in a whole line
/// then.
fn caught_up(
    head: &Locked<'_>,
    log: &Log,
    path: &Path,
    key: &ChainKey,
    (known, revision): (Anchor, u64),
) -> io::Result<State> {
    if log.regular {
        log.mend()?;
    }
    let mut state = match head.state() {
        Some(state) => state,
        None if log.regular => State { anchor: behind::begin(path, key, known)?, mark: Mark::default(), revision },
        None => State { anchor: known, mark: Mark::default(), revision },
    };
    if head.is_damaged() && state.anchor != Anchor::BEGIN {
        tracing::warn!("the file that remembers the end of the audit chain was not as it was written; it is made anew");
    }
    let end = log.end()?;
    if log.regular && end != state.mark && behind::catch_up(&mut state, Some(&log.file), path, key)? {
        tracing::warn!(log = %path.display(), "the audit log is shorter than it was; `vultrino audit verify` says more");
    }
    state.mark = end;
    Ok(state)
}

fn chain<'a>(
    lines: impl Iterator<Item = &'a [u8]>,
    last: &State,
    key: &ChainKey,
    text: &mut Vec<u8>,
    ends: &mut Vec<End>,
) {
    text.clear();
    ends.clear();
    let (mut anchor, mut revision) = (last.anchor, last.revision);
    for line in lines {
        key.append(&mut anchor, line, text);
        revision = told(line, revision);
        ends.push(End { length: text.len(), anchor, revision });
    }
}
