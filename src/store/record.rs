//! What a store gives when it is loaded.

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::{
    audit::Anchor,
    base::id::Id,
    credential::Credential,
    identity::{Admin, ApiKey, Role},
};

/// A secret that is still closed. An [`Opener`](crate::store::Opener) of the same store opens it.
#[derive(Clone)]
pub struct Sealed(pub(crate) Arc<[u8]>);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[sealed]")
    }
}

/// One record: its facts in the open, its secret closed.
#[derive(Clone, Debug)]
pub struct Stored<T> {
    /// What may be listed and decided upon.
    pub facts: T,
    /// Counts the changes of this record, from 1.
    pub version: u64,
    /// The other half.
    pub sealed: Sealed,
}

/// Everything in a store, at one revision.
#[derive(Clone, Debug)]
pub struct Records {
    /// Given at its creation.
    pub store_id: Id,
    /// Counts the changes of the store.
    pub revision: u64,
    /// In the order in which they were added.
    pub credentials: Vec<Arc<Stored<Credential>>>,
    /// There is none only before it is set up.
    pub admin: Option<Stored<Admin>>,
    /// There is none only before it is set up.
    pub ca: Option<Stored<CaCertificate>>,
    /// In the order in which they were created.
    pub roles: Vec<Arc<Stored<Role>>>,
    /// In the order in which they were created. A role that one of them names may be gone.
    pub keys: Vec<Arc<Stored<ApiKey>>>,
    /// How far the audit trail had come when it was last noted; none before that.
    pub anchor: Option<Stored<Anchor>>,
}

/// The certificate that clients trust; its key is what is sealed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaCertificate {
    /// DER.
    #[serde(serialize_with = "write_base64", deserialize_with = "read_base64")]
    pub der: Vec<u8>,
}

fn write_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&BASE64.encode(bytes))
}

fn read_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    BASE64.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
}
