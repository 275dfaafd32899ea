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
    witness::told,
};

/// Where a chain is looked for that has no head: so far before the end of a file.
const TAIL: u64 = 256 * 1024;

/// Takes up what follows `state` in the log, if there is one, and in what was the log before it was rotated. Whether the
/// log is shorter than it was, too.
pub(crate) fn catch_up(state: &mut State, log: Option<&File>, path: &Path, key: &ChainKey) -> io::Result<bool> {
    let mark = state.mark;
    let now = log.map(File::metadata).transpose()?;
    let is_marked = now.as_ref().is_some_and(|it| mark.is_in(it));
    let length = now.map_or(0, |it| it.len());
    if let Some(log) = log
        && is_marked
        && length >= mark.offset
    {
        return follow(log, mark.offset, state, key).map(|()| false);
    }
    if let Some(rotated) = rotated(mark, path)? {
        follow(&rotated, mark.offset, state, key)?;
    }
    log.map_or(Ok(()), |log| follow(log, 0, state, key))?;
    Ok(is_marked && length > 0)
}

/// Where the chain ends if nothing but the log tells it: after the last record that is authentic, but never before
/// `known`.
pub(crate) fn begin(path: &Path, key: &ChainKey, known: Anchor) -> io::Result<Anchor> {
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
    Ok(last)
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

fn follow(file: &File, start: u64, state: &mut State, key: &ChainKey) -> io::Result<()> {
    each_line(file, start, |line| {
        if let Some(link) = Link::parse(line)
            && key.follows(state.anchor, &link)
        {
            state.anchor = link.anchor;
            state.revision = told(line, state.revision);
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
