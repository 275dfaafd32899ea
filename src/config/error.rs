//! Why a configuration is refused, and the picture that underlines the place.

use std::{fmt, io, ops::Range, path::PathBuf};

use miette::{Diagnostic, LabeledSpan, SourceCode};
use thiserror::Error;

use crate::config::excerpt::Excerpt;

/// Why the program cannot start with what was set.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A file that somebody named is not there.
    #[error("{path}, which {named_by} names, does not exist", path = path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// `--config` or the variable.
        named_by: &'static str,
    },
    /// A file that is there cannot be read.
    #[error("cannot read the configuration {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Nothing says where files belong.
    #[error("HOME is not set, so the place of {what} is not known")]
    Homeless {
        /// Which file or folder.
        what: &'static str,
        /// The setting that says it.
        set: &'static str,
    },
    /// The text or a value is not acceptable.
    #[error(transparent)]
    Invalid(Box<Invalid>),
}

impl ConfigError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Missing { .. } => Some("name an existing file, or run `vultrino init` to write it".to_owned()),
            Self::Read { .. } => None,
            Self::Homeless { set, .. } => Some(format!("set {set}")),
            Self::Invalid(it) => it.problem.help.clone(),
        }
    }

    /// Where in which file, as `FILE:LINE:COLUMN`, if it is known.
    pub fn place(&self) -> Option<String> {
        match self {
            Self::Invalid(it) => it.place.as_ref().map(|(file, at)| file.place(at.start)),
            _ => None,
        }
    }

    /// Whether the store cannot be had (exit code 5) rather than a setting be wrong.
    pub fn is_about_storage(&self) -> bool {
        matches!(self, Self::Invalid(it) if it.problem.storage)
    }
}

/// One thing that is wrong with the settings, with the place in the file if it stands in one.
pub struct Invalid {
    problem: Problem,
    place: Option<(Excerpt, Range<usize>)>,
}

impl Invalid {
    /// Whether there is a place to underline.
    pub fn has_place(&self) -> bool {
        self.place.is_some()
    }
}

impl fmt::Debug for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the text of the file: it may hold what should not stand there.
        f.debug_struct("Invalid").field("problem", &self.problem).finish_non_exhaustive()
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.message)
    }
}

impl std::error::Error for Invalid {}

impl Diagnostic for Invalid {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem.help.as_ref().map(|it| Box::new(it) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.place.as_ref().map(|(file, _)| file as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let (_, at) = self.place.as_ref()?;
        Some(Box::new(std::iter::once(LabeledSpan::new_primary_with_span(self.problem.label.clone(), at.clone()))))
    }
}

/// What is wrong, before it is known where in the file it stands.
#[derive(Debug)]
pub(crate) struct Problem {
    message: String,
    help: Option<String>,
    /// A few words under the place.
    label: Option<String>,
    storage: bool,
}

impl Problem {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, label: None, storage: false }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    pub(crate) fn about_storage(mut self) -> Self {
        self.storage = true;
        self
    }

    /// Without a place: the value comes from a flag, the environment or a default.
    pub(crate) fn anywhere(self) -> ConfigError {
        ConfigError::Invalid(Box::new(Invalid { problem: self, place: None }))
    }

    pub(crate) fn placed(self, file: Excerpt, at: Range<usize>) -> ConfigError {
        ConfigError::Invalid(Box::new(Invalid { problem: self, place: Some((file, at)) }))
    }
}
