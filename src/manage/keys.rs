//! Creating, finding and revoking API keys. Needs the permission `admin` (D-09).

use std::borrow::Cow;

use jiff::Timestamp;

use crate::{
    base::{id::Id, secret::Secret},
    identity::{
        ApiKey, KeyHash, PREFIX, Permission, Principal, Role,
        key::{Minted, SHOWN, WHOLE, mint},
    },
    manage::{
        Caller, Desk, ManageError,
        desk::{About, Deed},
        expiry,
        rights::Rights,
        roles,
        text::check_key_name,
    },
    store::{Change, Records},
};

/// So much of a key decides, beside [`PREFIX`]: fewer letters fit too many keys that are still to come.
const DECIDING: usize = 4;

/// A key as it is asked for.
#[derive(Clone, Debug)]
pub struct New {
    /// For people; need not be unique.
    pub name: String,
    /// Name or id of the role that it gets.
    pub role: String,
    /// Still to come; `None` is never.
    pub expires_at: Option<Timestamp>,
}

/// A key and its role, which may be gone.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// The key.
    pub key: &'a ApiKey,
    /// `None` if it was deleted.
    pub role: Option<&'a Role>,
}

/// Creates a key. The secret is nowhere but in what this returns.
pub fn create(desk: &Desk, caller: &Caller<'_>, new: &New) -> Result<(ApiKey, Secret), ManageError> {
    let Minted { key: secret, prefix, hash } = mint()?;
    let now = desk.clock.now();
    let key = desk.change(caller, &deed("key_create"), |case| {
        case.names("key", &prefix);
        check_key_name(&new.name)?;
        let expires_at = expiry::check(new.expires_at, now)?;
        let role = roles::find(case.records, &new.role)?;
        case.rights.cover(role.permissions, &role.credential_scopes)?;
        case.rights.outlive(expires_at)?;
        let key = ApiKey {
            id: Id::random(),
            name: new.name.clone(),
            prefix: prefix.clone(),
            hash,
            role_id: role.id,
            expires_at,
            created_at: now,
            last_used_at: None,
            minted_by: Some(caller.author()),
        };
        Ok((vec![Change::PutKey(key.clone())], key))
    })?;
    Ok((key, secret))
}

/// Makes a key worthless at once, and gives what it was. Takes what [`find`] takes.
pub fn revoke(desk: &Desk, caller: &Caller<'_>, text: &str) -> Result<ApiKey, ManageError> {
    desk.change(caller, &deed("key_revoke"), |case| {
        case.names("key", &shown(text));
        let key = meant(case.records, text)?.clone();
        case.names("key", &key.prefix);
        Ok((vec![Change::DeleteKey(key.id)], key))
    })
}

/// All keys, the oldest first.
pub fn list<'a>(principal: &Principal, records: &'a Records) -> Result<Vec<Listed<'a>>, ManageError> {
    Rights::of(principal, records)?.may(Permission::Admin)?;
    let role = |key: &ApiKey| records.roles.iter().map(|it| &it.facts).find(|it| it.id == key.role_id);
    let mut all: Vec<_> = records.keys.iter().map(|it| Listed { key: &it.facts, role: role(&it.facts) }).collect();
    all.sort_by_key(|it| (it.key.created_at, it.key.id));
    Ok(all)
}

/// The one key with this id, with this beginning of at least four characters after `vk_`, or that is this key itself. Only
/// [`SHOWN`] characters of a key are stored: what follows them is compared in a whole key alone, by its hash.
///
/// # Errors
/// [`ManageError::KeyUnclear`] lists all that could be meant.
pub fn find<'a>(principal: &Principal, records: &'a Records, text: &str) -> Result<&'a ApiKey, ManageError> {
    Rights::of(principal, records)?.may(Permission::Admin)?;
    meant(records, text)
}

fn meant<'a>(records: &'a Records, text: &str) -> Result<&'a ApiKey, ManageError> {
    let all = || records.keys.iter().map(|it| &it.facts);
    let not_found = || ManageError::KeyNotFound(shown(text).into_owned());
    if let Ok(id) = text.parse::<Id>() {
        return all().find(|it| it.id == id).ok_or_else(not_found);
    }
    // Also as `key list` shortens it.
    let begin = text.trim_end_matches(['.', '…']);
    if begin.len() >= WHOLE {
        let hash = KeyHash::of(begin.as_bytes());
        return all().find(|it| it.hash == hash).ok_or_else(not_found);
    }
    let is_key = begin.bytes().all(|it| it == b'_' || it.is_ascii_alphanumeric());
    let (known, is_key) = (begin.get(..SHOWN).unwrap_or(begin), is_key && begin.starts_with(PREFIX));
    let found: Vec<&ApiKey> = all().filter(|it| is_key && it.prefix.starts_with(known)).collect();
    let decides = begin.len() >= PREFIX.len() + DECIDING;
    match found.as_slice() {
        [one] if decides => Ok(one),
        [] if decides || !begin.starts_with(PREFIX) => Err(not_found()),
        _ => {
            let found = found.into_iter().cloned().collect();
            Err(ManageError::KeyUnclear { given: shown(text).into_owned(), found })
        }
    }
}

/// What may be repeated of a text that says which key is meant: it may be a whole one, or a password.
fn shown(text: &str) -> Cow<'_, str> {
    let begin = || text.chars().take(SHOWN).collect::<String>();
    match text.len() {
        _ if text.parse::<Id>().is_ok() => Cow::Borrowed(text),
        ..=SHOWN => Cow::Borrowed(text),
        ..=WHOLE if text.starts_with(PREFIX) => Cow::Owned(begin() + "..."),
        _ => Cow::Borrowed("..."),
    }
}

fn deed(action: &'static str) -> Deed<'static> {
    Deed { action, needs: Permission::Admin, about: About::Other }
}
