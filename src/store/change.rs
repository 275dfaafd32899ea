//! What can be done to a store.

use jiff::Timestamp;

use crate::{
    audit::Anchor,
    base::{id::Id, secret::Secret},
    credential::{Credential, Material},
    identity::{Admin, ApiKey, Role},
    store::CaCertificate,
};

/// One change. A set of them is applied whole or not at all.
#[derive(Debug)]
pub enum Change {
    /// Adds a credential, or replaces the one with its id.
    PutCredential {
        /// All of them, also those that stay.
        facts: Credential,
        /// `None` keeps what is sealed.
        material: Option<Material>,
    },
    /// Removes a credential.
    DeleteCredential(Id),
    /// Sets the administrator.
    PutAdmin(Admin),
    /// Sets the certificate authority.
    PutCa {
        /// What clients trust.
        certificate: CaCertificate,
        /// PKCS#8.
        key: Secret,
    },
    /// Adds a role, or replaces the one with its id.
    PutRole(Role),
    /// Removes a role. The keys that name it stay, and are good for nothing.
    DeleteRole(Id),
    /// Adds an API key, or replaces the one with its id.
    PutKey(ApiKey),
    /// Removes an API key.
    DeleteKey(Id),
    /// Notes when keys were last used. Those that are gone, or were used later already, stay as they are.
    TouchKeys(Vec<(Id, Timestamp)>),
    /// Sets how far the audit trail has come.
    PutAnchor(Anchor),
}
