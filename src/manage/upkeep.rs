//! What a running server notes by itself, at nobody's wish and so without a record.

use jiff::Timestamp;

use crate::{
    audit::Anchor,
    base::id::Id,
    store::{Change, FileStore, Records, StoreError},
};

/// Notes when keys were last used, and how far the audit trail has come: in one write, if any of it is news to `records`.
/// Nothing goes back, for another process may have noted more. Gives the revision that the store then has.
///
/// # Errors
/// [`StoreError::Conflict`] if `records` are no longer what the store holds, beside what the disk refuses.
pub fn note(
    store: &FileStore,
    records: &Records,
    uses: &[(Id, Timestamp)],
    anchor: Option<Anchor>,
) -> Result<u64, StoreError> {
    let is_later = |(id, at): &(Id, Timestamp)| {
        records.keys.iter().any(|it| it.facts.id == *id && it.facts.last_used_at.is_none_or(|last| last < *at))
    };
    let later: Vec<_> = uses.iter().copied().filter(is_later).collect();
    let further = anchor.filter(|it| records.anchor.as_ref().is_none_or(|now| now.facts.sequence < it.sequence));
    let touch = (!later.is_empty()).then_some(Change::TouchKeys(later));
    let changes: Vec<_> = touch.into_iter().chain(further.map(Change::PutAnchor)).collect();
    if changes.is_empty() { Ok(records.revision) } else { store.apply(changes, records.revision) }
}

/// Notes how far the audit trail has come, whatever the store holds by now.
///
/// # Errors
/// What the disk refuses.
pub fn set_anchor(store: &FileStore, anchor: Anchor) -> Result<(), StoreError> {
    loop {
        match note(store, &store.load()?, &[], Some(anchor)) {
            Err(StoreError::Conflict { .. }) => (),
            other => return other.map(drop),
        }
    }
}
