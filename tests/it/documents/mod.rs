//! The documents do what they say: every fenced block of README, ARCHITECTURE and the book is run against the real
//! binary, as it stands, in a network in which the hosts of the examples are ours.
//!
//! Each block says behind its language what it is for (`block.rs`); one that says nothing fails. With the variable
//! `DOCUMENTS=rewrite` an output that has changed is written into the page instead.

pub(crate) mod block;
mod hosts;
mod output;
mod story;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    documents::{
        block::{Block, Purpose},
        hosts::HOSTS,
        story::Story,
    },
    support::world,
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// The pages that are no part of the book.
const LOOSE: [&str; 3] = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"];

#[test]
fn the_readme_does_what_it_says() {
    within("documents::the_readme_does_what_it_says", || tell(["README.md".into()]));
}

#[test]
fn the_guide_does_what_it_says() {
    within("documents::the_guide_does_what_it_says", || tell(halves().0));
}

#[test]
fn the_reference_does_what_it_says() {
    within("documents::the_reference_does_what_it_says", || tell(halves().1));
}

#[test]
fn every_block_says_what_it_is_for() {
    let mut wrong = Vec::new();
    for page in pages() {
        let blocks = block::of(&page, &read(&page));
        let purposes: Vec<_> = blocks.iter().map(Block::purpose).collect();
        for (at, (block, purpose)) in blocks.iter().zip(&purposes).enumerate() {
            match purpose {
                Err(why) => wrong.push(format!("{block}: {why}")),
                Ok(Purpose::Output) if !at.checked_sub(1).is_some_and(|it| prints(&purposes[it])) => {
                    wrong.push(format!("{block}: no block before it prints anything"));
                }
                Ok(_) => (),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_page_is_in_the_summary_and_every_link_leads_somewhere() {
    let chapters: BTreeSet<_> = chapters().into_iter().collect();
    let files: BTreeSet<_> = fs::read_dir(Path::new(ROOT).join("docs/src"))
        .unwrap()
        .map(|it| format!("docs/src/{}", it.unwrap().file_name().display()))
        .filter(|it| !it.ends_with("/SUMMARY.md"))
        .collect();
    assert_eq!(files, chapters);
    let mut wrong = Vec::new();
    for page in pages() {
        for link in links(&read(&page)) {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { page.clone() } else { join(&page, file) };
            let is_there = Path::new(ROOT).join(&target).exists();
            if !is_there || !(anchor.is_empty() || anchors(&read(&target)).contains(anchor)) {
                wrong.push(format!("{page}: {link}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A path in ARCHITECTURE is that of a file, and every room has its row there.
#[test]
fn the_architecture_is_that_of_the_house() {
    let page = read("ARCHITECTURE.md");
    let words = page.split([' ', '`', '(', ')', ',', ';', ':', '\n']);
    let is_there = |word: &str| ["", "src/"].iter().any(|it| Path::new(ROOT).join(it).join(word).is_file());
    let gone: Vec<_> =
        words.filter(|it| Path::new(it).extension().is_some_and(|it| it == "rs")).filter(|it| !is_there(it)).collect();
    assert!(gone.is_empty(), "no such files: {gone:?}");
    for room in fs::read_dir(Path::new(ROOT).join("src")).unwrap().map(Result::unwrap) {
        let row = format!("\n| `{}` |", room.file_name().display());
        assert!(!room.path().is_dir() || page.contains(&row), "no row {row:?}");
    }
}

/// Every code with its status and what `Proxy-Status` says, as the one place that makes them has it.
#[test]
fn the_table_of_errors_is_whole() {
    let source = read("src/exchange/refusal.rs").replace("DENIED)", "\"http_request_denied\")");
    let source = source.replace("INVALID)", "\"http_request_error\")").replace("=> {\n                (", "=> (");
    let kinds = source.split_once("match self {\n            Self::Target(DISGUISED)").unwrap().1;
    let made: BTreeSet<_> =
        kinds.split("=> (").skip(1).map(|it| it.split_once(')').unwrap().0.replace(['"', ' '], "")).collect();
    let page = read("docs/src/errors.md");
    let listed: BTreeSet<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split_once(" |"))
        .filter(|(status, _)| status.len() == 3 && status.parse::<u16>().is_ok())
        .map(|(status, rest)| {
            let cells: Vec<&str> = rest.split('|').map(|it| it.trim().trim_matches('`')).collect();
            format!("{status},{},{}", cells[0], cells[1])
        })
        .collect();
    assert!(made.len() > 15, "the source is not understood: {made:?}");
    assert_eq!(listed, made);
}

#[test]
fn the_table_of_audited_actions_is_whole() {
    const VERBS: [&str; 12] = [
        "add", "update", "delete", "bind", "unbind", "reveal", "create", "revoke", "set", "change", "reload", "refused",
    ];
    let is_action = |it: &str| {
        let plain = it.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        plain && it.split_once('_').is_some_and(|(_, verb)| VERBS.contains(&verb))
    };
    let mut made = BTreeSet::from(
        [
            "http_request",
            "connect",
            "store_rollback_accepted",
            "list_credentials",
            "get_credential_info",
            "read_resource",
            "audit_read",
        ]
        .map(str::to_owned),
    );
    for room in ["src/manage", "src/app", "src/exchange", "src/api", "src/mcp"] {
        for entry in fs::read_dir(Path::new(ROOT).join(room)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let source = fs::read_to_string(path).unwrap();
                made.extend(source.split('"').filter(|it| is_action(it)).map(str::to_owned));
            }
        }
    }
    let page = read("docs/src/audit-log.md");
    let table = page.split_once("| Action |").unwrap().1.split_once("\n\n").unwrap().0;
    let names = table.lines().skip(2).filter_map(|it| it.split('|').nth(1));
    let listed: BTreeSet<_> = names.flat_map(|it| it.split('`').skip(1).step_by(2)).map(str::to_owned).collect();
    assert!(made.len() > 15, "the source is not understood: {made:?}");
    assert_eq!(listed, made);
}

/// Where the hosts of the examples are ours.
fn within(test: &str, work: impl FnOnce()) {
    drop(world::within(test, &HOSTS, hosts::open, work));
}

fn tell(pages: impl IntoIterator<Item = String>) {
    let wrong: Vec<String> = pages.into_iter().flat_map(|page| Story::of(&page).told()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn prints(purpose: &Result<Purpose, String>) -> bool {
    matches!(purpose, Ok(Purpose::Run { .. } | Purpose::Again { .. } | Purpose::Serve | Purpose::Config { .. }))
}

fn read(page: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

fn pages() -> Vec<String> {
    LOOSE.into_iter().map(str::to_owned).chain(chapters()).collect()
}

/// The pages of the book in their order.
fn chapters() -> Vec<String> {
    links(&read("docs/src/SUMMARY.md")).into_iter().map(|it| join("docs/src/SUMMARY.md", &it)).collect()
}

/// The book is told in two halves at once: up to the configuration, and from there on.
fn halves() -> (Vec<String>, Vec<String>) {
    let mut guide = chapters();
    let reference = guide.iter().position(|it| it.ends_with("/configuration.md")).map(|at| guide.split_off(at));
    (guide, reference.unwrap())
}

/// Where the links of a page lead, but for those that lead out.
fn links(page: &str) -> Vec<String> {
    let mut fenced = false;
    let prose: Vec<&str> = page
        .lines()
        .filter(|line| {
            fenced ^= line.starts_with("```");
            !fenced
        })
        .collect();
    let prose = prose.join("\n");
    let targets = prose.split("](").skip(1).filter_map(|it| it.split_once(')')).map(|(target, _)| target.to_owned());
    targets.filter(|it| !it.contains("://")).collect()
}

/// The anchors of a page's headings, as mdBook and GitHub make them.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|it| it.starts_with('#')).map(|it| it.trim_start_matches('#').trim());
    let keep = |c: char| c.is_alphanumeric() || c == '-' || c == '_' || c == ' ';
    headings.map(|it| it.to_lowercase().chars().filter(|c| keep(*c)).collect::<String>().replace(' ', "-")).collect()
}

/// A path beside another, with `..` taken away.
fn join(page: &str, link: &str) -> String {
    let mut path = PathBuf::from(page);
    path.pop();
    for part in link.split('/') {
        if part == ".." {
            path.pop();
        } else {
            path.push(part);
        }
    }
    path.display().to_string()
}
