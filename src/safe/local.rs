//! Secrets that lie sealed in our own store.

use std::sync::Arc;

use arc_swap::ArcSwap;
use thiserror::Error;

use crate::{
    base::{id::Id, uniform::UniformMap},
    credential::{Credential, Material},
    policy::{Permit, Reveal},
    store::{Opener, Records, StoreError, Stored},
};

/// Closed secrets by id, and what opens them. It is replaced as a whole when the store changes.
#[derive(Debug)]
pub struct Safe {
    opener: Opener,
    sealed: ArcSwap<Sealed>,
}

type Sealed = UniformMap<Id, Arc<Stored<Credential>>>;

/// Why a secret stays closed.
#[derive(Debug, Error)]
pub enum SafeError {
    /// The permit is for a request without a credential.
    #[error("the permit names no credential")]
    NoCredential,
    /// It was removed since the decision.
    #[error("the credential is no longer in the store")]
    Removed,
    /// It was changed since the decision: its secret or its places may be others now.
    #[error("the credential was changed since the decision")]
    Changed,
    /// The record does not open.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Safe {
    /// A safe over one revision of a store.
    pub fn new(opener: Opener, records: &Records) -> Self {
        Self { opener, sealed: ArcSwap::from_pointee(index(records)) }
    }

    /// Takes a later revision.
    pub fn replace(&self, records: &Records) {
        self.sealed.store(Arc::new(index(records)));
    }

    /// Opens what the permit is for.
    ///
    /// # Errors
    /// See [`SafeError`].
    pub fn open(&self, permit: &Permit) -> Result<Material, SafeError> {
        let id = permit.credential().ok_or(SafeError::NoCredential)?;
        let sealed = self.sealed.load();
        let stored = sealed.get(&id).ok_or(SafeError::Removed)?;
        if !permit.is_for(&stored.facts) {
            return Err(SafeError::Changed);
        }
        Ok(self.opener.open_credential(stored)?)
    }

    /// Opens it for the eyes of a person (D-05).
    ///
    /// # Errors
    /// See [`SafeError`].
    pub fn show(&self, reveal: &Reveal) -> Result<Material, SafeError> {
        let sealed = self.sealed.load();
        let stored = sealed.get(&reveal.credential()).ok_or(SafeError::Removed)?;
        Ok(self.opener.open_credential(stored)?)
    }
}

fn index(records: &Records) -> Sealed {
    records.credentials.iter().map(|it| (it.facts.id, Arc::clone(it))).collect()
}
