//! The decision, and the permits that only it can give.

use http::Method;

use crate::{
    base::{id::Id, target::Target},
    credential::Credential,
    identity::Principal,
};

/// All that a decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Who calls.
    pub principal: &'a Principal,
    /// What would be used; none when the request goes out as it came.
    pub credential: Option<&'a Credential>,
    /// Where the request goes.
    pub target: &'a Target,
    /// What it does there.
    pub method: &'a Method,
    /// P
    pub policies: &'a [std::sync::Arc<crate::policy::Policy>],
    /// T
    pub now: jiff::Timestamp,
}

/// Leave to send one request, with the secret of at most one credential. Only [`decide`] gives it.
#[derive(Debug)]
pub struct Permit {
    credential: Option<Id>,
}

/// Leave to show a stored secret to the person who holds the storage password (D-05). Only [`reveal`] gives it.
#[derive(Debug)]
pub struct Reveal {
    credential: Id,
}

/// Why not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Denial {
    /// P
    Policy(crate::policy::Verdict),
    /// R
    Rate {
        /// v
        verdict: crate::policy::Verdict,
        /// r
        room: crate::policy::Exhausted,
    },
    /// The credential is bound to no host at all.
    Unbound,
    /// It is bound to others.
    HostNotBound,
}

impl Permit {
    /// S
    pub fn strips_method_override(&self) -> bool {
        false
    }

    /// Whose secret may be opened.
    pub fn credential(&self) -> Option<Id> {
        self.credential
    }
}

impl Reveal {
    /// Whose secret may be shown.
    pub fn credential(&self) -> Id {
        self.credential
    }
}

/// Decides. A credential is used only against hosts that it is bound to (D-06).
///
/// # Errors
/// The reason to refuse.
pub fn decide(facts: &Facts<'_>, _l: &crate::policy::Limiter) -> Result<Permit, Denial> {
    let Some(credential) = facts.credential else { return Ok(Permit { credential: None }) };
    let origin = &facts.target.origin;
    if credential.is_bound_to(origin.scheme, &origin.authority) {
        Ok(Permit { credential: Some(credential.id) })
    } else if credential.bindings.is_empty() {
        Err(Denial::Unbound)
    } else {
        Err(Denial::HostNotBound)
    }
}

/// The person at the local command line has shown the storage password; that is all it takes.
/// A holder of a key never sees a value.
pub fn reveal(principal: &Principal, credential: &Credential) -> Option<Reveal> {
    matches!(principal, Principal::Local).then_some(Reveal { credential: credential.id })
}
