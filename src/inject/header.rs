//! A token in a header: `Authorization: Bearer …` (RFC 6750), or bare in a header of the origin server's choice.

use crate::base::{fields::Fields, secret::Secret};

/// `Authorization: Bearer <key>`
pub fn bearer(key: &Secret, fields: &mut Fields) {
    let mut value = Vec::with_capacity(7 + key.len());
    value.extend_from_slice(b"Bearer ");
    value.extend_from_slice(key.expose());
    fields.inject("Authorization", Secret::new(value));
}

/// `<name>: <key>`
pub fn bare(name: &str, key: &Secret, fields: &mut Fields) {
    fields.inject(name, Secret::new(key.expose().to_vec()));
}
