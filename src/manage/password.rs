//! The storage password.

use crate::{
    base::secret::Secret,
    identity::Permission,
    manage::{
        Caller, Desk, ManageError,
        desk::{About, Deed},
    },
};

const CHANGE: Deed<'_> = Deed { action: "password_change", needs: Permission::Admin, about: About::Other };

/// Replaces the password that opens the store. Whoever has it open goes on.
pub fn change(desk: &Desk, caller: &Caller<'_>, old: &Secret, new: &Secret) -> Result<(), ManageError> {
    desk.once(caller, &CHANGE, |_| Ok(desk.store.change_password(old, new)?))
}
