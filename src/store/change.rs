//! What can be done to a store.

use crate::{
    base::{id::Id, secret::Secret},
    credential::{Credential, Material},
    identity::Admin,
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
}
