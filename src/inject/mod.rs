//! How a secret enters a request: one file a way.
//!
//! Not here: whether it may. The injected value replaces every field of that name.

pub mod basic;
pub mod header;

use crate::{
    base::fields::Fields,
    credential::{Credential, Material},
};

/// Puts the material of a credential into the fields of a request.
pub fn apply(credential: &Credential, material: Material, fields: &mut Fields) {
    match material {
        Material::ApiKey { key } => match credential.metadata.header_name() {
            Some(name) => header::named(name, credential.metadata.header_prefix(), key, fields),
            None => header::bearer(key, fields),
        },
        Material::BasicAuth { username, password } => basic::authorization(&username, &password, fields),
    }
}
