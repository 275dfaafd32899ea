//! A key or a section that stands in a file twice, as after pasting: which one, and where both are.

use std::ops::Range;

use toml::de::DeTable;

use crate::config::{
    document::{Key, walk},
    error::Problem,
};

/// What the parser says of it.
pub(crate) const MESSAGE: &str = "duplicate key";

/// Stands for a key that no file has.
const PROBE: &str = "vultrino-probe";

/// What to say of the second one, which is at `second`; `None` where the first one is not found.
pub(crate) fn problem(text: &str, second: &Range<usize>) -> Option<Problem> {
    let start = text[..second.start].rfind('\n').map_or(0, |at| at + 1);
    let line = text[start..].lines().next()?.trim();
    // All lines before are valid: the parser stops at the first that is not.
    let before = &text[..start];
    let header = line.strip_prefix('[').and_then(|it| it.split(']').next());
    let path = match header {
        Some(name) if !name.starts_with('[') => plain(name),
        Some(_) => return None,
        None => {
            let key = plain(line.split('=').next()?);
            let table =
                keys(&format!("{before}\n{PROBE} = 0\n"))?.into_iter().find(|it| it.path.ends_with(PROBE))?.path;
            table.replace(PROBE, &key)
        }
    };
    // In a list of tables the last one before is the one that both are in.
    let first = keys(before)?.into_iter().filter(|it| it.path == path).max_by_key(|it| it.name.start)?;
    let (first, second) = (line_of(text, first.name.start), line_of(text, start));
    Some(if header.is_some() {
        Problem::new(format!("the section [{path}] begins in line {first} and again in line {second}"))
            .label("the second one")
            .help(format!("put its keys into the section in line {first}, and remove this line"))
    } else {
        Problem::new(format!("`{path}` is set in line {first} and again in line {second}"))
            .label("the second one")
            .help(format!("put the value that you want into line {first}, and remove this line"))
    })
}

fn keys(text: &str) -> Option<Vec<Key>> {
    let root = DeTable::parse(text).ok()?;
    let mut keys = Vec::new();
    walk(root.get_ref(), "", &mut keys);
    Some(keys)
}

/// Dotted names without blanks and quotes, as [`Key::path`] has them.
fn plain(name: &str) -> String {
    name.split('.').map(|it| it.trim().trim_matches(['"', '\''])).collect::<Vec<_>>().join(".")
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}
