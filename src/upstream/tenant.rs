//! What requests have in common that share connections to an origin.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use crate::{base::target::Origin, identity::KeyHash};

/// One caller with one credential, as both are now.
///
/// Origins tie state to a connection: who has authenticated on it, what they have not read yet, an answer that comes late.
/// That state never reaches another caller or another credential, because it never leaves the tenant.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tenant {
    /// The API key; `None` is a caller without one.
    pub caller: Option<KeyHash>,
    /// The alias; `None` where nothing is injected.
    pub credential: Option<Arc<str>>,
    /// A hash of all that decides about the two: the role of the key; the credential, its secret and the policies that match
    /// it. Other changes leave it as it is.
    pub generation: u64,
}

/// What idle connections are found by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolKey {
    /// Where the connection leads.
    pub origin: Arc<Origin>,
    /// Whose requests go over it.
    pub tenant: Tenant,
}

impl Hash for PoolKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // The generation covers caller and credential, which are long.
        (&self.origin, self.tenant.generation).hash(state);
    }
}
