//! Who gets in: keys in every way, what they reach, and what happens to whoever has none.

#[cfg(test)]
mod attempts;
#[cfg(test)]
mod doors;
#[cfg(test)]
mod keyless;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod scopes;

use crate::support::{
    Appliance, Credential,
    appliance::{ALIAS, Builder, KEY},
};

/// A server that knows one credential, and `agent`, who may use it.
pub(crate) fn server() -> Builder {
    let credential = Credential::key(ALIAS, KEY, &["localhost:*"]);
    Appliance::builder().server().credential(credential).role("agents", "execute", "").key("agent", "agents")
}
