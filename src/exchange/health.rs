//! What is not as it should be although requests are served: the control plane says so, `/health` tells it.

use std::sync::atomic::{AtomicBool, Ordering};

/// Each part that may be behind what a person wanted.
#[derive(Debug, Default)]
pub struct Health {
    config: AtomicBool,
    store: AtomicBool,
    rollback: AtomicBool,
}

/// What may be behind; the last state of it stays in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// The configuration or a policy file cannot be taken as it is now.
    Config,
    /// The store cannot be taken as it is now.
    Store,
    /// The store is older than the one that was seen: [`Part::Store`] is behind, too.
    Rollback,
}

impl Health {
    /// Notes whether a part is behind; says whether that is news.
    pub fn set(&self, part: Part, behind: bool) -> bool {
        self.flag(part).swap(behind, Ordering::Relaxed) != behind
    }

    /// Whether a part is behind.
    pub fn is_behind(&self, part: Part) -> bool {
        self.flag(part).load(Ordering::Relaxed)
    }

    /// The parts that are behind, as `/health` names them.
    pub fn reasons(&self) -> Vec<&'static str> {
        let parts = [("config", &self.config), ("store", &self.store), ("store_rolled_back", &self.rollback)];
        parts.into_iter().filter(|(_, behind)| behind.load(Ordering::Relaxed)).map(|(name, _)| name).collect()
    }

    fn flag(&self, part: Part) -> &AtomicBool {
        match part {
            Part::Config => &self.config,
            Part::Store => &self.store,
            Part::Rollback => &self.rollback,
        }
    }
}
