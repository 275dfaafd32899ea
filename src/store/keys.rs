//! Seals and opens the two halves of a record, each bound to its place: store, kind, id, version, and for a secret the
//! alias too.

use std::{fmt, sync::Arc};

use smallvec::SmallVec;
use zeroize::Zeroizing;

use crate::{
    audit::ChainKey,
    base::{id::Id, secret::Secret},
    credential::{Credential, Material},
    seal::DataKey,
    store::{CaCertificate, Sealed, StoreError, Stored},
};

/// Opens the secrets of one store. Cheap to clone; holds no secret but the data key.
#[derive(Clone)]
pub struct Opener(pub(crate) Arc<Keys>);

impl Opener {
    /// The fields of one credential.
    pub fn open_credential(&self, stored: &Stored<Credential>) -> Result<Material, StoreError> {
        let place = Place::of_credential(stored.facts.id, stored.version);
        let opened = self.0.open_secret(place, stored.facts.alias.as_str(), &stored.sealed)?;
        Ok(Material::decode(stored.facts.kind, opened)?)
    }

    /// What the chain of this store's audit records is made with.
    pub fn audit_key(&self) -> ChainKey {
        ChainKey::new(self.0.data.audit_key())
    }

    /// The key of the certificate authority, PKCS#8.
    pub fn open_ca(&self, stored: &Stored<CaCertificate>) -> Result<Secret, StoreError> {
        self.0.open_secret(Place::of_only(RecordKind::Ca, stored.version), NO_ALIAS, &stored.sealed)
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[opener of store {}]", self.0.store_id)
    }
}

/// Of a record that has no alias.
pub(crate) const NO_ALIAS: &str = "";
/// Id of a record that a store has only one of.
pub(crate) const ONLY: Id = Id::ZERO;

/// What a record is; the number stands in the file.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub(crate) enum RecordKind {
    Credential = 1,
    Admin = 2,
    Ca = 3,
    Role = 4,
    ApiKey = 5,
    Anchor = 6,
}

impl RecordKind {
    const ALL: [Self; 6] = [Self::Credential, Self::Admin, Self::Ca, Self::Role, Self::ApiKey, Self::Anchor];

    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|it| *it as u8 == number)
    }
}

/// Names one version of one record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) kind: RecordKind,
    pub(crate) id: Id,
    pub(crate) version: u64,
}

impl Place {
    pub(crate) fn of_credential(id: Id, version: u64) -> Self {
        Self { kind: RecordKind::Credential, id, version }
    }

    /// For a record that a store has only one of.
    pub(crate) fn of_only(kind: RecordKind, version: u64) -> Self {
        Self { kind, id: ONLY, version }
    }
}

/// The data key and the store that it belongs to.
pub(crate) struct Keys {
    pub(crate) store_id: Id,
    pub(crate) data: DataKey,
}

impl Keys {
    pub(crate) fn seal_facts(&self, place: Place, facts: &[u8]) -> Result<Vec<u8>, StoreError> {
        Ok(self.data.seal(facts, &self.aad(FACTS, place, NO_ALIAS))?)
    }

    pub(crate) fn open_facts(&self, place: Place, envelope: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        Ok(self.data.open(envelope, &self.aad(FACTS, place, NO_ALIAS))?)
    }

    pub(crate) fn seal_secret(&self, place: Place, alias: &str, secret: &Secret) -> Result<Sealed, StoreError> {
        let envelope = self.data.seal_secret(secret, &self.aad(SECRET, place, alias))?;
        Ok(Sealed(envelope.into()))
    }

    pub(crate) fn open_secret(&self, place: Place, alias: &str, sealed: &Sealed) -> Result<Secret, StoreError> {
        Ok(self.data.open_secret(&sealed.0, &self.aad(SECRET, place, alias))?)
    }

    /// Every part but the last has a fixed length, so no two places give the same bytes.
    fn aad(&self, half: u8, place: Place, alias: &str) -> SmallVec<[u8; LONGEST_AAD]> {
        let mut fixed = [0; FIXED_AAD];
        fixed[0] = half;
        fixed[1] = place.kind as u8;
        fixed[2..18].copy_from_slice(self.store_id.as_bytes());
        fixed[18..34].copy_from_slice(place.id.as_bytes());
        fixed[34..].copy_from_slice(&place.version.to_be_bytes());
        let mut aad = SmallVec::from_slice(&fixed);
        aad.extend_from_slice(alias.as_bytes());
        aad
    }
}

/// With the longest alias: it stays off the heap.
const LONGEST_AAD: usize = FIXED_AAD + 64;
const FIXED_AAD: usize = 2 + 16 + 16 + 8;
const FACTS: u8 = 1;
const SECRET: u8 = 2;
