//! Secrets that lie sealed in our own store.

use thiserror::Error;

use crate::{
    credential::{Credential, Material},
    policy::{Permit, Reveal},
    store::{Opener, StoreError, Stored},
};

/// Opens what lies closed in one store. Whoever decides brings the record that the decision was about, so a change of the
/// store between the two opens nothing else, and closes nothing.
#[derive(Debug)]
pub struct Safe(Opener);

/// Why a secret stays closed.
#[derive(Debug, Error)]
pub enum SafeError {
    /// The permit is for another credential, for another state of it, or for a request without one.
    #[error("the permit is not for this credential")]
    NotPermitted,
    /// The record does not open.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Safe {
    /// For the records of the store that gave this.
    pub fn new(opener: Opener) -> Self {
        Self(opener)
    }

    /// Opens what the permit is for.
    ///
    /// # Errors
    /// See [`SafeError`].
    pub fn open(&self, permit: &Permit, stored: &Stored<Credential>) -> Result<Material, SafeError> {
        if !permit.is_for(&stored.facts) {
            return Err(SafeError::NotPermitted);
        }
        Ok(self.0.open_credential(stored)?)
    }

    /// Opens it for the eyes of a person (D-05).
    ///
    /// # Errors
    /// See [`SafeError`].
    pub fn show(&self, reveal: &Reveal, stored: &Stored<Credential>) -> Result<Material, SafeError> {
        if reveal.credential() != stored.facts.id {
            return Err(SafeError::NotPermitted);
        }
        Ok(self.0.open_credential(stored)?)
    }
}
