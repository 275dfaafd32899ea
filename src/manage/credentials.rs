//! Adding, finding, binding and deleting credentials.

use std::sync::Arc;

use crate::{
    base::{clock::Clock, host::AuthorityPattern, id::Id},
    catalog,
    credential::{Alias, Credential, Material, Metadata},
    manage::{ManageError, change},
    store::{Change, FileStore, Records, Stored},
};

const LONGEST_DESCRIPTION: usize = 1000;

/// A credential as its owner gives it.
#[derive(Debug)]
pub struct New {
    /// Not taken yet, in any case.
    pub alias: Alias,
    /// Checked again here.
    pub material: Material,
    /// For people.
    pub description: Option<String>,
    /// How it is injected.
    pub metadata: Metadata,
    /// If there are none, a token that the catalog knows binds itself.
    pub bindings: Vec<AuthorityPattern>,
    /// Whether the host alone may choose it.
    pub auto: bool,
}

/// What became of a [`New`].
#[derive(Clone, Debug)]
pub struct Added {
    /// As it is stored.
    pub credential: Credential,
    /// The service that it was bound to by the shape of its token.
    pub recognised: Option<&'static catalog::Entry>,
}

/// Stores a credential.
pub fn add(store: &FileStore, clock: Clock, new: New) -> Result<Added, ManageError> {
    new.material.check()?;
    check_description(new.description.as_deref())?;
    let kind = new.material.kind();
    let packed = new.material.encode();
    let recognised = if new.bindings.is_empty() { recognised(&new.material) } else { None };
    let now = clock.now();
    let credential = Credential {
        id: Id::random(),
        alias: new.alias,
        kind,
        description: new.description,
        metadata: new.metadata,
        bindings: recognised.map_or(new.bindings, |entry| entry.hosts.clone()),
        auto: new.auto,
        created_at: now,
        updated_at: now,
    };
    change(store, |records| {
        if let Some(taken) = records.credentials.iter().find(|it| it.facts.alias.is_like(&credential.alias)) {
            return Err(ManageError::AliasTaken(taken.facts.alias.clone()));
        }
        let material = Some(Material::decode(kind, &packed)?);
        Ok((vec![Change::PutCredential { facts: credential.clone(), material }], ()))
    })?;
    Ok(Added { credential, recognised })
}

/// All credentials, by alias.
pub fn list(records: &Records) -> Vec<&Credential> {
    let mut all: Vec<&Credential> = records.credentials.iter().map(|it| &it.facts).collect();
    all.sort_by_cached_key(|it| (it.alias.folded(), it.id));
    all
}

/// The credential with exactly this alias.
pub fn get<'a>(records: &'a Records, alias: &str) -> Result<&'a Arc<Stored<Credential>>, ManageError> {
    let found = records.credentials.iter().find(|it| it.facts.alias.as_str() == alias);
    found.ok_or_else(|| ManageError::NotFound(alias.to_owned()))
}

/// Removes a credential, and gives what it was.
pub fn delete(store: &FileStore, alias: &str) -> Result<Credential, ManageError> {
    change(store, |records| {
        let facts = get(records, alias)?.facts.clone();
        Ok((vec![Change::DeleteCredential(facts.id)], facts))
    })
}

/// Allows a credential against more places; those that it has already stay once.
pub fn bind(
    store: &FileStore,
    clock: Clock,
    alias: &str,
    patterns: &[AuthorityPattern],
) -> Result<Credential, ManageError> {
    rebind(store, clock, alias, |credential| {
        for pattern in patterns {
            if !credential.bindings.contains(pattern) {
                credential.bindings.push(pattern.clone());
            }
        }
        Ok(())
    })
}

/// Takes places away from a credential; all of them must be its own.
pub fn unbind(
    store: &FileStore,
    clock: Clock,
    alias: &str,
    patterns: &[AuthorityPattern],
) -> Result<Credential, ManageError> {
    rebind(store, clock, alias, |credential| {
        if let Some(other) = patterns.iter().find(|it| !credential.bindings.contains(it)) {
            return Err(ManageError::NotBound { alias: credential.alias.clone(), pattern: other.to_string() });
        }
        credential.bindings.retain(|it| !patterns.contains(it));
        Ok(())
    })
}

fn rebind(
    store: &FileStore,
    clock: Clock,
    alias: &str,
    edit: impl Fn(&mut Credential) -> Result<(), ManageError>,
) -> Result<Credential, ManageError> {
    change(store, |records| {
        let mut facts = get(records, alias)?.facts.clone();
        edit(&mut facts)?;
        facts.updated_at = clock.now();
        Ok((vec![Change::PutCredential { facts: facts.clone(), material: None }], facts))
    })
}

fn recognised(material: &Material) -> Option<&'static catalog::Entry> {
    match material {
        Material::ApiKey { key } => catalog::recognise(key),
        Material::BasicAuth { .. } => None,
    }
}

fn check_description(text: Option<&str>) -> Result<(), ManageError> {
    let bad = |text: &str| text.chars().count() > LONGEST_DESCRIPTION || text.chars().any(char::is_control);
    if text.is_some_and(bad) { Err(ManageError::Description) } else { Ok(()) }
}
