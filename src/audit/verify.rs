//! Goes through the log and what was rotated away, and finds the first record that is not as it was written.

use std::{
    fmt, io,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use crate::audit::{
    anchor::Anchor,
    chain::{ChainKey, Link},
    read::Reader,
    scan,
};

/// What a log is held against.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The store's.
    pub key: ChainKey,
    /// Where the chain ended, as the file beside the journals has it.
    pub head: Option<Anchor>,
    /// Where it ended, as the store has it.
    pub anchor: Option<Anchor>,
    /// Whether that file is as it was written.
    pub is_head_whole: bool,
    /// Where to begin, if not with record 1.
    pub from: u64,
}

/// A log in which every record is as it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verified {
    /// How many records.
    pub records: u64,
    /// The first of them; what was before is not in these files.
    pub first: u64,
    /// The last of them.
    pub last: u64,
    /// Oldest first.
    pub files: Vec<PathBuf>,
    /// The highest number that any line has.
    pub newest: u64,
    /// Compressed, so not read.
    pub unread: Vec<PathBuf>,
    /// Lines before the first record of the chain, which are none of it.
    pub foreign: u64,
}

/// What is wrong at one place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The text is not what was written.
    Changed,
    /// It is gone, and so are all up to `last`.
    Missing {
        /// The same record, if it is one.
        last: u64,
    },
    /// The log begins later: all up to `last` are gone.
    Begins {
        /// As in [`Fault::Missing`].
        last: u64,
    },
    /// It stands elsewhere, or a second time.
    Misplaced,
    /// Another line stands where it should.
    NoRecord,
    /// The log ends before it, and should not before `last`.
    CutOff {
        /// As it is known from the head of the chain or from the store.
        last: u64,
    },
    /// There is a record of this number, made with the same key, but it is another one: an older log, or one of
    /// another course of things.
    Replaced,
    /// The log is as it was written up to this record, but the file that remembers the end of the chain is not.
    Head,
}

impl Fault {
    /// For programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Missing { .. } | Self::Begins { .. } => "missing",
            Self::Misplaced => "misplaced",
            Self::NoRecord => "no_record",
            Self::CutOff { .. } => "cut_off",
            Self::Replaced => "replaced",
            Self::Head => "head",
        }
    }
}

/// The first place that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The record's number.
    pub sequence: u64,
    /// What is wrong.
    pub fault: Fault,
    /// The file and the line in it, from 1, where that shows; `None` where it is no line.
    pub place: Option<(PathBuf, u64)>,
    /// How many records are as they were written.
    pub verified: u64,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.sequence;
        match self.fault {
            Fault::Changed => write!(f, "record {n} is not as it was written"),
            Fault::Missing { last } | Fault::Begins { last } if last == n => write!(f, "record {n} is missing"),
            Fault::Missing { last } | Fault::Begins { last } => write!(f, "records {n} to {last} are missing"),
            Fault::Misplaced => write!(f, "record {n} is not where it was written"),
            Fault::NoRecord => write!(f, "what stands in the place of record {n} is no record"),
            Fault::CutOff { last } if last == n => write!(f, "record {n} is cut off at the end"),
            Fault::CutOff { last } => write!(f, "records {n} to {last} are cut off at the end"),
            Fault::Replaced => write!(f, "record {n} is not the one that the store knows: the log was replaced"),
            Fault::Head => {
                write!(f, "what remembers that the chain ends with record {n} is gone or not as it was written")
            }
        }
    }
}

/// Verifies the log at `log` and what was rotated away. `passed` is told how many bytes are behind it, of how many.
///
/// # Errors
/// A file cannot be read.
pub fn verify(
    log: &Path,
    expected: &Expected,
    mut passed: impl FnMut(u64, u64),
) -> io::Result<Result<Verified, Finding>> {
    let reader = Reader::open(log)?;
    let mut walk = Walk::new(expected);
    let (total, mut before) = (reader.length(), 0);
    let mut stopped = ControlFlow::Continue(());
    for (number, (_, file)) in reader.files().enumerate() {
        let mut line = 0;
        stopped = scan::forward(file, 0, |text, end| {
            line += 1;
            walk.at = (number, line);
            passed(before + end, total);
            match walk.step(text) {
                Ok(()) => ControlFlow::Continue(()),
                Err(wrong) => ControlFlow::Break(wrong),
            }
        })?;
        if stopped.is_break() {
            break;
        }
        before += file.metadata()?.len();
    }
    let wrong = match stopped {
        ControlFlow::Break(wrong) => Err(wrong),
        ControlFlow::Continue(()) => walk.end(),
    };
    Ok(match wrong {
        Ok(()) => Ok(Verified {
            records: walk.records,
            first: walk.first,
            last: walk.last.sequence,
            files: reader.files().map(|(path, _)| path.to_owned()).collect(),
            unread: reader.unread().to_vec(),
            newest: walk.newest,
            foreign: walk.foreign,
        }),
        Err(Wrong { sequence, mut fault, at }) => {
            if matches!(fault, Fault::Missing { .. }) && stands_anywhere(&reader, sequence)? {
                fault = Fault::Misplaced;
            }
            let place = at.and_then(|(file, line)| Some((reader.files().nth(file)?.0.to_owned(), line)));
            Err(Finding { sequence, fault, place, verified: walk.records })
        }
    })
}

/// Whether a line claims this number.
fn stands_anywhere(reader: &Reader, sequence: u64) -> io::Result<bool> {
    for (_, file) in reader.files() {
        let claims = |text: &[u8]| Link::parse(text).is_some_and(|it| it.anchor.sequence == sequence);
        let found =
            scan::forward(
                file,
                0,
                |text, _| if claims(text) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) },
            )?;
        if found.is_break() {
            return Ok(true);
        }
    }
    Ok(false)
}

struct Wrong {
    sequence: u64,
    fault: Fault,
    at: Option<At>,
}

/// Which file and which line of it.
type At = (usize, u64);

/// Along the lines, oldest first.
struct Walk<'a> {
    expected: &'a Expected,
    standing: Standing,
    /// The record before.
    last: Anchor,
    first: u64,
    records: u64,
    /// Lines so far, while none is sure to be of the chain.
    unsure: u64,
    foreign: u64,
    /// The first thing that is wrong, unless the chain begins only afterwards.
    doubt: Option<Wrong>,
    /// The line that is looked at.
    at: At,
    /// The first record that was stood upon, and where.
    begin: Option<(u64, At)>,
    newest: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Nowhere,
    /// On a record that may be the chain's: what was before it is not in these files.
    Perhaps,
    Sure,
}

impl<'a> Walk<'a> {
    fn new(expected: &'a Expected) -> Self {
        Self {
            expected,
            standing: Standing::Nowhere,
            last: Anchor::BEGIN,
            first: 0,
            records: 0,
            unsure: 0,
            foreign: 0,
            doubt: None,
            at: (0, 0),
            begin: None,
            newest: 0,
        }
    }

    fn step(&mut self, text: &[u8]) -> Result<(), Wrong> {
        let Some(link) = Link::parse(text) else { return self.no_record() };
        let (key, found) = (&self.expected.key, link.anchor);
        self.newest = self.newest.max(found.sequence);
        // The one before the first is what that one stands on.
        if found.sequence.saturating_add(1) < self.expected.from {
            return Ok(());
        }
        if self.standing != Standing::Sure && key.follows(Anchor::BEGIN, &link) {
            (self.foreign, self.doubt) = (self.unsure, None);
            self.begin = Some((1, self.at));
        } else if self.standing == Standing::Nowhere {
            self.unsure += 1;
            self.standing = Standing::Perhaps;
            self.begin = Some((found.sequence, self.at));
            if found.sequence == 1 {
                let wrong = self.wrong(1, Fault::Changed);
                self.doubt.get_or_insert(wrong);
            }
            return self.move_on(found);
        } else if !key.follows(self.last, &link) {
            let wrong = self.misfit(found.sequence);
            if self.standing == Standing::Sure {
                return Err(wrong);
            }
            self.unsure += 1;
            self.doubt.get_or_insert(wrong);
            return self.move_on(found);
        }
        if let Some(doubt) = self.doubt.take() {
            return Err(doubt);
        }
        self.standing = Standing::Sure;
        if self.records == 0 {
            self.first = found.sequence;
        }
        self.move_on(found)?;
        self.records += 1;
        Ok(())
    }

    fn move_on(&mut self, found: Anchor) -> Result<(), Wrong> {
        let known = [self.expected.head, self.expected.anchor].into_iter().flatten();
        if { known }.any(|it| it.sequence == found.sequence && it.mac != found.mac) && self.standing == Standing::Sure {
            return Err(self.wrong(found.sequence, Fault::Replaced));
        }
        self.last = found;
        Ok(())
    }

    fn no_record(&mut self) -> Result<(), Wrong> {
        let wrong = self.wrong(self.last.sequence + 1, Fault::NoRecord);
        match self.standing {
            Standing::Sure => return Err(wrong),
            Standing::Nowhere if self.expected.from > 0 => (),
            Standing::Nowhere | Standing::Perhaps => {
                self.unsure += 1;
                self.doubt.get_or_insert(wrong);
            }
        }
        Ok(())
    }

    /// What is wrong if a record of this number comes after the last one, and does not follow it.
    fn misfit(&self, sequence: u64) -> Wrong {
        let due = self.last.sequence + 1;
        match sequence {
            _ if sequence > due => self.wrong(due, Fault::Missing { last: sequence - 1 }),
            _ if sequence == due => self.wrong(sequence, Fault::Changed),
            _ => self.wrong(sequence, Fault::Misplaced),
        }
    }

    fn wrong(&self, sequence: u64, fault: Fault) -> Wrong {
        Wrong { sequence, fault, at: Some(self.at) }
    }

    fn end(&mut self) -> Result<(), Wrong> {
        let known = [self.expected.head, self.expected.anchor].into_iter().flatten().map(|it| it.sequence).max();
        let known = known.unwrap_or_default();
        if self.standing != Standing::Sure && known == 0 {
            // No chain yet: whatever stands there is not of it.
            self.foreign = self.unsure;
            self.last = Anchor::BEGIN;
            return Ok(());
        }
        if let Some(doubt) = self.doubt.take() {
            return Err(doubt);
        }
        let last = self.last.sequence.max(self.expected.from.saturating_sub(1));
        if last < known {
            return Err(Wrong { sequence: last + 1, fault: Fault::CutOff { last: known }, at: None });
        }
        let due = self.expected.from.max(1);
        match self.begin {
            Some((begin, at)) if begin > due => {
                Err(Wrong { sequence: due, fault: Fault::Begins { last: begin - 1 }, at: Some(at) })
            }
            _ if self.expected.is_head_whole => Ok(()),
            _ => Err(Wrong { sequence: last, fault: Fault::Head, at: None }),
        }
    }
}
