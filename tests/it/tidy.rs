//! The house rules that neither rustc nor clippy can check.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Floor plan: a room may import only what stands to its right.
/// `*` means every room listed above it.
const ROOMS: &[(&str, &str)] = &[
    ("base", ""),
    ("identity", "base"),
    ("credential", "base identity"),
    ("catalog", "base"),
    ("policy", "base identity credential"),
    ("inject", "base credential"),
    ("proposal", "base identity credential policy"),
    ("seal", "base"),
    ("ca", "base"),
    ("http1", "base"),
    ("http2", "base http1"),
    ("upstream", "base identity http1 http2"),
    ("audit", "base identity credential policy upstream"),
    ("store", "base identity credential policy proposal audit seal"),
    ("oauth", "base credential upstream"),
    ("plugin", "base credential inject policy"),
    ("safe", "base credential policy seal store oauth upstream"),
    ("exchange", "base identity credential catalog policy inject proposal audit safe upstream plugin"),
    ("manage", "base identity credential catalog policy proposal audit store safe oauth plugin exchange"),
    ("proxy", "base http1 http2 identity ca exchange"),
    ("api", "base identity credential catalog policy proposal audit manage exchange"),
    ("web", "base identity credential catalog policy proposal audit manage"),
    ("mcp", "base identity credential catalog policy proposal audit manage exchange"),
    ("config", "*"),
    ("client", "base api"),
    ("app", "*"),
    ("launch", "base ca client"),
    ("cli", "*"),
];

/// Rooms whose code may call `Secret::expose`.
const MAY_EXPOSE: &[&str] = &[
    "base",
    "seal",
    "safe",
    "inject",
    "oauth",
    "plugin",
    // single files, each for one reason: the CA's key into its issuer, `get --show-secret` and the key shown once,
    // hashing a key and a password, knowing a key that a
    // program was given, checking and packing a credential's fields, knowing a token by its first letters,
    // finding a secret in an answer, a parent proxy's password, the API keys of clients that measure, that pass messages on and that complete words, the one that is
    // written into a client's file, `run --expose`
    "ca/root.rs",
    "cli/get.rs",
    "cli/key.rs",
    "cli/mcp/entry.rs",
    "api/keys.rs",
    "identity/key.rs",
    "identity/presented.rs",
    "identity/admin.rs",
    "credential/material.rs",
    "catalog/shape.rs",
    "exchange/scrub.rs",
    "upstream/parent.rs",
    "app/bench/route.rs",
    "app/bridge.rs",
    "app/names.rs",
    "launch/environment.rs",
];

/// Files allowed to be longer than `LONG`, with the reason.
const LONG: usize = 400;
const LONG_BECAUSE: &[(&str, &str)] = &[];

#[test]
fn rooms_import_downwards_only() {
    let rooms: BTreeMap<&str, (usize, &str)> =
        ROOMS.iter().enumerate().map(|(floor, (room, may))| (*room, (floor, *may))).collect();
    check(|file| {
        let Some((floor, may)) = rooms.get(file.room.as_str()) else {
            return (file.room != "lib" && file.room != "main")
                .then(|| format!("room `{}` is not on the floor plan", file.room));
        };
        let wrong: Vec<String> = imports(&file.code)
            .into_iter()
            .filter(|it| *it != file.room && rooms.contains_key(it.as_str()))
            .filter(|it| match *may {
                "*" => *floor < rooms[it.as_str()].0,
                list => !list.split(' ').any(|m| m == it),
            })
            .collect();
        (!wrong.is_empty()).then(|| format!("may not import {wrong:?}"))
    });
}

/// `super::` would walk around the floor plan; `crate::` says where a thing lives.
#[test]
fn paths_start_at_the_crate() {
    check(|file| file.code.contains("super::").then(|| "uses `super::`".to_owned()));
}

#[test]
fn every_file_says_why_it_exists() {
    check(|file| (!file.text.starts_with("//! ")).then(|| "no `//!` first line".to_owned()));
}

#[test]
fn files_stay_short() {
    check(|file| {
        let excused = LONG_BECAUSE.iter().any(|(path, _)| *path == file.path);
        let lines = file.code.lines().count();
        (LONG < lines && !excused).then(|| format!("{lines} lines of code, limit {LONG}"))
    });
}

#[test]
fn secrets_are_exposed_in_few_rooms() {
    check(|file| {
        let exposes = file.code.contains(".expose()");
        (exposes && !MAY_EXPOSE.contains(&file.room.as_str()) && !MAY_EXPOSE.contains(&file.path.as_str()))
            .then(|| "calls .expose()".to_owned())
    });
}

struct File {
    /// Path under `src/`.
    path: String,
    /// First path component, without `.rs`.
    room: String,
    text: String,
    /// Text before the inline test module, comments removed.
    code: String,
}

#[track_caller]
fn check(rule: impl Fn(&File) -> Option<String>) {
    let broken: Vec<String> =
        sources().iter().filter_map(|file| Some(format!("src/{}: {}", file.path, rule(file)?))).collect();
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

fn sources() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut todo: Vec<PathBuf> = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        if path.extension().is_none_or(|it| it != "rs") || path.ends_with("tests.rs") {
            continue;
        }
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
        let text = fs::read_to_string(&path).unwrap();
        let body = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or(&text);
        let code: Vec<&str> = body.lines().map(|l| l.split("//").next().unwrap_or("")).collect();
        let room = name.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
        files.push(File { path: name, room, code: code.join("\n"), text });
    }
    files
}

/// Names that follow `crate::`, also inside a braced list.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            None => found.push(ident(rest)),
            Some(list) => {
                let mut depth = 0_usize;
                let mut start = true;
                for (at, c) in list.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        c if start && depth == 0 && c.is_alphabetic() => {
                            found.push(ident(&list[at..]));
                            start = false;
                        }
                        _ => (),
                    }
                }
            }
        }
    }
    found
}

fn ident(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}
