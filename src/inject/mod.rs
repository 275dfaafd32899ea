//! How a secret enters a request: one file a way.
//!
//! Not here: whether it may. What is injected stands alone, whatever the client sent under that name.

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
            Some(name) => header::bare(name, key, fields),
            None => header::bearer(key, fields),
        },
        Material::BasicAuth { username, password } => basic::authorization(&username, &password, fields),
    }
}
