//! One service a file, read when the first one is asked for.

use std::{collections::HashMap, sync::LazyLock, time::Duration};

use serde::Deserialize;

use crate::base::host::{AuthorityPattern, Host};

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
    /// Seconds that its hosts may take until they answer, where that can be longer than usual.
    pub timeout: Option<u32>,
}

/// All of them.
pub fn entries() -> &'static [Entry] {
    &ENTRIES
}

/// How long this host may take until it answers, if the catalog says so.
pub fn timeout(host: &Host) -> Option<Duration> {
    static TIMEOUTS: LazyLock<HashMap<&Host, Duration>> = LazyLock::new(|| {
        let of = |entry: &'static Entry| {
            let hosts = entry.hosts.iter().filter_map(|it| it.host.exactly());
            hosts.filter_map(|host| Some((host, Duration::from_secs(entry.timeout?.into()))))
        };
        entries().iter().flat_map(of).collect()
    });
    TIMEOUTS.get(host).copied()
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
    use std::{collections::HashSet, fs, path::Path, time::Duration};

    use crate::catalog::entry::{FILES, entries, timeout};

    #[test]
    fn every_entry_is_embedded_and_useful() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/catalog/entries");
        assert_eq!(fs::read_dir(folder).unwrap().count(), FILES.len());
        for entry in entries() {
            assert!(!entry.hosts.is_empty() && !entry.token_prefixes.is_empty(), "{}", entry.name);
        }
    }

    #[test]
    fn apis_of_language_models_may_take_ten_minutes() {
        for (host, expected) in
            [("api.openai.com", Some(600)), ("api.anthropic.com", Some(600)), ("api.github.com", None)]
        {
            assert_eq!(timeout(&host.parse().unwrap()), expected.map(Duration::from_secs), "{host}");
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
