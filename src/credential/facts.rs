//! The open half of a credential: everything but its secret.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    base::{
        host::{Authority, AuthorityPattern, Scheme},
        id::Id,
    },
    credential::{Alias, Kind, Metadata},
    identity::Author,
};

/// What may be listed, shown and decided upon. An unknown field is an error: a version that does not know it would
/// drop it at the next write.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// Stays the same through every change.
    pub id: Id,
    /// What callers say.
    pub alias: Alias,
    /// Which fields its secret has.
    pub kind: Kind,
    /// For people.
    pub description: Option<String>,
    /// How it is injected, and what else its owner noted.
    pub metadata: Metadata,
    /// The only places it may be used against; empty is nowhere.
    pub bindings: Vec<AuthorityPattern>,
    /// Whether it may be chosen by the host alone, when a request names no credential.
    pub auto: bool,
    /// Who last chose the hosts and the header that the secret is sent to and in; `None` if a version did that did not
    /// record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placed_by: Option<Author>,
    /// When it was added.
    pub created_at: Timestamp,
    /// When anything of it last changed.
    pub updated_at: Timestamp,
}

impl Credential {
    /// Whether it may be used for a request under `scheme` to `authority`.
    pub fn is_bound_to(&self, scheme: Scheme, authority: &Authority) -> bool {
        self.bindings.iter().any(|it| it.matches(scheme, authority))
    }
}
