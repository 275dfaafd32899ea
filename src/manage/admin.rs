//! The administrator of the web pages.

use crate::{
    base::secret::Secret,
    identity::{Admin, Permission},
    manage::{
        Caller, Desk, ManageError,
        desk::{About, Deed},
    },
    store::Change,
};

const SET: Deed<'_> = Deed { action: "admin_set", needs: Permission::Admin, about: About::Other };

/// The name of an administrator that nobody has named.
pub const DEFAULT_NAME: &str = "admin";

/// Sets the administrator's password, and the name where one is given. The first administrator is [`DEFAULT_NAME`] without.
pub fn set(desk: &Desk, caller: &Caller<'_>, username: Option<&str>, password: &Secret) -> Result<(), ManageError> {
    desk.change(caller, &SET, |case| {
        let current = case.records.admin.as_ref().map(|it| it.facts.username.as_str());
        let username = username.or(current).unwrap_or(DEFAULT_NAME);
        Ok((vec![Change::PutAdmin(Admin::new(username, password, desk.clock.now())?)], ()))
    })
}
