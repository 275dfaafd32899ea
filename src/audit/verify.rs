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
    /// Nothing before this record is looked at.
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
}

impl Fault {
    /// For programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Missing { .. } => "missing",
            Self::Misplaced => "misplaced",
            Self::NoRecord => "no_record",
            Self::CutOff { .. } => "cut_off",
            Self::Replaced => "replaced",
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
    /// The file and the line in it, from 1, where that shows; `None` at the end.
    pub place: Option<(PathBuf, u64)>,
    /// How many records before it are as they were written.
    pub verified: u64,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.sequence;
        match self.fault {
            Fault::Changed => write!(f, "record {n} is not as it was written"),
            Fault::Missing { last } if last == n => write!(f, "record {n} is missing"),
            Fault::Missing { last } => write!(f, "records {n} to {last} are missing"),
            Fault::Misplaced => write!(f, "record {n} is not where it was written"),
            Fault::NoRecord => write!(f, "what stands in the place of record {n} is no record"),
            Fault::CutOff { last } if last == n => write!(f, "record {n} is cut off at the end"),
            Fault::CutOff { last } => write!(f, "records {n} to {last} are cut off at the end"),
            Fault::Replaced => write!(f, "record {n} is not the one that the store knows: the log was replaced"),
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
    for (path, file) in reader.files() {
        let mut line = 0;
        stopped = scan::forward(file, 0, |text, end| {
            line += 1;
            passed(before + end, total);
            match walk.step(text) {
                Ok(()) => ControlFlow::Continue(()),
                Err(wrong) => ControlFlow::Break(wrong),
            }
        })?;
        if stopped.is_break() {
            walk.place = Some((path.to_owned(), line));
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
            foreign: walk.foreign,
        }),
        Err(Wrong { sequence, mut fault }) => {
            if matches!(fault, Fault::Missing { .. }) && stands_anywhere(&reader, sequence)? {
                fault = Fault::Misplaced;
            }
            Err(Finding { sequence, fault, place: walk.place, verified: walk.records })
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
}

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
    place: Option<(PathBuf, u64)>,
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
            place: None,
        }
    }

    fn step(&mut self, text: &[u8]) -> Result<(), Wrong> {
        let Some(link) = Link::parse(text) else { return self.no_record() };
        let (key, found) = (&self.expected.key, link.anchor);
        if found.sequence < self.expected.from {
            return Ok(());
        }
        if self.standing != Standing::Sure && key.follows(Anchor::BEGIN, &link) {
            (self.foreign, self.doubt) = (self.unsure, None);
        } else if self.standing == Standing::Nowhere {
            self.unsure += 1;
            self.standing = Standing::Perhaps;
            if found.sequence == 1 {
                self.doubt.get_or_insert(Wrong { sequence: 1, fault: Fault::Changed });
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
            return Err(Wrong { sequence: found.sequence, fault: Fault::Replaced });
        }
        self.last = found;
        Ok(())
    }

    fn no_record(&mut self) -> Result<(), Wrong> {
        let wrong = Wrong { sequence: self.last.sequence + 1, fault: Fault::NoRecord };
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
            _ if sequence > due => Wrong { sequence: due, fault: Fault::Missing { last: sequence - 1 } },
            _ if sequence == due => Wrong { sequence, fault: Fault::Changed },
            _ => Wrong { sequence, fault: Fault::Misplaced },
        }
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
        if last >= known { Ok(()) } else { Err(Wrong { sequence: last + 1, fault: Fault::CutOff { last: known } }) }
    }
}
