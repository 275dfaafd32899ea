//! A token in a header: `Authorization: Bearer …` (RFC 6750), or in a header of the origin server's choice.

use crate::base::{fields::Fields, secret::Secret};

/// `Authorization: Bearer <key>`
pub fn bearer(key: Secret, fields: &mut Fields) {
    fields.inject("Authorization", "Bearer ", key);
}

/// `<name>: <prefix><key>`
pub fn named(name: &str, prefix: &str, key: Secret, fields: &mut Fields) {
    fields.inject(name.to_owned(), prefix.to_owned(), key);
}
