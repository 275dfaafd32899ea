//! What is written for one server: the command that speaks MCP for a running Vultrino, and how it gets its API key.

use jsonc_parser::cst::CstInputValue;
use thiserror::Error;
use toml_edit::{Array, InlineTable, Item, Table, Value};

use crate::{
    base::secret::Secret,
    cli::mcp::clients::{Handover, Shape},
    config::environment,
    identity::{PREFIX, PresentedKey, key::LENGTH},
};

/// In place of a key where people look.
const PLACEHOLDER: &str = "vk_…";

/// The entry of one client.
pub(crate) struct Entry {
    fields: Vec<(&'static str, Field)>,
}

enum Field {
    Text(String),
    List(Vec<String>),
    Variable(&'static str, String),
}

/// Where the server's API key comes from.
#[derive(Debug)]
pub(crate) enum Key {
    Written(Secret),
    /// As [`Key::Written`], to be looked at.
    Shown,
    /// The client's own environment, as far as it hands that over.
    Environment,
}

/// The text is no API key. What it is instead may be a secret, too.
#[derive(Debug, Error)]
#[error("this is no API key of Vultrino: one begins with {}, and {} letters and digits follow", PREFIX, LENGTH)]
pub(crate) struct NoKey;

impl Entry {
    pub(crate) fn new(shape: Shape, command: &str, url: &str, key: &Key) -> Result<Self, NoKey> {
        let mut fields = Vec::new();
        if shape.typed {
            fields.push(("type", Field::Text("stdio".to_owned())));
        }
        fields.push(("command", Field::Text(command.to_owned())));
        fields.push(("args", Field::List(["mcp", "--url", url].map(str::to_owned).to_vec())));
        let variable = |value: String| ("env", Field::Variable(environment::API_KEY, value));
        match (key, shape.handover) {
            (Key::Written(key), _) => fields.push(variable(text_of(key)?)),
            (Key::Shown, _) => fields.push(variable(PLACEHOLDER.to_owned())),
            (Key::Environment, Handover::Expanded(text)) => fields.push(variable(text.to_owned())),
            (Key::Environment, Handover::Listed) => {
                fields.push(("env_vars", Field::List(vec![environment::API_KEY.to_owned()])));
            }
            (Key::Environment, Handover::Inherited | Handover::Never) => (),
        }
        Ok(Self { fields })
    }

    pub(crate) fn json(&self) -> CstInputValue {
        let text = |it: &String| CstInputValue::String(it.clone());
        let value = |it: &Field| match it {
            Field::Text(it) => text(it),
            Field::List(all) => CstInputValue::Array(all.iter().map(text).collect()),
            Field::Variable(name, it) => CstInputValue::Object(vec![((*name).to_owned(), text(it))]),
        };
        CstInputValue::Object(self.fields.iter().map(|(name, it)| ((*name).to_owned(), value(it))).collect())
    }

    pub(crate) fn toml(&self) -> Table {
        let value = |it: &Field| match it {
            Field::Text(it) => Value::from(it),
            Field::List(all) => Value::from(all.iter().collect::<Array>()),
            Field::Variable(name, it) => Value::from(InlineTable::from_iter([(*name, it)])),
        };
        self.fields.iter().map(|(name, it)| (*name, Item::Value(value(it)))).collect()
    }
}

/// Only what has the form of a key: a storage password that somebody gives by mistake is written nowhere.
fn text_of(key: &Secret) -> Result<String, NoKey> {
    PresentedKey::of(key).ok_or(NoKey)?;
    let text = str::from_utf8(key.expose().trim_ascii());
    text.map(str::to_owned).or(Err(NoKey))
}
