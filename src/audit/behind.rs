//! What stands in the log behind the head of the chain: lines of a process that was killed before it could say that it
//! had written them. They are the chain's if their MACs are.

use std::{
    fs::File,
    io,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use crate::audit::{
    anchor::Anchor,
    chain::{ChainKey, Link},
    head::State,
    log::Mark,
    rotated::Files,
    scan,
};

/// Where a chain is looked for that has no head: so far before the end of a file.
const TAIL: u64 = 256 * 1024;

/// Takes up what follows `state` in the log, and in what was the log before it was rotated.
pub(crate) fn catch_up(state: &mut State, log: &File, path: &Path, key: &ChainKey) -> io::Result<()> {
    let mark = state.mark;
    let now = log.metadata()?;
    if mark.is_in(&now) && now.len() >= mark.offset {
        return follow(log, mark.offset, &mut state.anchor, key);
    }
    if let Some(rotated) = rotated(mark, path)? {
        follow(&rotated, mark.offset, &mut state.anchor, key)?;
    }
    if mark.is_in(&now) && now.len() > 0 {
        tracing::warn!(log = %path.display(), "the audit log is shorter than it was; `vultrino audit verify` says more");
    }
    follow(log, 0, &mut state.anchor, key)
}

/// Where the chain ends if nothing but the log tells it: after the last record that is authentic, but never before
/// `known`.
pub(crate) fn begin(path: &Path, key: &ChainKey, known: Anchor) -> io::Result<State> {
    let files = Files::of(path)?;
    let mut last = Anchor::BEGIN;
    let mut before = Anchor::BEGIN;
    let newest: Vec<&PathBuf> = files.readable.iter().rev().take(2).collect();
    for file in newest.into_iter().rev() {
        let file = File::open(file)?;
        let start = file.metadata()?.len().saturating_sub(TAIL);
        each_line(&file, start, |line| {
            if let Some(link) = Link::parse(line) {
                if key.follows(before, &link) || key.follows(Anchor::BEGIN, &link) {
                    last = link.anchor;
                }
                before = link.anchor;
            }
        })?;
    }
    if last.sequence < known.sequence {
        tracing::warn!(log = %path.display(), "the audit log lacks records; `vultrino audit verify` says which");
        last = known;
    }
    Ok(State { anchor: last, mark: Mark::default(), revision: 0 })
}

/// What the marked file is called now, or the copy that was made of it before it was emptied.
fn rotated(mark: Mark, log: &Path) -> io::Result<Option<File>> {
    let files = Files::of(log)?;
    let mut copy = None;
    for path in files.before(log) {
        let file = match File::open(path) {
            Ok(file) => file,
            // It has moved on since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let about = file.metadata()?;
        if mark.is_in(&about) {
            return Ok(Some(file));
        }
        if copy.is_none() && about.len() >= mark.offset {
            copy = Some(file);
        }
    }
    Ok(copy)
}

fn follow(file: &File, start: u64, last: &mut Anchor, key: &ChainKey) -> io::Result<()> {
    each_line(file, start, |line| {
        if let Some(link) = Link::parse(line)
            && key.follows(*last, &link)
        {
            *last = link.anchor;
        }
    })
}

/// Each line that is ended.
fn each_line(file: &File, start: u64, mut see: impl FnMut(&[u8])) -> io::Result<()> {
    let seen = scan::forward(file, start, |line, _| {
        see(line);
        ControlFlow::<()>::Continue(())
    })?;
    debug_assert!(seen.is_continue(), "nothing ends it early");
    Ok(())
}
