//! Adding, finding, changing, binding and deleting credentials.

use std::sync::Arc;

use crate::{
    base::{host::AuthorityPattern, id::Id, reuse::Reuse},
    catalog,
    credential::{Alias, Credential, Material, Metadata},
    identity::{Author, Permission, Principal},
    manage::{
        Caller, Desk, ManageError,
        desk::{About, Deed},
        rights::Rights,
        text::{Description, check_description},
    },
    store::{Change, Records, Stored},
};

/// Aliases that stand for something else: under `/v1/credentials/`, in `X-Vultrino-Credential`, and as a user name of the proxy.
const RESERVED: [&str; 3] = ["types", "none", "vultrino"];

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
    /// Whether the host alone may choose it. What a key without the permission `admin` adds is chosen by its alias only.
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
    let mut credential = Credential {
        id: Id::random(),
        alias,
        kind: material.kind(),
        description,
        metadata,
        bindings: recognised.map_or(bindings, |entry| entry.hosts.clone()),
        auto,
        placed_by: Some(caller.author()),
        created_at: now,
        updated_at: now,
    };
    let alias = credential.alias.clone();
    let credential = desk.change(caller, &deed("credential_add", Permission::Write, alias.as_str()), |case| {
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
        // Else whoever may add one could have it sent with the requests of others.
        credential.auto = auto && case.rights.may(Permission::Admin).is_ok();
        let change = Change::PutCredential { facts: credential.clone(), material: Some(material.again()?) };
        Ok((vec![change], credential.clone()))
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

/// Changes what `update` names.
///
/// # Errors
/// [`ManageError::SecretNeeded`] for more hosts or another header with the stored secret, but for a caller at the command
/// line, who has shown the storage password. [`ManageError::HostsNeeded`] for a new secret without `bindings` (and
/// without `metadata`, where it names the header) if another caller chose these last. [`ManageError::AutoNeedsAdmin`].
pub fn update(desk: &Desk, caller: &Caller<'_>, alias: &str, update: &Update) -> Result<Credential, ManageError> {
    rewrite(desk, caller, "credential_update", alias, |credential| {
        let is_known = is_known(credential, caller);
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
        let metadata = &credential.metadata;
        let is_plain = metadata.header_name().is_none() && metadata.reuse().is_none();
        let is_repeated = update.bindings.is_some() && (is_plain || update.metadata.is_some());
        if is_repeated {
            credential.placed_by = Some(caller.author());
        }
        let Some(material) = &update.material else { return Ok(None) };
        if material.kind() != credential.kind {
            return Err(ManageError::OtherKind { alias: credential.alias.clone(), kind: credential.kind });
        }
        material.check()?;
        if !is_known && !is_repeated && !credential.bindings.is_empty() {
            return Err(ManageError::HostsNeeded {
                alias: credential.alias.clone(),
                hosts: credential.bindings.iter().map(ToString::to_string).collect(),
                header: credential.metadata.header_name().map(str::to_owned),
                reuse: credential.metadata.reuse(),
            });
        }
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
        let is_wider = facts.bindings.iter().any(|it| !before.bindings.contains(it));
        let is_moved = is_wider || is_header_changed(before, &facts) || is_reuse_loosened(before, &facts);
        if material.is_none() && caller.author() != Author::Owner && is_moved {
            return Err(ManageError::SecretNeeded(facts.alias));
        }
        if facts.auto && (is_wider || !before.auto) && case.rights.may(Permission::Admin).is_err() {
            return Err(ManageError::AutoNeedsAdmin(facts.alias));
        }
        if is_moved && is_known(before, caller) {
            facts.placed_by = Some(caller.author());
        }
        facts.updated_at = desk.clock.now();
        Ok((vec![Change::PutCredential { facts: facts.clone(), material }], facts))
    })
}

/// Whether the secret is sent in another header, or behind another prefix. A caller who may choose these could have a
/// server echo the secret.
fn is_header_changed(before: &Credential, after: &Credential) -> bool {
    if before.metadata.header_prefix() != after.metadata.header_prefix() {
        return true;
    }
    match (before.metadata.header_name(), after.metadata.header_name()) {
        (Some(before), Some(after)) => !before.eq_ignore_ascii_case(after),
        (before, after) => before != after,
    }
}

/// Whether its connections may be used again after requests with a body, as they were not before: with an origin that leaves
/// bodies unread, a caller could read the secret there. Where the credential says nothing, `[upstream] reuse` does.
fn is_reuse_loosened(before: &Credential, after: &Credential) -> bool {
    before.metadata.reuse() != after.metadata.reuse() && after.metadata.reuse() != Some(Reuse::Bodyless)
}

/// Whether this caller need not be shown where a secret would go: the owner chose that, or the caller did.
fn is_known(credential: &Credential, caller: &Caller<'_>) -> bool {
    credential.placed_by.is_some_and(|it| it == Author::Owner || it == caller.author())
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
