//! What a running server notes by itself, at nobody's wish and so without a record.

use jiff::Timestamp;

use crate::{
    audit::Anchor,
    base::id::Id,
    store::{Change, FileStore, Records, StoreError},
};

/// Notes when keys were last used. A time that is behind what is stored changes nothing.
pub fn touch_keys(store: &FileStore, uses: &[(Id, Timestamp)]) -> Result<(), StoreError> {
    change(store, |records| {
        let behind = |(id, at): &(Id, Timestamp)| {
            records.keys.iter().any(|it| it.facts.id == *id && it.facts.last_used_at.is_none_or(|last| last < *at))
        };
        let news: Vec<_> = uses.iter().copied().filter(behind).collect();
        (!news.is_empty()).then_some(Change::TouchKeys(news))
    })
}

/// Notes how far the audit trail has come. It never goes back: another process may have noted more.
pub fn set_anchor(store: &FileStore, anchor: Anchor) -> Result<(), StoreError> {
    change(store, |records| {
        let behind = records.anchor.as_ref().is_none_or(|it| it.facts.sequence < anchor.sequence);
        behind.then_some(Change::PutAnchor(anchor))
    })
}

/// Applies what `decide` finds to be changed, until nobody else was faster.
fn change(store: &FileStore, decide: impl Fn(&Records) -> Option<Change>) -> Result<(), StoreError> {
    loop {
        let records = store.load()?;
        let Some(change) = decide(&records) else { return Ok(()) };
        match store.apply(vec![change], records.revision) {
            Err(StoreError::Conflict { .. }) => (),
            other => return other.map(drop),
        }
    }
}
