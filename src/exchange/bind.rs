//! Which credential a request is for (D-03): named in a header, named in the proxy's address, or chosen by host.

use std::sync::Arc;

use memchr::memmem;

use crate::{
    base::{
        fields::{Fields, Known},
        host::Scheme,
    },
    credential::Alias,
    exchange::{Inbound, Refusal, Snapshot, Unmatched, snapshot},
    identity::Principal,
};

/// What `X-Vultrino-Credential` says where no credential is to be used: the request is one that matches none. No alias.
pub const NONE: &str = "none";

/// The credential to use; none where the request goes out as it came. What is out of the caller's scope is not looked
/// for: the answer is the same whether it is there or not.
///
/// # Errors
/// Named wrongly, out of scope, unknown, missing where one must be named, several to choose from, or one that a page of
/// another site would choose.
pub fn bind(
    snapshot: &Snapshot,
    principal: &Principal,
    inbound: &Inbound<'_>,
) -> Result<Option<Arc<snapshot::Known>>, Refusal> {
    let from_page = inbound.is_proxy_style() && is_from_page(inbound);
    let denies = snapshot.config().unmatched == Unmatched::Deny;
    if credential_fields(&inbound.fields).next().is_some_and(|it| it == NONE.as_bytes()) {
        return if denies { Err(Refusal::Unmatched) } else { Ok(None) };
    }
    if let Some(alias) = named(inbound, from_page) {
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
        (Some(_), _) if from_page && denies => Err(Refusal::ForeignPage),
        (Some(_), _) if from_page => Ok(None),
        (Some(only), None) => Ok(Some(Arc::clone(only))),
        (None, _) if denies => Err(Refusal::Unmatched),
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(Refusal::AmbiguousCredential(candidates().map(|it| it.alias.to_string()).collect())),
    }
}

/// Whether a request names a credential in its own fields.
pub fn is_named_in(fields: &Fields) -> bool {
    credential_fields(fields).next().is_some()
}

/// The alias that the request names. The user name in the proxy's address is the browser's, whichever page asks.
fn named<'a>(inbound: &'a Inbound<'_>, from_page: bool) -> Option<&'a str> {
    match credential_fields(&inbound.fields).next() {
        Some(alias) => Some(std::str::from_utf8(alias).unwrap_or_default()),
        None => inbound.presented.alias.as_deref().filter(|_| !from_page),
    }
}

/// Whether a page of another site, in a browser that uses the proxy, may have sent this. Browsers send no `Sec-Fetch-Site`
/// to `http://` URLs (W3C Fetch Metadata), and `Origin` only with some methods.
fn is_from_page(inbound: &Inbound<'_>) -> bool {
    let (fields, origin) = (&inbound.fields, &inbound.target.origin);
    let near = |it: &[u8]| matches!(it, b"same-origin" | b"same-site" | b"none");
    fields.all(Known::SecFetchSite).any(|it| !near(it))
        || fields.all(Known::Origin).any(|it| it != origin.to_string().as_bytes())
        || (origin.scheme == Scheme::Http && is_of_browser(fields))
}

fn is_of_browser(fields: &Fields) -> bool {
    fields.named("user-agent").any(|it| it.starts_with(b"Mozilla/"))
        || fields.named("accept").any(|it| memmem::find(it, b"text/html").is_some())
}

fn credential_fields(fields: &Fields) -> impl Iterator<Item = &[u8]> {
    let ours = fields.iter().filter(|it| it.known == Known::Vultrino);
    ours.filter(|it| it.name.eq_ignore_ascii_case(b"x-vultrino-credential")).map(|it| it.value)
}
