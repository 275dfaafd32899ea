//! Looking at policies, and asking what they would say. They are changed in the configuration alone.

use std::sync::Arc;

use jiff::Timestamp;

use crate::{
    credential::Credential,
    identity::{Permission, Principal},
    manage::{ManageError, credentials::stored, rights::Rights},
    policy::{Policy, PolicySet},
    store::Records,
};

/// All policies; without the permission `admin`, those about a credential in the caller's scope.
pub fn list<'a>(
    principal: &Principal,
    records: &Records,
    policies: &'a PolicySet,
) -> Result<Vec<&'a Arc<Policy>>, ManageError> {
    let rights = Rights::of(principal, records)?;
    if rights.may(Permission::Admin).is_ok() {
        return Ok(policies.iter().collect());
    }
    rights.may(Permission::Read)?;
    let aliases = || records.credentials.iter().map(|it| it.facts.alias.as_str()).filter(|it| rights.reaches(it));
    Ok(policies.iter().filter(|it| aliases().any(|alias| it.credential_pattern.matches(alias))).collect())
}

/// The credential that a question about policies is about. It may not be there yet.
pub fn subject<'a>(
    now: Timestamp,
    principal: &Principal,
    records: &'a Records,
    alias: &str,
) -> Result<Option<&'a Credential>, ManageError> {
    let rights = Rights::at(now, principal, records)?;
    rights.may(Permission::Read)?;
    rights.reach(alias)?;
    Ok(stored(records, alias).ok().map(|it| &it.facts))
}
