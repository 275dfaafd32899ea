//! A dial that others wait for: the connection that it leads to may be theirs too.

use std::sync::{Arc, Weak};

use tokio::sync::Notify;

use crate::upstream::{pool::Pool, tenant::PoolKey};

/// Lasts until it is known what the dial has led to. The pool then lets the next one begin.
#[derive(Debug)]
pub struct Flight {
    pool: Weak<Pool>,
    key: PoolKey,
    landed: Arc<Notify>,
}

impl Flight {
    /// Begins.
    pub fn new(pool: &Arc<Pool>, key: PoolKey, landed: Arc<Notify>) -> Self {
        Self { pool: Arc::downgrade(pool), key, landed }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.land(&self.key);
        }
        self.landed.notify_waiters();
    }
}
