//! Which credential a request is for (D-03): named in a header, named in the proxy's address, or chosen by host.

use std::sync::Arc;

use crate::{
    base::fields::{self, Fields},
    credential::Alias,
    exchange::{Inbound, Refusal, Snapshot, Unmatched, snapshot::Known},
    identity::Principal,
};

/// The credential to use; none where the request goes out as it came. What is out of the caller's scope is not looked
/// for: the answer is the same whether it is there or not.
///
/// # Errors
/// Named twice or wrongly, out of scope, unknown, missing where one must be named, or several to choose from.
pub fn bind(snapshot: &Snapshot, principal: &Principal, inbound: &Inbound<'_>) -> Result<Option<Arc<Known>>, Refusal> {
    if let Some(alias) = named(inbound)? {
        Alias::check(alias).or(Err(Refusal::Invalid("the credential's name is no alias")))?;
        if !principal.reaches(alias) {
            return Err(Refusal::OutOfScope(alias.to_owned()));
        }
        let found = snapshot.named(alias).ok_or_else(|| Refusal::NotFound(alias.to_owned()))?;
        return Ok(Some(Arc::clone(found)));
    }
    if !inbound.is_proxy_style() {
        return Err(Refusal::MissingCredential);
    }
    let candidates = || snapshot.bound_to(&inbound.target.origin).filter(|it| principal.reaches(&it.alias));
    let mut first_two = candidates();
    match (first_two.next(), first_two.next()) {
        (Some(only), None) => Ok(Some(Arc::clone(only))),
        (None, _) if snapshot.config().unmatched == Unmatched::Deny => Err(Refusal::Unmatched),
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(Refusal::AmbiguousCredential(candidates().map(|it| it.alias.to_string()).collect())),
    }
}

/// Whether a request names a credential in its own fields.
pub fn is_named_in(fields: &Fields) -> bool {
    credential_fields(fields).next().is_some()
}

fn named<'a>(inbound: &'a Inbound<'_>) -> Result<Option<&'a str>, Refusal> {
    let mut fields = credential_fields(&inbound.fields);
    match (fields.next(), fields.next()) {
        (None, _) => Ok(inbound.presented.alias.as_deref()),
        (Some(alias), None) => Ok(Some(std::str::from_utf8(alias).unwrap_or_default())),
        (Some(_), Some(_)) => Err(Refusal::Invalid("X-Vultrino-Credential stands twice")),
    }
}

fn credential_fields(fields: &Fields) -> impl Iterator<Item = &[u8]> {
    let ours = fields.iter().filter(|it| it.known == fields::Known::Vultrino);
    ours.filter(|it| it.name.eq_ignore_ascii_case(b"x-vultrino-credential")).map(|it| it.value)
}
