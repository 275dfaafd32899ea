//! The name under which this process stands in `Via`, so that it knows a request that comes back to it.

use memchr::memmem;

use crate::base::{
    fields::{Fields, Known},
    id::Id,
};

/// A pseudonym as RFC 9110 section 7.6.3 has it: another one for each process, so that a chain of several is no loop.
#[derive(Debug)]
pub struct Pseudonym(String);

impl Pseudonym {
    /// A new one.
    pub fn random() -> Self {
        Self(format!("vultrino-{}", Id::random()))
    }

    /// Whether a message with these fields has been here.
    pub fn is_in(&self, fields: &Fields) -> bool {
        fields.all(Known::Via).any(|it| memmem::find(it, self.0.as_bytes()).is_some())
    }

    /// The member of `Via` that says so.
    pub fn member(&self) -> String {
        format!("1.1 {}", self.0)
    }
}
