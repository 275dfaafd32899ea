//! The administrator of the web pages.

use crate::{
    base::secret::Secret,
    identity::{Admin, AdminError, Permission},
    manage::{
        Caller, Desk, ManageError,
        desk::{About, Deed},
    },
    store::Change,
};

const SET: Deed<'_> = Deed { action: "admin_set", needs: Permission::Admin, about: About::Other };

/// Sets the administrator's password, and the name too where one is given.
///
/// # Errors
/// [`AdminError::Name`] also where there is no administrator whose name could stay: such a store was never set up whole.
pub fn set(desk: &Desk, caller: &Caller<'_>, username: Option<&str>, password: &Secret) -> Result<(), ManageError> {
    desk.change(caller, &SET, |case| {
        let current = case.records.admin.as_ref().map(|it| it.facts.username.as_str());
        let username = username.or(current).ok_or(AdminError::Name)?;
        Ok((vec![Change::PutAdmin(Admin::new(username, password, desk.clock.now())?)], ()))
    })
}
