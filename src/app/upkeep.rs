//! What a running server does beside its requests: it takes up changes of the store and of the configuration, and writes
//! down what the store should know of what has happened.

use std::{sync::Arc, time::Duration};

use crate::app::{housekeeping::Housekeeping, published::Published, reload::Reload};

/// How often it looks. One look costs a `stat` a file.
pub const LOOK: Duration = Duration::from_millis(250);

/// Looks between two times that counters of rates nobody uses any more are forgotten: a minute.
const SWEEP: u32 = 240;

/// The work of the main thread.
#[derive(Debug)]
pub struct Upkeep<'a> {
    published: Arc<Published>,
    reload: Reload<'a>,
    housekeeping: Housekeeping,
    looks: u32,
}

impl<'a> Upkeep<'a> {
    /// Of what is published.
    pub fn new(published: Arc<Published>, reload: Reload<'a>) -> Self {
        let housekeeping = Housekeeping::new(Arc::clone(&published));
        Self { published, reload, housekeeping, looks: 0 }
    }

    /// To be called every [`LOOK`].
    pub fn look(&mut self) {
        self.published.take_up_store();
        self.reload.look(&self.published);
        self.housekeeping.look();
        self.looks = (self.looks + 1) % SWEEP;
        if self.looks == 0 {
            self.published.parts().sweep();
        }
    }

    /// Takes everything up now, whether or not it seems to have changed.
    pub fn take_all_up(&mut self) {
        self.published.take_up_store();
        self.reload.read_anew(&self.published);
    }

    /// The last things, when all requests have ended.
    pub fn finish(&mut self) {
        self.housekeeping.write_down();
    }
}
