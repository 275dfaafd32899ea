//! How a credential is shown: its facts, never its secret.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    base::{host::AuthorityPattern, id::Id},
    credential::{Alias, Credential, Kind},
};

/// A credential for programs (`--json`), with the names of the API.
#[derive(Debug, Serialize)]
pub(crate) struct Shown<'a> {
    id: Id,
    alias: &'a Alias,
    r#type: Kind,
    description: Option<&'a str>,
    hosts: &'a [AuthorityPattern],
    auto: bool,
    metadata: &'a Map<String, Value>,
    created_at: String,
    updated_at: String,
}

impl<'a> From<&'a Credential> for Shown<'a> {
    fn from(it: &'a Credential) -> Self {
        Self {
            id: it.id,
            alias: &it.alias,
            r#type: it.kind,
            description: it.description.as_deref(),
            hosts: &it.bindings,
            auto: it.auto,
            metadata: it.metadata.as_map(),
            created_at: time(it.created_at),
            updated_at: time(it.updated_at),
        }
    }
}

/// With whole seconds.
pub(crate) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The day, in UTC.
pub(crate) fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// In one word of a table, and in a sentence.
pub(crate) fn hosts(patterns: &[AuthorityPattern], between: &str) -> String {
    patterns.iter().map(ToString::to_string).collect::<Vec<_>>().join(between)
}
