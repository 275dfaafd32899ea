//! A token in a header: `Authorization: Bearer …` (RFC 6750), or bare in a header of the origin server's choice.

use crate::base::{fields::Fields, secret::Secret};

/// `Authorization: Bearer <key>`
pub fn bearer(key: Secret, fields: &mut Fields) {
    fields.inject("Authorization", "Bearer ", key);
}

/// `<name>: <key>`
pub fn bare(name: &str, key: Secret, fields: &mut Fields) {
    fields.inject(name.to_owned(), "", key);
}
