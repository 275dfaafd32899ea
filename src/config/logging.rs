//! `[logging]`: how much is told on stderr, and where the audit log lies.

use std::path::PathBuf;

use serde::Deserialize;

use crate::config::written::WrittenPath;

/// The section, resolved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Logging {
    /// What goes to stderr.
    pub level: Level,
    /// The form of its lines.
    pub format: Format,
    /// Where every use of a credential is written down: by default `audit.log` in the data folder.
    pub audit_file: PathBuf,
}

/// How much is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// What failed.
    Error,
    /// What may be a mistake.
    Warn,
    /// What happened.
    #[default]
    Info,
    /// Why it happened.
    Debug,
    /// Each step.
    Trace,
}

/// The form of the lines on stderr.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// [`Self::Journal`] where stderr leads to journald, else [`Self::Text`].
    #[default]
    Auto,
    /// Time, level and text; in colours on a terminal.
    Text,
    /// One object a line.
    Json,
    /// The priority of syslog in front, and no time.
    Journal,
}

/// The section as it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section")]
pub(crate) struct Section {
    pub(crate) level: Level,
    pub(crate) format: Format,
    pub(crate) audit_file: Option<WrittenPath>,
}

impl Level {
    /// This level raised by so many steps.
    #[must_use]
    pub fn raised(self, steps: u8) -> Self {
        const ALL: [Level; 5] = [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];
        let at = ALL.iter().position(|it| *it == self).unwrap_or_default();
        ALL[(at + usize::from(steps)).min(ALL.len() - 1)]
    }
}

#[cfg(test)]
mod tests {
    use crate::config::logging::Level;

    #[test]
    fn a_level_rises_to_the_end_and_stays() {
        assert_eq!(Level::Info.raised(0), Level::Info);
        assert_eq!(Level::Info.raised(1), Level::Debug);
        assert_eq!(Level::Error.raised(200), Level::Trace);
    }
}
