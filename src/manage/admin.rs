//! The administrator of the web pages.

use crate::{
    base::{clock::Clock, secret::Secret},
    identity::{Admin, AdminError},
    manage::{ManageError, change},
    store::{Change, FileStore},
};

/// Gives the administrator another password; the name stays.
///
/// # Errors
/// [`AdminError::Name`] where there is no administrator: such a store was never set up whole.
pub fn set_password(store: &FileStore, clock: Clock, password: &Secret) -> Result<(), ManageError> {
    let current = store.load()?.admin.ok_or(AdminError::Name)?;
    set(store, clock, &current.facts.username, password)
}

/// Sets the administrator's name and password.
pub fn set(store: &FileStore, clock: Clock, username: &str, password: &Secret) -> Result<(), ManageError> {
    let admin = Admin::new(username, password, clock.now())?;
    change(store, |_| Ok((vec![Change::PutAdmin(admin.clone())], ())))
}
