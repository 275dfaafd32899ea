//! What a caller may do by the records as they are now: a key that was revoked a moment ago may do nothing, whatever it
//! was known for when the request came in.

use jiff::Timestamp;

use crate::{
    base::glob::Glob,
    identity::{ApiKey, Permission, Permissions, Principal, Role},
    manage::ManageError,
    store::Records,
};

/// The rights of one caller.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rights<'a> {
    /// Without a key: everything.
    held: Option<(&'a ApiKey, &'a Role)>,
}

impl<'a> Rights<'a> {
    /// Looks the caller's key and role up.
    ///
    /// # Errors
    /// One of them is gone.
    pub(crate) fn of(principal: &Principal, records: &'a Records) -> Result<Self, ManageError> {
        let Some(holder) = principal.holder() else { return Ok(Self { held: None }) };
        let key = records.keys.iter().find(|it| it.facts.id == holder.key.id);
        let key = &key.ok_or(ManageError::Unauthorized)?.facts;
        let role = records.roles.iter().find(|it| it.facts.id == key.role_id);
        Ok(Self { held: Some((key, &role.ok_or(ManageError::Unauthorized)?.facts)) })
    }

    /// The same for what was asked a while ago: its body may have been long on its way.
    ///
    /// # Errors
    /// Also a key that has expired since.
    pub(crate) fn at(now: Timestamp, principal: &Principal, records: &'a Records) -> Result<Self, ManageError> {
        let rights = Self::of(principal, records)?;
        let over = rights.held.is_some_and(|(key, _)| key.is_expired(now));
        if over { Err(ManageError::Unauthorized) } else { Ok(rights) }
    }

    /// Whether the caller has this permission.
    pub(crate) fn may(&self, permission: Permission) -> Result<(), ManageError> {
        let may = self.held.is_none_or(|(_, role)| role.permissions.contains(permission));
        if may { Ok(()) } else { Err(ManageError::Forbidden(permission)) }
    }

    /// Whether this alias is in the caller's scope.
    pub(crate) fn reaches(&self, alias: &str) -> bool {
        self.held.is_none_or(|(_, role)| role.reaches(alias))
    }

    /// The same, as a condition.
    pub(crate) fn reach(&self, alias: &str) -> Result<(), ManageError> {
        if self.reaches(alias) { Ok(()) } else { Err(ManageError::OutOfScope(alias.to_owned())) }
    }

    /// Whether the caller has at least these rights, so that it may give them.
    pub(crate) fn cover(&self, permissions: Permissions, scopes: &[Glob]) -> Result<(), ManageError> {
        let covered = self.held.is_none_or(|(_, role)| role.covers(permissions, scopes));
        if covered { Ok(()) } else { Err(ManageError::Wider) }
    }

    /// Whether the caller's own key lives as long as one that is to be made.
    pub(crate) fn outlive(&self, expires_at: Option<Timestamp>) -> Result<(), ManageError> {
        let Some(own) = self.held.and_then(|(key, _)| key.expires_at) else { return Ok(()) };
        if expires_at.is_some_and(|it| it <= own) { Ok(()) } else { Err(ManageError::Longer(own)) }
    }
}
