//! What the keys of a role may do, and with which credentials.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::base::{glob::Glob, id::Id};

/// One thing that a caller may do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// List credentials; never their values.
    Read,
    /// Add credentials.
    Write,
    /// Change them.
    Update,
    /// Remove them.
    Delete,
    /// Use them for requests.
    Execute,
    /// Manage roles and keys, and see what others did.
    Admin,
}

/// A set of permissions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Permission>", into = "Vec<Permission>")]
pub struct Permissions(u8);

/// The text names no permission.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("`{0}` is no permission; there are read, write, update, delete, execute and admin")]
pub struct PermissionError(String);

/// A named set of permissions over some credentials. An unknown field is an error, as in a credential.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Stays the same through every change.
    pub id: Id,
    /// Unique without regard to case.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// What its keys may do.
    pub permissions: Permissions,
    /// With which aliases; empty is all.
    pub credential_scopes: Vec<Glob>,
    /// When it was created.
    pub created_at: Timestamp,
}

impl Permission {
    /// All there are, in the order in which they are listed.
    pub const ALL: [Self; 6] = [Self::Read, Self::Write, Self::Update, Self::Delete, Self::Execute, Self::Admin];

    /// As people write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Execute => "execute",
            Self::Admin => "admin",
        }
    }
}

impl Permissions {
    /// Whether this one is among them.
    pub fn contains(self, permission: Permission) -> bool {
        self.0 & bit(permission) != 0
    }

    /// Whether all of `other` are among them.
    pub fn covers(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// One after the other.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |it| self.contains(*it))
    }
}

fn bit(permission: Permission) -> u8 {
    1 << permission as u8
}

impl Role {
    /// Whether its scopes reach this alias, whether or not there is such a credential.
    pub fn reaches(&self, alias: &str) -> bool {
        self.credential_scopes.is_empty() || self.credential_scopes.iter().any(|it| it.matches(alias))
    }

    /// Whether its rights include everything that these are. May say no where it could say yes (see [`Glob::covers`]).
    pub fn covers(&self, permissions: Permissions, scopes: &[Glob]) -> bool {
        let reached = |it: &Glob| self.credential_scopes.iter().any(|own| own.covers(it));
        let scoped = self.credential_scopes.is_empty() || (!scopes.is_empty() && scopes.iter().all(reached));
        scoped && self.permissions.covers(permissions)
    }
}

impl FromStr for Permission {
    type Err = PermissionError;

    fn from_str(text: &str) -> Result<Self, PermissionError> {
        Self::ALL.into_iter().find(|it| it.as_str() == text).ok_or_else(|| PermissionError(text.to_owned()))
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Separated by commas.
impl FromStr for Permissions {
    type Err = PermissionError;

    fn from_str(text: &str) -> Result<Self, PermissionError> {
        text.split(',').map(|it| it.trim().parse::<Permission>()).collect()
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(from: I) -> Self {
        Self(from.into_iter().fold(0, |set, it| set | bit(it)))
    }
}

impl From<Vec<Permission>> for Permissions {
    fn from(list: Vec<Permission>) -> Self {
        list.into_iter().collect()
    }
}

impl From<Permissions> for Vec<Permission> {
    fn from(set: Permissions) -> Self {
        set.iter().collect()
    }
}

/// As [`Permissions::from_str`] reads it.
impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, permission) in self.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            f.write_str(permission.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use crate::{
        base::id::Id,
        identity::role::{Permission, Permissions, Role},
    };

    fn role(permissions: &str, scopes: &[&str]) -> Role {
        Role {
            id: Id::random(),
            name: "r".to_owned(),
            description: None,
            permissions: permissions.parse().unwrap(),
            credential_scopes: scopes.iter().map(|it| it.parse().unwrap()).collect(),
            created_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn permissions_are_read_and_written_as_a_list() {
        let some: Permissions = "execute, read".parse().unwrap();
        assert_eq!(some.to_string(), "read,execute");
        assert!(some.contains(Permission::Read) && !some.contains(Permission::Admin));
        assert_eq!(serde_json::to_string(&some).unwrap(), r#"["read","execute"]"#);
        assert_eq!(serde_json::from_str::<Permissions>(r#"["read","execute"]"#).unwrap(), some);
        for text in ["", "reed", "read,,write", "READ"] {
            assert!(text.parse::<Permissions>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_role_covers_what_is_no_wider_than_itself() {
        let own = role("read,execute,admin", &["github-*"]);
        let covers = |permissions: &str, scopes: &[&str]| {
            let scopes: Vec<_> = scopes.iter().map(|it| it.parse().unwrap()).collect();
            own.covers(permissions.parse().unwrap(), &scopes)
        };
        assert!(covers("read", &["github-api", "github-x*"]));
        assert!(!covers("read", &[]), "no scopes are all");
        assert!(!covers("read", &["*"]));
        assert!(!covers("read,write", &["github-api"]));
        assert!(role("read", &[]).covers("read".parse().unwrap(), &[]));
    }

    #[test]
    fn empty_scopes_reach_everything() {
        assert!(role("read", &[]).reaches("anything"));
        assert!(role("read", &["a-*", "b"]).reaches("b"));
        assert!(!role("read", &["a-*", "b"]).reaches("bb"));
    }
}
