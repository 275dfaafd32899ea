//! Setting one server in the text of a client's file, with everything else left as it stands.

use jsonc_parser::{ParseOptions, cst::CstRootNode};
use serde::{Serialize, de::IgnoredAny};
use thiserror::Error;
use toml_edit::{DocumentMut, Item, Table};

use crate::cli::mcp::{
    clients::{Shape, Syntax},
    entry::Entry,
};

/// What becomes of a file.
#[derive(Debug)]
pub(crate) struct Change {
    /// All of it.
    pub(crate) text: String,
    pub(crate) done: Done,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Done {
    Added,
    /// In place of another entry of this name.
    Replaced,
    /// It stands there already.
    Unchanged,
}

/// Why a text is left alone. No word of it is repeated: other servers' keys may stand there.
#[derive(Debug, Error)]
pub(crate) enum DocumentError {
    #[error("line {line} is not {syntax}: {why}")]
    Syntax { line: usize, syntax: &'static str, why: String },
    #[error("{0} is not a collection of servers there")]
    Shape(&'static str),
}

/// Sets the server `name` in `text`; an empty one becomes a whole file.
pub(crate) fn set(text: &str, shape: Shape, name: &str, entry: &Entry) -> Result<Change, DocumentError> {
    match shape.syntax {
        Syntax::Toml => set_toml(text, shape, name, entry),
        Syntax::Json | Syntax::CommentedJson => set_json(text, shape, name, entry),
    }
}

fn set_json(text: &str, shape: Shape, name: &str, entry: &Entry) -> Result<Change, DocumentError> {
    if shape.syntax == Syntax::Json && !text.trim().is_empty() {
        check_strict(text)?;
    }
    let options = ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let root = CstRootNode::parse(text, &options).map_err(|error| DocumentError::Syntax {
        line: error.line_display(),
        syntax: "JSON with comments",
        why: error.kind().to_string().to_lowercase(),
    })?;
    let servers = root.object_value_or_create().and_then(|it| it.object_value_or_create(shape.servers));
    let servers = servers.ok_or(DocumentError::Shape(shape.servers))?;
    let Some(there) = servers.get(name) else {
        servers.append(name, entry.json());
        return Ok(Change { text: root.to_string(), done: Done::Added });
    };
    let meaning = || there.value().and_then(|it| it.to_serde_value());
    let before = meaning();
    there.set_value(entry.json());
    let same = before.is_some() && before == meaning();
    Ok(Change { text: root.to_string(), done: if same { Done::Unchanged } else { Done::Replaced } })
}

/// Whether a client without a sense for comments could read it.
fn check_strict(text: &str) -> Result<(), DocumentError> {
    let read = serde_json::from_str::<IgnoredAny>(text);
    read.map(drop).map_err(|error| {
        let why = error.to_string();
        let why = why.split_once(" at line").map_or(&*why, |(why, _)| why).to_owned();
        DocumentError::Syntax { line: error.line(), syntax: "JSON", why }
    })
}

fn set_toml(text: &str, shape: Shape, name: &str, entry: &Entry) -> Result<Change, DocumentError> {
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
        let before = error.span().and_then(|it| text.get(..it.start)).unwrap_or_default();
        DocumentError::Syntax {
            line: before.matches('\n').count() + 1,
            syntax: "TOML",
            why: error.message().to_owned(),
        }
    })?;
    let mut table = entry.toml();
    let servers = document.entry(shape.servers).or_insert(Item::Table(implicit()));
    let servers = servers.as_table_like_mut().ok_or(DocumentError::Shape(shape.servers))?;
    let Some(before) = servers.get(name).cloned() else {
        // At the end, where no comment comes to stand behind another line than before.
        let mut alone = DocumentMut::new();
        alone[shape.servers] = Item::Table(implicit());
        alone[shape.servers][name] = Item::Table(table.clone());
        let gap = match text {
            "" => "",
            _ if text.ends_with('\n') => "\n",
            _ => "\n\n",
        };
        let appended = format!("{text}{gap}{alone}");
        if appended.parse::<DocumentMut>().is_ok() {
            return Ok(Change { text: appended, done: Done::Added });
        }
        // All servers stand in one inline table.
        servers.insert(name, Item::Table(table));
        return Ok(Change { text: document.to_string(), done: Done::Added });
    };
    if let Item::Table(before) = before {
        // Where it stands, and the comment above it.
        table.set_position(before.position());
        *table.decor_mut() = before.decor().clone();
    }
    servers.insert(name, Item::Table(table));
    let after = document.to_string();
    let meaning = |text: &str| text.parse::<toml::Table>().ok();
    let done = if meaning(text) == meaning(&after) { Done::Unchanged } else { Done::Replaced };
    Ok(Change { text: after, done })
}

/// Without a header of its own.
fn implicit() -> Table {
    let mut table = Table::new();
    table.set_implicit(true);
    table
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;
    use proptest::{collection, prelude::*};
    use serde_json::{Map, Value};

    use crate::cli::mcp::{
        clients::{Client, Syntax},
        document::{Done, set},
        entry::{Entry, Key},
    };

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let object = collection::btree_map("[a-cé\"\\\\/]{0,2}|mcpServers|vultrino", inner.clone(), 0..4);
            prop_oneof![
                collection::vec(inner, 0..4).prop_map(Value::from),
                object.prop_map(|it| Value::Object(Map::from_iter(it))),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_file_keeps_its_meaning_but_for_one_entry(before in json(), pretty: bool, at in 0_usize..8) {
            let shape = Client::value_variants()[at].shape();
            let text = if pretty { serde_json::to_string_pretty(&before) } else { serde_json::to_string(&before) };
            let Ok(entry) = Entry::new(shape, "/vultrino", "http://a.example", &Key::Shown) else { panic!("a key") };
            if let Ok(change) = set(&text.unwrap(), shape, "vultrino", &entry) && shape.syntax != Syntax::Toml {
                let mut after: Value = serde_json::from_str(&change.text).unwrap();
                let servers = after[shape.servers].as_object_mut().unwrap();
                prop_assert_eq!(&servers.remove("vultrino").unwrap()["command"], "/vultrino");
                let mut before = before;
                if before.get(shape.servers).is_none() {
                    prop_assert!(servers.is_empty());
                    after.as_object_mut().unwrap().remove(shape.servers);
                } else {
                    before[shape.servers].as_object_mut().unwrap().remove("vultrino");
                }
                prop_assert_eq!(after, before);
                let again = set(&change.text, shape, "vultrino", &entry).unwrap();
                prop_assert_eq!(again.done, Done::Unchanged);
            }
        }

        #[test]
        fn no_text_brings_it_down(text in "[\\[\\]{}:,\"'/*#=.\n\ra \\\\\u{feff}]{0,40}", at in 0_usize..8) {
            let shape = Client::value_variants()[at].shape();
            if let Ok(entry) = Entry::new(shape, "/vultrino", "http://a.example", &Key::Environment)
                && let Ok(change) = set(&text, shape, "vultrino", &entry) {
                prop_assert!(set(&change.text, shape, "vultrino", &entry).is_ok());
            }
        }
    }
}
