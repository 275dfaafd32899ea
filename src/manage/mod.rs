//! Every change that a person or program can make to a store, one function each. Each looks at the records, decides,
//! applies, and begins again if somebody else was faster.
//!
//! Not here: asking, printing, and exit codes (`cli`); the CA's making (`ca`), whose result `setup` takes.

pub mod admin;
pub mod credentials;
pub mod error;
pub mod setup;

use crate::store::{Change, FileStore, Records, StoreError};

pub use error::ManageError;

/// Applies what `decide` makes of the records, again and again until nobody else changed them meanwhile. Every conflict
/// means that another change got through, so all of them end.
fn change<T>(
    store: &FileStore,
    mut decide: impl FnMut(&Records) -> Result<(Vec<Change>, T), ManageError>,
) -> Result<T, ManageError> {
    loop {
        let records = store.load()?;
        let (changes, outcome) = decide(&records)?;
        match store.apply(changes, records.revision) {
            Ok(_) => return Ok(outcome),
            Err(StoreError::Conflict { .. }) => (),
            Err(error) => return Err(error.into()),
        }
    }
}
