//! Who a caller turned out to be, and what that one may do.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use jiff::Timestamp;

use crate::{
    base::{capacity::Held, glob::Glob, id::Id},
    identity::{ApiKey, Permission, Permissions, Role},
};

/// A caller that has been authenticated.
#[derive(Clone, Debug)]
pub enum Principal {
    /// Whoever reaches the loopback listener in local mode, or runs the CLI with the storage password. May do everything.
    Local,
    /// Whoever showed a valid key.
    Key(Arc<Holder>),
}

/// The holder of a key, with the role that it has now.
#[derive(Debug)]
pub struct Holder {
    /// The key.
    pub key: ApiKey,
    /// Its role.
    pub role: Arc<Role>,
    /// A hash of the key's ID and of the role's ID, permissions and scopes: another one when any of them changes.
    pub generation: u64,
    usage: Arc<Usage>,
}

/// What happens with one key, whatever becomes of the rest that is known of it.
#[derive(Debug, Default)]
struct Usage {
    /// In seconds; 0 if never.
    last: AtomicI64,
    held: Arc<Held>,
}

impl Holder {
    /// A key and its role.
    pub fn new(key: ApiKey, role: Arc<Role>) -> Self {
        let last = AtomicI64::new(key.last_used_at.map_or(0, Timestamp::as_second));
        let usage = Arc::new(Usage { last, held: Arc::default() });
        let generation = generation(key.id, &role);
        Self { key, role, generation, usage }
    }

    /// The holder of the same key as it is now, in place of the one `before`.
    pub fn follow(&mut self, before: &Self) {
        let stored = self.last_used();
        self.usage = Arc::clone(&before.usage);
        if let Some(at) = stored {
            self.use_at(at);
        }
    }

    /// Notes that the key was shown. Writes no memory twice within a second.
    pub fn use_at(&self, now: Timestamp) {
        let now = now.as_second();
        if self.usage.last.load(Ordering::Relaxed) < now {
            self.usage.last.store(now, Ordering::Relaxed);
        }
    }

    /// When it was shown last, to the second.
    pub fn last_used(&self) -> Option<Timestamp> {
        let second = self.usage.last.load(Ordering::Relaxed);
        if second == 0 { None } else { Timestamp::from_second(second).ok() }
    }

    /// What it has in use.
    pub fn held(&self) -> &Arc<Held> {
        &self.usage.held
    }
}

fn generation(key: Id, role: &Role) -> u64 {
    let mut hasher = DefaultHasher::new();
    (key, role.id, role.permissions).hash(&mut hasher);
    for scope in &role.credential_scopes {
        scope.as_str().hash(&mut hasher);
    }
    hasher.finish()
}

impl Principal {
    /// The name that audit lines show.
    pub fn name(&self) -> &str {
        match self {
            Self::Local => "local",
            Self::Key(holder) => &holder.key.name,
        }
    }

    /// The visible beginning of its key, as audit lines show it; empty if it has none.
    pub fn prefix(&self) -> &str {
        self.holder().map_or("", |it| &it.key.prefix)
    }

    /// Whose key it showed, if any.
    pub fn holder(&self) -> Option<&Arc<Holder>> {
        match self {
            Self::Local => None,
            Self::Key(holder) => Some(holder),
        }
    }

    /// Whether it has this permission.
    pub fn may(&self, permission: Permission) -> bool {
        self.holder().is_none_or(|it| it.role.permissions.contains(permission))
    }

    /// Whether this alias is in its scope, whether or not there is such a credential.
    pub fn reaches(&self, alias: &str) -> bool {
        self.holder().is_none_or(|it| it.role.reaches(alias))
    }

    /// Whether it has at least these rights, so that it may give them.
    pub fn covers(&self, permissions: Permissions, scopes: &[Glob]) -> bool {
        self.holder().is_none_or(|it| it.role.covers(permissions, scopes))
    }
}
