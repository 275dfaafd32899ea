//! Asks the log: which records, newest or oldest first, over the log and what was rotated away, in little memory.

use std::{
    fs::{File, Metadata},
    io,
    ops::ControlFlow,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use jiff::Timestamp;
use memchr::memmem;

use crate::{
    audit::{
        event::{Event, Fields, is},
        rotated::Files,
        scan,
    },
    base::glob::Glob,
};

/// Which records are wanted: all that it names must fit.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The alias.
    pub credential: Option<Glob>,
    /// How the caller's key begins.
    pub key: Option<String>,
    /// The caller.
    pub name: Option<String>,
    /// The door, in any case.
    pub door: Option<String>,
    /// The action.
    pub action: Option<String>,
    /// The outcome.
    pub outcome: Option<String>,
    /// The reason.
    pub reason: Option<String>,
    /// Begun at this time or later.
    pub since: Option<Timestamp>,
    /// Begun before this time.
    pub until: Option<Timestamp>,
    /// Stands anywhere in the line.
    pub text: Option<String>,
}

impl Filter {
    /// Made ready to be asked many times.
    pub(crate) fn prepared(&self) -> Prepared<'_> {
        let text = |at: Option<Timestamp>| at.map(|it| it.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string());
        Prepared {
            filter: self,
            since: text(self.since),
            until: text(self.until),
            text: self.text.as_ref().map(memmem::Finder::new),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Prepared<'a> {
    filter: &'a Filter,
    since: Option<String>,
    until: Option<String>,
    text: Option<memmem::Finder<'a>>,
}

impl Prepared<'_> {
    /// The line's fields, if it is one and is wanted.
    pub(crate) fn take<'l>(&self, line: &'l [u8]) -> Option<Fields<'l>> {
        if self.text.as_ref().is_some_and(|it| it.find(line).is_none()) {
            return None;
        }
        Fields::parse(line).filter(|it| self.wants(it))
    }

    fn wants(&self, it: &Fields<'_>) -> bool {
        let filter = self.filter;
        let equals = |wanted: &Option<String>, value| wanted.as_ref().is_none_or(|wanted| is(value, wanted));
        self.since.as_ref().is_none_or(|since| it.time >= since.as_str())
            && self.until.as_ref().is_none_or(|until| it.time < until.as_str())
            && filter.credential.as_ref().is_none_or(|glob| it.credential.is_some_and(|it| glob.matches(it)))
            && filter.key.as_ref().is_none_or(|key| it.key.is_some_and(|it| it.starts_with(key.as_str())))
            && filter.door.as_ref().is_none_or(|door| it.door.eq_ignore_ascii_case(door))
            && filter.action.as_ref().is_none_or(|action| it.action == action)
            && equals(&filter.name, it.name)
            && equals(&filter.outcome, it.outcome)
            && equals(&filter.reason, it.reason)
    }
}

/// The files of a log, opened, so that a rotation meanwhile changes nothing.
#[derive(Debug)]
pub struct Reader {
    /// Oldest first.
    files: Vec<(PathBuf, File, u64)>,
    unread: Vec<PathBuf>,
}

impl Reader {
    /// Opens the log and what was rotated away.
    ///
    /// # Errors
    /// One of them cannot be opened.
    pub fn open(log: &Path) -> io::Result<Self> {
        let mut reader = Self::open_once(log)?;
        // Rotated meanwhile: a file may have been opened under two names, or none.
        for _ in 0..10 {
            if reader.is_current(log)? {
                break;
            }
            reader = Self::open_once(log)?;
        }
        Ok(reader)
    }

    fn is_current(&self, log: &Path) -> io::Result<bool> {
        let inode = |it: io::Result<Metadata>| it.map(|it| it.ino()).ok();
        let same = |(path, file, _): &(PathBuf, File, u64)| inode(file.metadata()) == inode(path.metadata());
        Ok(Files::of(log)?.readable.iter().eq(self.files.iter().map(|it| &it.0)) && self.files.iter().all(same))
    }

    fn open_once(log: &Path) -> io::Result<Self> {
        let found = Files::of(log)?;
        let mut files = Vec::new();
        for path in found.readable {
            match File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file))) {
                Ok((length, file)) => files.push((path, file, length)),
                // Renamed or removed since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => (),
                Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
            }
        }
        Ok(Self { files, unread: found.compressed })
    }

    /// Files that belong to the log and are compressed: none of their records is seen.
    pub fn unread(&self) -> &[PathBuf] {
        &self.unread
    }

    /// Bytes in all files.
    pub fn length(&self) -> u64 {
        self.files.iter().map(|(_, _, length)| length).sum()
    }

    /// Oldest first, each with its path.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&Path, &File)> {
        self.files.iter().map(|(path, file, _)| (path.as_path(), file))
    }

    /// Shows `see` the records that `filter` wants, as they were written. `passed` is told how many bytes are behind
    /// it, now and then.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn oldest_first(
        &self,
        filter: &Filter,
        mut passed: impl FnMut(u64),
        mut see: impl FnMut(&Fields<'_>) -> ControlFlow<()>,
    ) -> io::Result<()> {
        let prepared = filter.prepared();
        let mut before = 0;
        for (_, file, length) in self.wanted(filter) {
            let found = scan::forward(file, 0, |line, end| {
                passed(before + end);
                prepared.take(line).map_or(ControlFlow::Continue(()), |it| see(&it))
            })?;
            if found.is_break() {
                return Ok(());
            }
            before += length;
        }
        Ok(())
    }

    /// The same from the last record on backwards.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn newest_first(&self, filter: &Filter, mut see: impl FnMut(&Fields<'_>) -> ControlFlow<()>) -> io::Result<()> {
        let prepared = filter.prepared();
        for (_, file, length) in self.wanted(filter).rev() {
            let found = scan::backward(file, *length, |line| {
                prepared.take(line).map_or(ControlFlow::Continue(()), |it| see(&it))
            })?;
            if found.is_break() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Not those that were written for the last time before the time that is asked for.
    fn wanted<'a>(&'a self, filter: &Filter) -> impl DoubleEndedIterator<Item = &'a (PathBuf, File, u64)> {
        let since = filter.since.map(SystemTime::from);
        self.files.iter().filter(move |(_, file, _)| {
            let written = file.metadata().and_then(|it| it.modified());
            !matches!((since, written), (Some(since), Ok(written)) if written < since)
        })
    }
}

/// Some records, newest first.
#[derive(Clone, Debug)]
pub struct Page {
    /// Those that were wanted.
    pub events: Vec<Event>,
    /// To be given as `before`, if there are more.
    pub next: Option<u64>,
}

/// At most `limit` records whose numbers are below `before`, newest first.
///
/// # Errors
/// The log cannot be read. One that is not there yet has no records.
pub fn page(log: &Path, filter: &Filter, before: Option<u64>, limit: usize) -> io::Result<Page> {
    let mut page = Page { events: Vec::new(), next: None };
    let before = before.unwrap_or(u64::MAX);
    Reader::open(log)?.newest_first(filter, |fields| {
        if fields.sequence() >= before {
            return ControlFlow::Continue(());
        }
        if page.events.len() == limit {
            page.next = page.events.last().map(|it| it.seq);
            return ControlFlow::Break(());
        }
        page.events.push(fields.into());
        ControlFlow::Continue(())
    })?;
    Ok(page)
}

/// The record with this id.
///
/// # Errors
/// The log cannot be read.
pub fn find(log: &Path, id: &str) -> io::Result<Option<Event>> {
    let filter = Filter { text: Some(format!(" id={id} ")), ..Filter::default() };
    let mut found = None;
    Reader::open(log)?.newest_first(&filter, |fields| {
        found = Some(fields.into());
        ControlFlow::Break(())
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::{fs, ops::ControlFlow, path::PathBuf};

    use tempfile::TempDir;

    use crate::audit::read::{Filter, Reader, find, page};

    fn line(n: u64) -> String {
        let (credential, outcome) = if n.is_multiple_of(2) { ("even", "ok") } else { ("odd", "denied") };
        format!(
            "2026-11-22T10:{:02}:00.000Z PATH http_request credential={credential} method=GET url=https://a.example/{n} \
             source=- key=vk_abcd1234 name=- status=200 outcome={outcome} reason=- up=0 down=0 ms=1 id={n:016x} \
             object=- policy=- gen=- seq={n} mac={}\n",
            n % 60,
            "0".repeat(32)
        )
    }

    /// Records 1 to 30, ten in each file, and some rubbish.
    fn logs() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("audit.log");
        for (name, from) in [("audit.log.2", 1), ("audit.log.1", 11), ("audit.log", 21)] {
            let text: String = (from..from + 10).map(line).collect();
            fs::write(folder.path().join(name), format!("\n\u{0}note\n{text}2026-11-22T10:3")).unwrap();
        }
        fs::write(folder.path().join("audit.log.3.gz"), "").unwrap();
        (folder, log)
    }

    #[test]
    fn records_come_in_both_orders_over_all_files() {
        let (_folder, log) = logs();
        let reader = Reader::open(&log).unwrap();
        assert_eq!(reader.unread().len(), 1);
        let (mut there, mut back) = (Vec::new(), Vec::new());
        let go_on = ControlFlow::<()>::Continue(());
        let all = Filter::default();
        let mut passed = 0;
        reader
            .oldest_first(
                &all,
                |it| passed = it,
                |it| {
                    there.push(it.sequence());
                    go_on
                },
            )
            .unwrap();
        reader
            .newest_first(&all, |it| {
                back.push(it.sequence());
                go_on
            })
            .unwrap();
        assert_eq!(there, (1..=30).collect::<Vec<_>>());
        assert_eq!(back, (1..=30).rev().collect::<Vec<_>>());
        assert!(passed > 0 && passed <= reader.length());
    }

    #[test]
    fn pages_follow_each_other_without_a_gap() {
        let (_folder, log) = logs();
        let filter = Filter { credential: Some("o*".parse().unwrap()), ..Filter::default() };
        let (mut before, mut seen) = (None, Vec::new());
        loop {
            let page = page(&log, &filter, before, 4).unwrap();
            assert!(page.events.len() <= 4);
            seen.extend(page.events.iter().map(|it| it.seq));
            match page.next {
                Some(next) => before = Some(next),
                None => break,
            }
        }
        assert_eq!(seen, (0..15).map(|n| 29 - 2 * n).collect::<Vec<u64>>());
        assert!(page(&log, &filter, Some(1), 4).unwrap().events.is_empty());
        let nowhere = log.with_file_name("none.log");
        assert!(page(&nowhere, &filter, None, 4).unwrap().events.is_empty());
    }

    #[test]
    fn each_filter_narrows() {
        let (_folder, log) = logs();
        let count = |filter: Filter| page(&log, &filter, None, 100).unwrap().events.len();
        let text = |it: &str| Some(it.to_owned());
        assert_eq!(count(Filter { outcome: text("denied"), ..Filter::default() }), 15);
        assert_eq!(
            count(Filter { outcome: text("denied"), credential: Some("even".parse().unwrap()), ..Filter::default() }),
            0
        );
        assert_eq!(count(Filter { key: text("vk_ab"), ..Filter::default() }), 30);
        assert_eq!(count(Filter { key: text("vk_b"), ..Filter::default() }), 0);
        assert_eq!(count(Filter { door: text("path"), action: text("http_request"), ..Filter::default() }), 30);
        assert_eq!(count(Filter { name: text("local"), ..Filter::default() }), 0);
        assert_eq!(count(Filter { reason: text("-"), ..Filter::default() }), 0);
        assert_eq!(count(Filter { text: text("/30 "), ..Filter::default() }), 1);
        let at = |text: &str| Some(text.parse().unwrap());
        let (since, until) = (at("2026-11-22T10:05:00Z"), at("2026-11-22T10:07:00Z"));
        assert_eq!(count(Filter { since, ..Filter::default() }), 26);
        assert_eq!(count(Filter { since, until, ..Filter::default() }), 2);
        assert_eq!(count(Filter { since: at("2100-01-01T00:00:00Z"), ..Filter::default() }), 0);
        assert_eq!(find(&log, "000000000000000c").unwrap().unwrap().seq, 12);
        assert_eq!(find(&log, "c").unwrap(), None);
    }
}
