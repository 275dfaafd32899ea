//! Whoever else wants to know what goes into the audit log, while it happens.

use std::fmt;

use crate::audit::{Outcome, Record};

/// Is shown each record that ends in this process. Called on the thread that serves: it must neither wait nor fail.
pub trait Observer: fmt::Debug + Send + Sync {
    /// This record has ended so.
    fn ended(&self, record: &Record, outcome: Outcome);
}
