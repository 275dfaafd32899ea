//! Why a change is refused; the doors turn each variant into an exit code or a status.

use jiff::Timestamp;
use thiserror::Error;

use crate::{
    audit::{Outcome, Unavailable},
    base::reuse::Reuse,
    credential::{Alias, AliasError, Kind, MaterialError, MetadataError},
    identity::{AdminError, ApiKey, Permission, key::RandomError},
    manage::expiry::ExpiryError,
    store::StoreError,
};

/// Why a change is refused. The store is as it was.
#[derive(Debug, Error)]
pub enum ManageError {
    /// The caller's key or its role is gone since the request came in, or the key is over.
    #[error("the API key is not valid any more")]
    Unauthorized,
    /// The caller's role does not have this permission.
    #[error("this needs the permission `{}`, which the API key's role does not have", .0.as_str())]
    Forbidden(Permission),
    /// The alias is outside the caller's scope, whether or not there is such a credential.
    #[error("the credential `{0}` is outside the scope of the API key's role")]
    OutOfScope(String),
    /// The role that is named, or to be made, can do more than the caller's own.
    #[error("an API key cannot give more rights than it has itself")]
    Wider,
    /// The key would live longer than the caller's own.
    #[error("an API key cannot make one that lives longer than itself; its own end is {0}")]
    Longer(Timestamp),
    /// It would reach places that nobody who knows the secret has chosen.
    #[error(
        "more hosts, another header or looser `reuse` for the stored secret of `{0}` need that secret in the same change; \
         who has the storage password adds hosts with `vultrino bind {0} HOST`"
    )]
    SecretNeeded(Alias),
    /// Another caller chose where the secret is sent, and may have done so to receive it.
    #[error(
        "another caller chose where `{alias}` is sent: to {}{}{}; if the new secret may go there, repeat `hosts`{} in this \
         change",
        .hosts.join(", "),
        .header.as_ref().map(|it| format!(", in the header {it}")).unwrap_or_default(),
        .reuse.map(|it| format!(", with `reuse` {it}")).unwrap_or_default(),
        if .header.is_some() || .reuse.is_some() { " and `metadata`" } else { "" }
    )]
    HostsNeeded {
        /// Which credential.
        alias: Alias,
        /// Where it may be used.
        hosts: Vec<String>,
        /// The header that its metadata name, if any.
        header: Option<String>,
        /// What its metadata say of reuse, if anything.
        reuse: Option<Reuse>,
    },
    /// The requests of others would use it without naming it.
    #[error(
        "requests that name no credential may use `{0}` only on the word of a key with the permission `admin`: set `auto` \
         to false, or ask for such a key"
    )]
    AutoNeedsAdmin(Alias),
    /// A stored secret is never shown to whoever has shown a key.
    #[error("a stored secret is shown only at the command line, and only with the storage password")]
    LocalOnly,
    /// Also when it differs in case only.
    #[error("a credential named `{0}` exists already; choose another alias, or delete that one first")]
    AliasTaken(Alias),
    /// It follows no grammar.
    #[error(transparent)]
    AliasInvalid(#[from] AliasError),
    /// It has a meaning of its own in the API.
    #[error("the alias `{0}` is reserved; choose another one")]
    AliasReserved(Alias),
    /// Nothing has this alias.
    #[error("there is no credential `{0}`; `vultrino list` shows those that there are")]
    NotFound(String),
    /// The secret fields cannot be used.
    #[error(transparent)]
    Invalid(#[from] MaterialError),
    /// The secret fields are those of another kind.
    #[error("`{alias}` is of type {kind}, and that stays; add another credential for another type")]
    OtherKind {
        /// Which credential.
        alias: Alias,
        /// Its kind.
        kind: Kind,
    },
    /// The metadata cannot be used.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// The description is for people, on one screen.
    #[error("the description may have at most 1000 characters, and no control characters")]
    Description,
    /// The credential has no such binding.
    #[error("`{alias}` is not bound to {pattern}")]
    NotBound {
        /// Which credential.
        alias: Alias,
        /// As it was given.
        pattern: String,
    },
    /// The role's name follows no grammar, or reads as an id.
    #[error(
        "not a role name: it begins with a letter or digit, goes on with letters, digits, '.', '_' or '-', \
         has at most 64 characters, and does not look like an id"
    )]
    RoleName,
    /// Also when it differs in case only.
    #[error("a role named `{0}` exists already; choose another name, or delete that one first")]
    RoleTaken(String),
    /// No role has this name or id.
    #[error("there is no role `{0}`; `vultrino role list` shows those that there are")]
    RoleNotFound(String),
    /// Its keys could do nothing.
    #[error("a role has at least one permission: read, write, update, delete, execute or admin")]
    NoPermission,
    /// More than anybody reads.
    #[error("a role has at most 100 scopes; use patterns such as `github-*`")]
    TooManyScopes,
    /// The key's name is for people, in one column.
    #[error("not a name for a key: 1 to 64 characters that can be seen, no blank at its ends")]
    KeyName,
    /// The end that a key should have.
    #[error(transparent)]
    Expiry(#[from] ExpiryError),
    /// No key has this id or begins so.
    #[error("there is no API key `{0}`; `vultrino key list` shows those that there are")]
    KeyNotFound(String),
    /// The text fits several keys, or is too short to decide by.
    #[error(
        "`{given}` does not say which API key is meant; give more of it, at least 4 characters after `vk_`, or its id{}",
        listed(.found)
    )]
    KeyUnclear {
        /// As it was given, but never a whole key.
        given: String,
        /// All keys that begin so.
        found: Vec<ApiKey>,
    },
    /// The admin's name or password cannot be used.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The system gives no random numbers.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// No record can be opened.
    #[error("{0}, so nothing was changed")]
    Unrecorded(#[from] Unavailable),
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Our own fault.
    #[error("something went wrong inside Vultrino")]
    Internal,
}

impl ManageError {
    /// The code that programs read, from the API's list.
    pub fn code(&self) -> &'static str {
        self.kind().1
    }

    /// The status that goes with it.
    pub fn status(&self) -> u16 {
        self.kind().0
    }

    /// A word from a fixed set, for the audit and for `details.reason`.
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Forbidden(_) => Some("permission"),
            Self::OutOfScope(_) => Some("scope"),
            Self::Wider | Self::Longer(_) => Some("wider"),
            Self::LocalOnly => Some("local_only"),
            Self::SecretNeeded(_) => Some("secret_needed"),
            Self::HostsNeeded { .. } => Some("hosts_needed"),
            Self::AutoNeedsAdmin(_) => Some("auto_needs_admin"),
            Self::KeyUnclear { .. } => Some("ambiguous"),
            Self::Store(StoreError::RolledBack(_)) => Some("store_rolled_back"),
            _ => None,
        }
    }

    /// What the audit record ends with.
    pub fn outcome(&self) -> Outcome {
        if self.status() < 500 { Outcome::Denied } else { Outcome::Error }
    }

    fn kind(&self) -> (u16, &'static str) {
        match self {
            Self::Unauthorized => (401, "unauthorized"),
            Self::Forbidden(_)
            | Self::OutOfScope(_)
            | Self::Wider
            | Self::Longer(_)
            | Self::LocalOnly
            | Self::SecretNeeded(_)
            | Self::AutoNeedsAdmin(_) => (403, "forbidden"),
            Self::NotFound(_) | Self::RoleNotFound(_) | Self::KeyNotFound(_) | Self::NotBound { .. } => {
                (404, "not_found")
            }
            Self::AliasTaken(_)
            | Self::RoleTaken(_)
            | Self::HostsNeeded { .. }
            | Self::Store(StoreError::RolledBack(_)) => (409, "conflict"),
            Self::Unrecorded(Unavailable::NoSlot) => (503, "overloaded"),
            Self::Unrecorded(_) => (503, "audit_unavailable"),
            Self::Internal
            | Self::Random(_)
            | Self::Store(_)
            | Self::Admin(AdminError::Hash(_) | AdminError::Random) => (500, "internal_error"),
            _ => (400, "invalid_request"),
        }
    }
}

fn listed(found: &[ApiKey]) -> String {
    let line = |it: &ApiKey| format!("\n  {}  {}  {}", it.prefix, it.id, it.name);
    found.iter().map(line).collect()
}
