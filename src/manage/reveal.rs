//! `get --show-secret`: reveals one secret to a person who has entered the storage password; audited.

use crate::{
    credential::Material,
    identity::Permission,
    manage::{
        Caller, Desk, ManageError,
        credentials::stored,
        desk::{About, Deed},
    },
    policy,
    safe::{Safe, SafeError},
};

/// Opens the secret of one credential (D-05).
///
/// # Errors
/// [`ManageError::LocalOnly`] for whoever has shown a key, whatever it may do.
pub fn reveal(desk: &Desk, caller: &Caller<'_>, alias: &str) -> Result<Material, ManageError> {
    let deed = Deed { action: "credential_reveal", needs: Permission::Admin, about: About::Credential(alias) };
    desk.once(caller, &deed, |records| {
        let stored = stored(records, alias)?;
        let leave = policy::reveal(caller.principal, &stored.facts).ok_or(ManageError::LocalOnly)?;
        Safe::new(desk.store.opener()).show(&leave, stored).map_err(|error| match error {
            SafeError::Store(error) => error.into(),
            SafeError::NotPermitted => ManageError::LocalOnly,
        })
    })
}
