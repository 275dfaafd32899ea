//! What is appended to the log from now on, also when it is rotated.

use std::{
    fs::{self, File},
    io,
    ops::ControlFlow,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use crate::audit::{
    event::Fields,
    read::{Filter, Prepared},
    scan,
};

/// A place in the log that moves on.
#[derive(Debug)]
pub struct Follower<'a> {
    path: PathBuf,
    /// The file that has the log's name, or had it.
    file: Option<File>,
    at: u64,
    filter: Prepared<'a>,
}

impl<'a> Follower<'a> {
    /// From the end of the log on.
    ///
    /// # Errors
    /// The log cannot be opened; one that is not there yet may still come.
    pub fn from_end(log: &Path, filter: &'a Filter) -> io::Result<Self> {
        let file = open(log)?;
        let at = file.as_ref().map_or(Ok(0), |it| it.metadata().map(|it| it.len()))?;
        Ok(Self { path: log.to_owned(), file, at, filter: filter.prepared() })
    }

    /// Shows `see` the records that were appended since the last time and are wanted.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn look(&mut self, mut see: impl FnMut(&Fields<'_>) -> ControlFlow<()>) -> io::Result<ControlFlow<()>> {
        loop {
            // Asked first: what was written before the log moved is read before we do.
            let moved = self.has_moved()?;
            if let Some(file) = &self.file {
                if file.metadata()?.len() < self.at {
                    // Copied away and emptied.
                    self.at = 0;
                }
                let seen = scan::forward(file, self.at, |line, end| {
                    self.at = end;
                    self.filter.take(line).map_or(ControlFlow::Continue(()), |it| see(&it))
                })?;
                if seen.is_break() {
                    return Ok(seen);
                }
            }
            if !moved {
                return Ok(ControlFlow::Continue(()));
            }
            (self.file, self.at) = (open(&self.path)?, 0);
        }
    }

    /// Whether another file has the log's name now.
    fn has_moved(&self) -> io::Result<bool> {
        let named = match fs::metadata(&self.path) {
            Ok(named) => named,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let Some(file) = &self.file else { return Ok(true) };
        let ours = file.metadata()?;
        Ok((ours.dev(), ours.ino()) != (named.dev(), named.ino()))
    }
}

fn open(log: &Path) -> io::Result<Option<File>> {
    match File::open(log) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
