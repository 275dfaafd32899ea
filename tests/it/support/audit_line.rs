//! One line of the audit log, read as a person with grep and awk would.

use std::collections::BTreeMap;

/// A line, split at its spaces.
#[derive(Clone, Debug)]
pub(crate) struct AuditLine {
    /// When.
    pub time: String,
    /// Through which door.
    pub door: String,
    /// What was done.
    pub action: String,
    values: BTreeMap<String, String>,
    /// The line itself.
    pub text: String,
}

impl AuditLine {
    /// Reads all lines of a log; a last one that is not ended is not there yet.
    ///
    /// # Panics
    /// If a line has another shape than `TIME DOOR ACTION credential=… …`.
    #[track_caller]
    pub(crate) fn read(log: &str) -> Vec<Self> {
        let whole = &log[..log.rfind('\n').map_or(0, |end| end + 1)];
        whole.lines().map(Self::parse).collect()
    }

    #[track_caller]
    fn parse(text: &str) -> Self {
        let words: Vec<&str> = text.split(' ').collect();
        assert!(words.len() > 4 && words[3].starts_with("credential="), "audit line {text:?}");
        let values: BTreeMap<String, String> = words[3..]
            .iter()
            .map(|word| word.split_once('=').unwrap_or_else(|| panic!("{word:?} in audit line {text:?}")))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        assert_eq!(values.len(), words.len() - 3, "a name stands twice in audit line {text:?}");
        let word = |at: usize| words[at].to_owned();
        Self { time: word(0), door: word(1), action: word(2), values, text: text.to_owned() }
    }

    /// A value, or `""` where the line has no such name.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }
}
