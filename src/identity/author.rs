//! Who made or changed a record, where a later decision depends on it.

use serde::{Deserialize, Serialize};

use crate::base::id::Id;

/// The author of an API key, or of the hosts and the header of a credential.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    /// A person at the command line, with the storage password.
    Owner,
    /// A caller without an API key, or with one that such a caller made.
    Keyless,
    /// The holder of the API key with this id.
    Key(Id),
}
