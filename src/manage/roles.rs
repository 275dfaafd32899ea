//! Creating, finding, changing and deleting roles. Needs the permission `admin` (D-09).

use crate::{
    base::{
        glob::{Glob, GlobError},
        id::Id,
    },
    credential::Alias,
    identity::{Permission, Permissions, Principal, Role},
    manage::{
        Caller, Desk, ManageError,
        desk::{About, Deed},
        rights::Rights,
        text::{Description, check_description},
    },
    store::{Change, Records},
};

const MOST_SCOPES: usize = 100;

/// A role as it is asked for.
#[derive(Clone, Debug)]
pub struct New {
    /// Not taken yet, in any case.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// At least one.
    pub permissions: Permissions,
    /// Empty is every credential.
    pub scopes: Vec<Glob>,
}

/// What shall be different; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct Update {
    /// For people.
    pub description: Description,
    /// At least one.
    pub permissions: Option<Permissions>,
    /// Empty is every credential.
    pub scopes: Option<Vec<Glob>>,
}

/// Creates a role.
pub fn create(desk: &Desk, caller: &Caller<'_>, new: New) -> Result<Role, ManageError> {
    let role = Role {
        id: Id::random(),
        name: new.name,
        description: new.description,
        permissions: new.permissions,
        credential_scopes: new.scopes,
        created_at: desk.clock.now(),
    };
    desk.change(caller, &deed("role_create"), |case| {
        case.names("role", &role.name);
        check(&role)?;
        case.rights.cover(role.permissions, &role.credential_scopes)?;
        if let Some(taken) = case.records.roles.iter().find(|it| it.facts.name.eq_ignore_ascii_case(&role.name)) {
            return Err(ManageError::RoleTaken(taken.facts.name.clone()));
        }
        Ok((vec![Change::PutRole(role.clone())], ()))
    })?;
    Ok(role)
}

/// Changes a role; its keys have the new rights from their next request on. What it had and what it gets must both be no
/// wider than the caller.
pub fn update(desk: &Desk, caller: &Caller<'_>, name_or_id: &str, update: &Update) -> Result<Role, ManageError> {
    desk.change(caller, &deed("role_update"), |case| {
        case.names("role", name_or_id);
        let mut role = find(case.records, name_or_id)?.clone();
        case.names("role", &role.name);
        case.rights.cover(role.permissions, &role.credential_scopes)?;
        role.permissions = update.permissions.unwrap_or(role.permissions);
        if let Some(scopes) = &update.scopes {
            role.credential_scopes.clone_from(scopes);
        }
        update.description.apply(&mut role.description);
        check(&role)?;
        case.rights.cover(role.permissions, &role.credential_scopes)?;
        Ok((vec![Change::PutRole(role.clone())], role))
    })
}

/// Removes a role, and gives what it was. Its keys stay in the list and are good for nothing.
pub fn delete(desk: &Desk, caller: &Caller<'_>, name_or_id: &str) -> Result<Role, ManageError> {
    desk.change(caller, &deed("role_delete"), |case| {
        case.names("role", name_or_id);
        let role = find(case.records, name_or_id)?.clone();
        case.names("role", &role.name);
        Ok((vec![Change::DeleteRole(role.id)], role))
    })
}

/// All roles, by name.
pub fn list<'a>(principal: &Principal, records: &'a Records) -> Result<Vec<&'a Role>, ManageError> {
    Rights::of(principal, records)?.may(Permission::Admin)?;
    let mut all: Vec<&Role> = records.roles.iter().map(|it| &it.facts).collect();
    all.sort_by_cached_key(|it| (it.name.to_ascii_lowercase(), it.id));
    Ok(all)
}

/// The role with exactly this name, or with this id.
pub fn get<'a>(principal: &Principal, records: &'a Records, name_or_id: &str) -> Result<&'a Role, ManageError> {
    Rights::of(principal, records)?.may(Permission::Admin)?;
    find(records, name_or_id)
}

/// Reads a list of patterns that commas separate, but for commas in braces: `github-*,{a,b}-test`.
///
/// # Errors
/// Also where a pattern is empty: no scopes at all would be all credentials, which nobody means by an empty text.
pub fn parse_scopes(text: &str) -> Result<Vec<Glob>, GlobError> {
    let (mut scopes, mut begin, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, b) in text.bytes().enumerate() {
        match b {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                scopes.push(text[begin..at].trim().parse()?);
                begin = at + 1;
            }
            _ => (),
        }
    }
    scopes.push(text[begin..].trim().parse()?);
    Ok(scopes)
}

/// Whoever asks.
pub(crate) fn find<'a>(records: &'a Records, name_or_id: &str) -> Result<&'a Role, ManageError> {
    let is_meant = |it: &Role| it.name == name_or_id || it.id.to_string() == name_or_id;
    let found = records.roles.iter().map(|it| &it.facts).find(|it| is_meant(it));
    found.ok_or_else(|| ManageError::RoleNotFound(name_or_id.to_owned()))
}

fn check(role: &Role) -> Result<(), ManageError> {
    // One that reads as an id could stand in for another role.
    let is_name = role.name.parse::<Alias>().is_ok() && role.name.parse::<Id>().is_err();
    check_description(role.description.as_deref())?;
    match role {
        _ if !is_name => Err(ManageError::RoleName),
        _ if role.permissions.is_empty() => Err(ManageError::NoPermission),
        _ if role.credential_scopes.len() > MOST_SCOPES => Err(ManageError::TooManyScopes),
        _ => Ok(()),
    }
}

fn deed(action: &'static str) -> Deed<'static> {
    Deed { action, needs: Permission::Admin, about: About::Other }
}

#[cfg(test)]
mod tests {
    use crate::manage::roles::parse_scopes;

    #[test]
    fn commas_in_braces_do_not_separate() {
        let read = |text: &str| parse_scopes(text).map(|it| it.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(read("github-*, stripe-*").unwrap(), ["github-*", "stripe-*"]);
        assert_eq!(read("{a,b}-*,c").unwrap(), ["{a,b}-*", "c"]);
        assert_eq!(read("*").unwrap(), ["*"]);
        for text in ["", ",", "a,", "a,,b", "{a,b", "a},b", "[a]", "**", "a b"] {
            assert!(parse_scopes(text).is_err(), "{text}");
        }
    }
}
