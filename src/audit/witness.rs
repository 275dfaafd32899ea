//! What the log itself tells of the store: which revision a change made. So a store that is older than its log is
//! noticed, also where the head of the chain is gone.

use std::{io, ops::ControlFlow, path::Path};

use memchr::memmem;

use crate::audit::{
    anchor::Anchor,
    chain::{ChainKey, Link},
    event::Fields,
    read::Reader,
    scan,
};

/// The action of the line that lets an older store be the newest.
pub const ACCEPTED: &str = "store_rollback_accepted";

/// What a log proves without the head of its chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Witness {
    /// No record of this chain was ever written, as far as log and store know.
    Nothing,
    /// It holds every record that follows the one which the store knows, and they tell of this revision.
    Unbroken(u64),
    /// It does not.
    Broken,
}

/// Goes through the whole log and what was rotated away.
pub(crate) fn hear(log: &Path, key: &ChainKey, known: Anchor) -> io::Result<Witness> {
    let reader = Reader::open(log)?;
    let (mut is_used, mut before) = (known != Anchor::BEGIN, Anchor::BEGIN);
    // The last record and the revision, from the one on that the store knows.
    let mut run: Option<(Anchor, u64)> = None;
    for (_, file) in reader.files() {
        let seen = scan::forward(file, 0, |line, _| {
            let Some(link) = Link::parse(line) else { return ControlFlow::Continue(()) };
            run = match run {
                Some((last, revision)) if key.follows(last, &link) => Some((link.anchor, told(line, revision))),
                Some(_) => return ControlFlow::Break(()),
                None if key.follows(known, &link) => Some((link.anchor, told(line, 0))),
                None if link.anchor == known => Some((known, 0)),
                None => None,
            };
            is_used |= run.is_some() || key.follows(before, &link) || key.follows(Anchor::BEGIN, &link);
            before = link.anchor;
            ControlFlow::Continue(())
        })?;
        if seen.is_break() {
            return Ok(Witness::Broken);
        }
    }
    Ok(match run {
        Some((_, revision)) => Witness::Unbroken(revision),
        None if is_used => Witness::Broken,
        None => Witness::Nothing,
    })
}

/// The newest revision that is known after an authentic `line`, if it was `revision` before.
pub(crate) fn told(line: &[u8], revision: u64) -> u64 {
    // Most lines are about requests, and no value can hold a blank. What follows is there when it is in the log.
    if line.ends_with(b" rev=-\n") || memmem::rfind(line, b" rev=- ").is_some() {
        return revision;
    }
    let Some(fields) = Fields::parse(line) else { return revision };
    let Some(now) = fields.revision.and_then(|it| it.parse::<u64>().ok()) else { return revision };
    if fields.action == ACCEPTED && fields.outcome == Some("ok") { now } else { revision.max(now) }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use tempfile::TempDir;

    use crate::audit::{
        anchor::Anchor,
        chain::{ChainKey, Link},
        witness::{Witness, hear},
    };

    fn line(action: &str, revision: &str) -> String {
        format!("2026-11-22T10:30:00.123Z ADMIN {action} credential=- outcome=ok reason=- gen=- rev={revision}\n")
    }

    /// The lines of a chain, and each one's anchor.
    fn chain(key: u8, lines: &[String]) -> (Vec<String>, Vec<Anchor>) {
        let (mut last, mut text) = (Anchor::BEGIN, Vec::new());
        for line in lines {
            ChainKey::new(&[key; 32]).append(&mut last, line.as_bytes(), &mut text);
        }
        let lines: Vec<String> = String::from_utf8(text).unwrap().lines().map(|it| format!("{it}\n")).collect();
        let anchors = lines.iter().map(|it| Link::parse(it.as_bytes()).unwrap().anchor).collect();
        (lines, anchors)
    }

    fn place(files: &[(&str, String)]) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let log = folder.path().join("audit.log");
        (folder, log)
    }

    fn heard(files: &[(&str, String)], known: Anchor) -> Witness {
        let (_folder, log) = place(files);
        hear(&log, &ChainKey::new(&[1; 32]), known).unwrap()
    }

    #[test]
    fn a_log_tells_the_revision_where_nothing_is_missing_from_it() {
        let all = ["2", "-", "5", "4", "7"].map(|it| line("role_create", it));
        let (lines, anchors) = chain(1, &all);
        let log = |lines: &[String]| [("audit.log", lines.concat())];
        assert_eq!(heard(&[], Anchor::BEGIN), Witness::Nothing);
        assert_eq!(heard(&log(&chain(2, &all).0), Anchor::BEGIN), Witness::Nothing, "those of another store");
        assert_eq!(heard(&[], anchors[1]), Witness::Broken);
        assert_eq!(heard(&log(&lines), Anchor::BEGIN), Witness::Unbroken(7));
        assert_eq!(heard(&log(&lines[..4]), anchors[1]), Witness::Unbroken(5), "lines may come out of order");
        assert_eq!(heard(&log(&lines[2..4]), anchors[1]), Witness::Unbroken(5), "it goes on after the known one");
        assert_eq!(heard(&log(&lines), anchors[4]), Witness::Unbroken(0), "the store knows it all");
        assert_eq!(heard(&log(&lines[..3]), anchors[4]), Witness::Broken, "cut off");
        assert_eq!(heard(&log(&lines[1..]), Anchor::BEGIN), Witness::Broken, "the first one is gone");
        assert_eq!(heard(&log(&[&lines[..2], &lines[3..]].concat()), anchors[0]), Witness::Broken, "one is gone");
        let changed = lines.concat().replace("rev=7", "rev=1");
        assert_eq!(heard(&[("audit.log", changed)], anchors[0]), Witness::Broken);
        let rotated = [("audit.log.1", lines[..3].concat()), ("audit.log", lines[3..].concat())];
        assert_eq!(heard(&rotated, anchors[0]), Witness::Unbroken(7));
    }

    #[test]
    fn an_older_store_that_was_accepted_is_the_newest() {
        let all = [line("role_create", "9"), line("store_rollback_accepted", "3"), line("role_create", "4")];
        let (lines, _) = chain(1, &all);
        assert_eq!(heard(&[("audit.log", lines.concat())], Anchor::BEGIN), Witness::Unbroken(4));
    }
}
