//! A store and a configuration of a large company, at once: the command line adds one thing at a time.

use std::fmt::Write as _;
use std::path::Path;

use jiff::Timestamp;
use thiserror::Error;
use vultrino::base::id::Id;
use vultrino::base::secret::Secret;
use vultrino::credential::{Credential, Kind, Material, Metadata};
use vultrino::identity::{ApiKey, Permission, Role, key};
use vultrino::store::{Change, FileStore, StoreError};

/// Most policies and roles, however many credentials and keys there are.
const POLICIES: u32 = 1000;

#[derive(Debug, Error)]
#[error(transparent)]
pub(crate) struct GrowError(#[from] Box<dyn std::error::Error + Send + Sync>);

impl From<StoreError> for GrowError {
    fn from(error: StoreError) -> Self {
        Self(error.into())
    }
}

/// A policy for each of the credentials that [`fill`] adds, as far as there may be so many.
pub(crate) fn policies(more: u32) -> String {
    let mut text = String::new();
    for at in 0..more.min(POLICIES) {
        let policy = format_args!(
            "\n[[policies]]\nname = \"grown-{at}\"\ncredential_pattern = \"grown-{at}\"\ndefault_action = \"deny\"\n\
             rules = [{{ condition = {{ url_match = \"https://h{at}.example.com/*\" }}, action = \"allow\" }}]\n"
        );
        text.write_fmt(policy).unwrap_or(());
    }
    text
}

/// Puts so many credentials and keys into the store at `path`, and the roles of those keys.
pub(crate) fn fill(path: &Path, password: &str, more: u32) -> Result<(), GrowError> {
    let store = FileStore::open(path, &Secret::from(password.to_owned()))?;
    let roles: Vec<Role> = (0..more.min(POLICIES)).map(role).collect::<Result<_, _>>()?;
    let mut changes = Vec::with_capacity(2 * more as usize + roles.len());
    for at in 0..more {
        let material = Material::api_key(Secret::from(format!("a-made-up-key-{at}"))).map_err(boxed)?;
        changes.push(Change::PutCredential { facts: credential(at)?, material: Some(material) });
        changes.push(Change::PutKey(api_key(at, &roles[at as usize % roles.len()])?));
    }
    changes.extend(roles.into_iter().map(Change::PutRole));
    let revision = store.load()?.revision;
    store.apply(changes, revision)?;
    Ok(())
}

fn credential(at: u32) -> Result<Credential, GrowError> {
    Ok(Credential {
        id: Id::random(),
        alias: format!("grown-{at}").parse().map_err(boxed)?,
        kind: Kind::ApiKey,
        description: None,
        metadata: Metadata::default(),
        bindings: vec![format!("h{at}.example.com").parse().map_err(boxed)?],
        auto: true,
        placed_by: None,
        created_at: Timestamp::now(),
        updated_at: Timestamp::now(),
    })
}

fn role(at: u32) -> Result<Role, GrowError> {
    Ok(Role {
        id: Id::random(),
        name: format!("grown-{at}"),
        description: None,
        permissions: vec![Permission::Execute].into(),
        credential_scopes: vec![format!("grown-{at}*").parse().map_err(boxed)?],
        created_at: Timestamp::now(),
    })
}

fn api_key(at: u32, role: &Role) -> Result<ApiKey, GrowError> {
    let minted = key::mint().map_err(boxed)?;
    Ok(ApiKey {
        id: Id::random(),
        name: format!("grown-{at}"),
        prefix: minted.prefix,
        hash: minted.hash,
        role_id: role.id,
        expires_at: None,
        created_at: Timestamp::now(),
        last_used_at: None,
        minted_by: None,
    })
}

fn boxed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> GrowError {
    GrowError(error.into())
}

#[cfg(test)]
mod tests {
    use crate::grown::{POLICIES, policies};

    #[test]
    fn there_are_as_many_policies_as_credentials_up_to_a_thousand() {
        for (more, expected) in [(0, 0), (1, 1), (100, 100), (10_000, POLICIES)] {
            assert_eq!(policies(more).matches("[[policies]]").count(), expected as usize, "{more}");
        }
    }
}
