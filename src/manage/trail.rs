//! Who may see which records of the trail.

use crate::{
    audit::read::Filter,
    identity::{Permission, Principal},
    manage::{ManageError, rights::Rights},
    store::Records,
};

/// What the caller may see of what it asks for: without the permission `admin`, what was done with its own key.
pub fn view(principal: &Principal, records: &Records, filter: Filter) -> Result<Filter, ManageError> {
    let rights = Rights::of(principal, records)?;
    match principal.holder() {
        Some(holder) if rights.may(Permission::Admin).is_err() => {
            let own = filter.key.as_ref().is_none_or(|asked| holder.key.prefix.starts_with(asked.as_str()));
            // Another's key has no records, as far as this caller can tell.
            let seen = if own { holder.key.prefix.clone() } else { String::from("-") };
            Ok(Filter { key: Some(seen), ..filter })
        }
        _ => Ok(filter),
    }
}
