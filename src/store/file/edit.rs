//! Applies changes to a parsed file. Only what changes is opened or sealed.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    base::{id::Id, secret::Secret},
    credential::{Credential, Material, MaterialError},
    identity::ApiKey,
    store::{
        Change, Sealed, StoreError,
        file::format::Record,
        keys::{Keys, NO_ALIAS, ONLY, Place, RecordKind},
    },
};

/// The records as they are after `changes`.
pub(crate) fn edited(records: Vec<Record>, changes: Vec<Change>, keys: &Keys) -> Result<Vec<Record>, StoreError> {
    let mut edit = Edit::of(records, keys);
    for change in changes {
        match change {
            Change::PutCredential { facts, material } => edit.put_credential(&facts, material.as_ref())?,
            Change::DeleteCredential(id) => edit.delete(RecordKind::Credential, id)?,
            Change::PutAdmin(admin) => edit.put_open(RecordKind::Admin, ONLY, &admin)?,
            Change::PutCa { certificate, key } => edit.put_sealed(RecordKind::Ca, ONLY, &certificate, &key)?,
            Change::PutRole(role) => edit.put_open(RecordKind::Role, role.id, &role)?,
            Change::DeleteRole(id) => edit.delete(RecordKind::Role, id)?,
            Change::PutKey(key) => edit.put_open(RecordKind::ApiKey, key.id, &key)?,
            Change::DeleteKey(id) => edit.delete(RecordKind::ApiKey, id)?,
            Change::TouchKeys(uses) => uses.into_iter().try_for_each(|(id, at)| edit.touch(id, at))?,
            Change::PutAnchor(anchor) => edit.put_open(RecordKind::Anchor, ONLY, &anchor)?,
        }
    }
    Ok(edit.records.into_iter().flatten().collect())
}

/// The facts of a record whose bytes are authentic.
pub(crate) fn open_facts<T: DeserializeOwned>(record: &Record, keys: &Keys) -> Result<T, StoreError> {
    let facts = keys.open_facts(record.place, &record.facts)?;
    serde_json::from_slice(&facts).map_err(|source| StoreError::Unreadable { id: record.place.id, source })
}

struct Edit<'a> {
    /// A deleted one leaves a gap, so that the numbers in `index` stay right.
    records: Vec<Option<Record>>,
    index: HashMap<(RecordKind, Id), usize>,
    keys: &'a Keys,
}

impl<'a> Edit<'a> {
    fn of(records: Vec<Record>, keys: &'a Keys) -> Self {
        let index = records.iter().enumerate().map(|(at, it)| ((it.place.kind, it.place.id), at)).collect();
        Self { records: records.into_iter().map(Some).collect(), index, keys }
    }

    fn put_credential(&mut self, facts: &Credential, material: Option<&Material>) -> Result<(), StoreError> {
        let place = self.next(RecordKind::Credential, facts.id);
        let alias = facts.alias.as_str();
        let secret = match material {
            Some(material) if material.kind() != facts.kind => return Err(MaterialError::Layout.into()),
            Some(material) => material.encode(),
            None => self.opened_secret(facts.id)?,
        };
        let secret = self.keys.seal_secret(place, alias, &secret)?;
        self.put(place, facts, secret)
    }

    /// A record without a secret.
    fn put_open<T: Serialize>(&mut self, kind: RecordKind, id: Id, facts: &T) -> Result<(), StoreError> {
        self.put_sealed(kind, id, facts, &Secret::new(Vec::new()))
    }

    fn put_sealed<T: Serialize>(
        &mut self,
        kind: RecordKind,
        id: Id,
        facts: &T,
        secret: &Secret,
    ) -> Result<(), StoreError> {
        let place = self.next(kind, id);
        let secret = self.keys.seal_secret(place, NO_ALIAS, secret)?;
        self.put(place, facts, secret)
    }

    fn touch(&mut self, id: Id, at: Timestamp) -> Result<(), StoreError> {
        let Some(record) = self.get(RecordKind::ApiKey, id) else { return Ok(()) };
        let mut key: ApiKey = open_facts(record, self.keys)?;
        if key.last_used_at.is_some_and(|it| it >= at) {
            return Ok(());
        }
        key.last_used_at = Some(at);
        self.put_open(RecordKind::ApiKey, id, &key)
    }

    fn delete(&mut self, kind: RecordKind, id: Id) -> Result<(), StoreError> {
        let at = self.index.remove(&(kind, id)).ok_or(StoreError::NoRecord(id))?;
        self.records[at] = None;
        Ok(())
    }

    /// Its sealed form is bound to the version and alias that it has now, so it is sealed anew with every change.
    fn opened_secret(&self, id: Id) -> Result<Secret, StoreError> {
        let record = self.get(RecordKind::Credential, id).ok_or(StoreError::NoRecord(id))?;
        let facts: Credential = open_facts(record, self.keys)?;
        self.keys.open_secret(record.place, facts.alias.as_str(), &record.secret)
    }

    fn put<T: Serialize>(&mut self, place: Place, facts: &T, secret: Sealed) -> Result<(), StoreError> {
        let facts = serde_json::to_vec(facts).map_err(|source| StoreError::Unreadable { id: place.id, source })?;
        let record = Record { place, facts: self.keys.seal_facts(place, &facts)?, secret };
        let at = *self.index.entry((place.kind, place.id)).or_insert(self.records.len());
        if at == self.records.len() {
            self.records.push(None);
        }
        self.records[at] = Some(record);
        Ok(())
    }

    fn next(&self, kind: RecordKind, id: Id) -> Place {
        let version = self.get(kind, id).map_or(1, |it| it.place.version.saturating_add(1));
        Place { kind, id, version }
    }

    fn get(&self, kind: RecordKind, id: Id) -> Option<&Record> {
        self.index.get(&(kind, id)).and_then(|at| self.records[*at].as_ref())
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        base::id::Id,
        credential::Credential,
        seal::DataKey,
        store::{
            Sealed, StoreError,
            file::{edit::open_facts, format::Record},
            keys::{Keys, Place},
        },
    };

    /// To read it and write it again would lose what this version does not know.
    #[test]
    fn facts_of_a_version_that_knows_more_are_not_read() {
        let keys = Keys { store_id: Id::random(), data: DataKey::new(&[1; 32]).unwrap() };
        let place = Place::of_credential(Id::from_bytes([0; 16]), 1);
        let read = |json: &str| {
            let facts = keys.seal_facts(place, json.as_bytes()).unwrap();
            open_facts::<Credential>(&Record { place, facts, secret: Sealed([].into()) }, &keys)
        };
        let known = r#""id":"00000000-0000-0000-0000-000000000000","alias":"a","kind":"api_key","description":null,
            "metadata":{},"bindings":["a.example"],"auto":true,
            "created_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:00Z""#;
        assert!(read(&format!("{{{known}}}")).is_ok());
        for more in [format!("{{{known},\"expires_at\":null}}"), format!("{{{}}}", known.replace("api_key", "oauth2"))]
        {
            assert!(matches!(read(&more), Err(StoreError::Unreadable { .. })), "{more}");
        }
    }
}
