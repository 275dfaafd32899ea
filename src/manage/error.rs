//! Why a change is refused; the doors turn each variant into an exit code or a status.

use thiserror::Error;

use crate::{
    credential::{Alias, AliasError, MaterialError, MetadataError},
    identity::AdminError,
    store::StoreError,
};

/// Why a change is refused. The store is as it was.
#[derive(Debug, Error)]
pub enum ManageError {
    /// Also when it differs in case only.
    #[error("a credential named `{0}` exists already; choose another alias, or delete that one first")]
    AliasTaken(Alias),
    /// It follows no grammar.
    #[error(transparent)]
    AliasInvalid(#[from] AliasError),
    /// Nothing has this alias.
    #[error("there is no credential `{0}`; `vultrino list` shows those that there are")]
    NotFound(String),
    /// The secret fields cannot be used.
    #[error(transparent)]
    Invalid(#[from] MaterialError),
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
    /// The admin's name or password cannot be used.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}
