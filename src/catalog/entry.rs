//! One service a file, read when the first one is asked for.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::base::host::AuthorityPattern;

/// A service that Vultrino knows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Short, in lower case.
    pub name: String,
    /// As its makers write it.
    pub title: String,
    /// How its tokens begin.
    pub token_prefixes: Vec<String>,
    /// Where its tokens belong.
    pub hosts: Vec<AuthorityPattern>,
}

/// All of them.
pub fn entries() -> &'static [Entry] {
    &ENTRIES
}

const FILES: &[&str] = &[
    include_str!("entries/anthropic.toml"),
    include_str!("entries/github.toml"),
    include_str!("entries/gitlab.toml"),
    include_str!("entries/linear.toml"),
    include_str!("entries/notion.toml"),
    include_str!("entries/openai.toml"),
    include_str!("entries/slack.toml"),
    include_str!("entries/stripe.toml"),
];

static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| FILES.iter().map(|text| read(text)).collect());

#[expect(clippy::expect_used, reason = "the files are part of the program, and a test reads them all")]
fn read(text: &str) -> Entry {
    toml::from_str(text).expect("an embedded catalog entry has the shape of an entry")
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, fs, path::Path};

    use crate::catalog::entry::{FILES, entries};

    #[test]
    fn every_entry_is_embedded_and_useful() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/catalog/entries");
        assert_eq!(fs::read_dir(folder).unwrap().count(), FILES.len());
        for entry in entries() {
            assert!(!entry.hosts.is_empty() && !entry.token_prefixes.is_empty(), "{}", entry.name);
        }
    }

    #[test]
    fn no_prefix_stands_for_two_services() {
        let mut seen = HashSet::new();
        for prefix in entries().iter().flat_map(|it| &it.token_prefixes) {
            assert!(seen.insert(prefix), "{prefix}");
        }
    }
}
