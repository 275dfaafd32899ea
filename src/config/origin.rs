//! What a configuration was read from, so that a running server never takes what is half there for what is meant.

use std::path::{Path, PathBuf};

use crate::config::{ConfigError, Seen, error::Problem};

/// The files of a configuration.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The configuration file; `None` when there is none and everything is as built in.
    pub file: Option<PathBuf>,
    /// What `[policy] include` names, made whole.
    pub include: Vec<Include>,
    /// Every file that had a say or would have had one, and the folders that others may come into, as they were before
    /// they were read.
    pub seen: Vec<Seen>,
    /// The files in which nothing stood when they were read, not even a blank.
    pub empty: Vec<PathBuf>,
}

/// A file that is included, or a pattern of such files.
#[derive(Clone, Debug)]
pub struct Include {
    /// As it is written, made whole.
    pub pattern: PathBuf,
    /// Whether there is any such file.
    pub fits: bool,
}

impl Origin {
    /// To be told of every file that is read.
    pub(crate) fn note(&mut self, path: &Path, text: &str) {
        if text.is_empty() {
            self.empty.push(path.to_owned());
        }
    }

    /// The patterns that bring in nothing.
    pub fn unmatched(&self) -> impl Iterator<Item = &Path> {
        self.include.iter().filter(|it| !it.fits).map(|it| it.pattern.as_path())
    }

    /// Whether `new` may follow while a server runs: it lacks nothing that only an accident or a deployment that is half
    /// done takes away. Whoever means it says so in the configuration file, or starts the server anew.
    ///
    /// # Errors
    /// What is missing.
    pub fn check_successor(&self, new: &Self) -> Result<(), ConfigError> {
        if let Some(file) = self.file.as_ref().filter(|it| new.file.as_ref() != Some(it) && !it.exists()) {
            return Err(Problem::new(format!("{} is gone", file.display()))
                .help("put it back; without it nothing that it says would hold, policies least of all")
                .anywhere());
        }
        if let Some(file) = new.empty.iter().find(|it| !self.empty.contains(it)) {
            return Err(Problem::new(format!("{} is empty", file.display()))
                .help("it may be about to be written; a file that shall say nothing holds a comment")
                .anywhere());
        }
        let had_files = |pattern: &Path| self.include.iter().any(|it| it.fits && it.pattern == pattern);
        if let Some(pattern) = new.unmatched().find(|it| had_files(it)) {
            return Err(Problem::new(format!("the files that {} brought in are gone", pattern.display()))
                .help("put them back, or take the pattern out of `include` in [policy]")
                .anywhere());
        }
        Ok(())
    }
}
