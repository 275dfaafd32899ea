//! Adding, finding, changing, binding and deleting credentials.

use std::sync::Arc;

use crate::{
    audit::Door,
    base::{host::AuthorityPattern, id::Id},
    catalog,
    credential::{Alias, Credential, Material, Metadata},
    identity::{Permission, Principal},
    manage::{
        Caller, Desk, ManageError,
        desk::{About, Deed},
        rights::Rights,
        text::{Description, check_description},
    },
    store::{Change, Records, Stored},
};

/// Aliases that stand for something else under `/v1/credentials/`.
const RESERVED: [&str; 1] = ["types"];

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

/// What shall be different. What is `None` stays; what is given takes the place of the old whole.
#[derive(Debug, Default)]
pub struct Update {
    /// For people.
    pub description: Description,
    /// How it is injected, and other notes.
    pub metadata: Option<Metadata>,
    /// Where it may be used.
    pub bindings: Option<Vec<AuthorityPattern>>,
    /// Whether the host alone may choose it.
    pub auto: Option<bool>,
    /// The secret; of the same kind.
    pub material: Option<Material>,
}

/// Stores a credential.
pub fn add(desk: &Desk, caller: &Caller<'_>, new: New) -> Result<Added, ManageError> {
    let New { alias, material, description, metadata, bindings, auto } = new;
    let recognised = if bindings.is_empty() { recognised(&material) } else { None };
    let now = desk.clock.now();
    let credential = Credential {
        id: Id::random(),
        alias,
        kind: material.kind(),
        description,
        metadata,
        bindings: recognised.map_or(bindings, |entry| entry.hosts.clone()),
        auto,
        created_at: now,
        updated_at: now,
    };
    desk.change(caller, &deed("credential_add", Permission::Write, credential.alias.as_str()), |case| {
        material.check()?;
        check_description(credential.description.as_deref())?;
        if RESERVED.iter().any(|it| it.eq_ignore_ascii_case(credential.alias.as_str())) {
            return Err(ManageError::AliasReserved(credential.alias.clone()));
        }
        if let Some(taken) = case.records.credentials.iter().find(|it| it.facts.alias.is_like(&credential.alias)) {
            // How one is spelt that is outside of the scope is not told.
            let seen = case.rights.reaches(taken.facts.alias.as_str());
            let told = if seen { &taken.facts.alias } else { &credential.alias };
            return Err(ManageError::AliasTaken(told.clone()));
        }
        let change = Change::PutCredential { facts: credential.clone(), material: Some(material.again()?) };
        Ok((vec![change], ()))
    })?;
    Ok(Added { credential, recognised })
}

/// All credentials in the caller's scope, by alias.
pub fn list<'a>(principal: &Principal, records: &'a Records) -> Result<Vec<&'a Credential>, ManageError> {
    let rights = Rights::of(principal, records)?;
    rights.may(Permission::Read)?;
    let all = records.credentials.iter().map(|it| &it.facts);
    let mut seen: Vec<&Credential> = all.filter(|it| rights.reaches(it.alias.as_str())).collect();
    seen.sort_by_cached_key(|it| (it.alias.folded(), it.id));
    Ok(seen)
}

/// The credential with exactly this alias.
pub fn get<'a>(
    principal: &Principal,
    records: &'a Records,
    alias: &str,
) -> Result<&'a Arc<Stored<Credential>>, ManageError> {
    let rights = Rights::of(principal, records)?;
    rights.may(Permission::Read)?;
    rights.reach(alias)?;
    stored(records, alias)
}

/// Changes what `update` names. More places, or another header, for a secret that stays: only at the command line, whose
/// caller has shown the storage password.
pub fn update(desk: &Desk, caller: &Caller<'_>, alias: &str, update: &Update) -> Result<Credential, ManageError> {
    rewrite(desk, caller, "credential_update", alias, |credential| {
        update.description.apply(&mut credential.description);
        check_description(credential.description.as_deref())?;
        if let Some(metadata) = &update.metadata {
            credential.metadata = metadata.clone();
        }
        if let Some(bindings) = &update.bindings {
            credential.bindings.clear();
            join(&mut credential.bindings, bindings);
        }
        credential.auto = update.auto.unwrap_or(credential.auto);
        let Some(material) = &update.material else { return Ok(None) };
        if material.kind() != credential.kind {
            return Err(ManageError::OtherKind { alias: credential.alias.clone(), kind: credential.kind });
        }
        material.check()?;
        Ok(Some(material.again()?))
    })
}

/// Removes a credential, and gives what it was.
pub fn delete(desk: &Desk, caller: &Caller<'_>, alias: &str) -> Result<Credential, ManageError> {
    desk.change(caller, &deed("credential_delete", Permission::Delete, alias), |case| {
        let facts = stored(case.records, alias)?.facts.clone();
        Ok((vec![Change::DeleteCredential(facts.id)], facts))
    })
}

/// Allows a credential against more places; those that it has already stay once.
pub fn bind(
    desk: &Desk,
    caller: &Caller<'_>,
    alias: &str,
    patterns: &[AuthorityPattern],
) -> Result<Credential, ManageError> {
    rewrite(desk, caller, "credential_bind", alias, |credential| {
        join(&mut credential.bindings, patterns);
        Ok(None)
    })
}

/// Takes places away from a credential; all of them must be its own.
pub fn unbind(
    desk: &Desk,
    caller: &Caller<'_>,
    alias: &str,
    patterns: &[AuthorityPattern],
) -> Result<Credential, ManageError> {
    rewrite(desk, caller, "credential_unbind", alias, |credential| {
        if let Some(other) = patterns.iter().find(|it| !credential.bindings.contains(it)) {
            return Err(ManageError::NotBound { alias: credential.alias.clone(), pattern: other.to_string() });
        }
        credential.bindings.retain(|it| !patterns.contains(it));
        Ok(None)
    })
}

/// By its alias alone, whoever asks.
pub(crate) fn stored<'a>(records: &'a Records, alias: &str) -> Result<&'a Arc<Stored<Credential>>, ManageError> {
    let found = records.credentials.iter().find(|it| it.facts.alias.as_str() == alias);
    found.ok_or_else(|| ManageError::NotFound(alias.to_owned()))
}

/// `edit` gives the new secret, if there is one.
fn rewrite(
    desk: &Desk,
    caller: &Caller<'_>,
    action: &'static str,
    alias: &str,
    edit: impl Fn(&mut Credential) -> Result<Option<Material>, ManageError>,
) -> Result<Credential, ManageError> {
    desk.change(caller, &deed(action, Permission::Update, alias), |case| {
        let before = &stored(case.records, alias)?.facts;
        let mut facts = before.clone();
        let material = edit(&mut facts)?;
        if material.is_none() && caller.door != Door::Admin && reaches_further(before, &facts) {
            return Err(ManageError::SecretNeeded(facts.alias));
        }
        facts.updated_at = desk.clock.now();
        Ok((vec![Change::PutCredential { facts: facts.clone(), material }], facts))
    })
}

/// Whether the stored secret could now be sent to a place, or in a field, that its owner did not choose for it. Whoever
/// may use a credential could send it to a server of their own, or have a server echo it, and read it there.
fn reaches_further(before: &Credential, after: &Credential) -> bool {
    let header = after.metadata.header_name();
    after.bindings.iter().any(|it| !before.bindings.contains(it))
        || (header.is_some() && header != before.metadata.header_name())
}

fn deed<'a>(action: &'static str, needs: Permission, alias: &'a str) -> Deed<'a> {
    Deed { action, needs, about: About::Credential(alias) }
}

fn join(bindings: &mut Vec<AuthorityPattern>, more: &[AuthorityPattern]) {
    for pattern in more {
        if !bindings.contains(pattern) {
            bindings.push(pattern.clone());
        }
    }
}

fn recognised(material: &Material) -> Option<&'static catalog::Entry> {
    match material {
        Material::ApiKey { key } => catalog::recognise(key),
        Material::BasicAuth { .. } => None,
    }
}
