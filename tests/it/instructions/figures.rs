//! The figures that are written down, and how others differ from them.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde::{Deserialize, Serialize};

/// How many of a hundred a figure may grow or shrink unnoticed.
const TOLERANCE: u64 = 5;

const HOW: &str = "`make instructions` writes them down anew; say in the commit message why they changed";

/// Instructions for one request, by its way.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Figures {
    pub rustc: String,
    pub valgrind: String,
    pub instructions: BTreeMap<String, u64>,
}

/// What is more than tolerated, in words; empty where nothing is.
#[derive(Debug)]
pub(crate) struct Differences {
    pub more: String,
    pub fewer: String,
}

impl Figures {
    /// Those that are written down.
    pub(crate) fn read() -> Self {
        toml::from_str(&fs::read_to_string(file()).unwrap()).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Writes these down.
    pub(crate) fn write(&self) {
        let head = "# Instructions of Rust functions that one request takes, by its way, counted by callgrind.\n# Written by `make instructions`.\n\n";
        fs::write(file(), head.to_owned() + &toml::to_string(self).unwrap()).unwrap();
    }

    /// Keeps the lesser of each two.
    pub(crate) fn least(&mut self, other: Self) {
        for (way, count) in other.instructions {
            self.instructions.entry(way).and_modify(|it| *it = count.min(*it)).or_insert(count);
        }
    }

    /// How others differ from these.
    pub(crate) fn differences(&self, now: &Self) -> Differences {
        let [mut more, mut fewer] = [Vec::new(), Vec::new()];
        for (way, count) in &now.instructions {
            let Some(before) = self.instructions.get(way) else {
                more.push(format!("{way}: {count}, and nothing is written down"));
                continue;
            };
            let change = change(*before, *count);
            if count * 100 > before * (100 + TOLERANCE) {
                more.push(format!("{way}: {count}, which are {change} of {before}"));
            } else if count * 100 < before * (100 - TOLERANCE) {
                fewer.push(format!("{way}: {count}, which are {change} of {before}"));
            }
        }
        let told = |lines: Vec<String>, what: &str| {
            if lines.is_empty() {
                return String::new();
            }
            let made = |it: &Self| format!("{}, {}", it.rustc, it.valgrind);
            let made = if made(self) == made(now) {
                String::new()
            } else {
                format!("\n(written down with {}; here {})", made(self), made(now))
            };
            format!("{what} instructions for one request than are written down:\n  {}\n{HOW}{made}", lines.join("\n  "))
        };
        Differences { more: told(more, "more"), fewer: told(fewer, "fewer") }
    }

    /// Both, way by way.
    pub(crate) fn beside(&self, now: &Self) -> String {
        let row = |way: &String, count: &u64| {
            let before = self.instructions.get(way).copied();
            let change = before.map(|it| change(it, *count)).unwrap_or_default();
            format!("{way:<32} {:>9} {count:>9} {change:>8}\n", before.unwrap_or_default())
        };
        now.instructions.iter().map(|(way, count)| row(way, count)).collect()
    }
}

fn file() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/instructions/figures.toml"))
}

fn change(before: u64, now: u64) -> String {
    let tenths = (now.cast_signed() - before.cast_signed()) * 1000 / before.cast_signed().max(1);
    format!("{}{}.{} %", if tenths < 0 { '-' } else { '+' }, tenths.abs() / 10, tenths.abs() % 10)
}

#[test]
fn more_fails_fewer_is_noted_and_little_is_neither() {
    let of = |count: u64| Figures {
        rustc: "rustc 1".to_owned(),
        valgrind: "valgrind 3".to_owned(),
        instructions: BTreeMap::from([("path".to_owned(), count)]),
    };
    let told = |now: u64| of(1000).differences(&of(now));
    for now in [950, 1000, 1050] {
        assert!(told(now).more.is_empty() && told(now).fewer.is_empty(), "{now}");
    }
    assert!(told(1051).more.contains("path: 1051, which are +5.1 % of 1000\n`make instructions`"), "{:?}", told(1051));
    assert!(told(949).fewer.contains("path: 949, which are -5.1 % of 1000") && told(949).more.is_empty());
    let other = Figures { instructions: BTreeMap::new(), ..of(0) };
    assert!(other.differences(&of(7)).more.contains("path: 7, and nothing is written down"));
    let newer = Figures { rustc: "rustc 2".to_owned(), ..of(2000) };
    assert!(
        of(1000)
            .differences(&newer)
            .more
            .ends_with("(written down with rustc 1, valgrind 3; here rustc 2, valgrind 3)")
    );
}
