//! The trail: one line for each exchange and each change, opened before a credential is used and never lost.
//!
//! An [`Entry`] takes a slot in a memory-mapped journal, says there what it is about to do, and leaves its final line
//! there when it closes; one thread writes final lines to the log and frees their slots. What a dead process left in its
//! journal is written at the next start. Not here: the decision to refuse when there is no record (exchange), and the
//! chain that binds lines together. Main types: [`Audit`], [`Recorder`], [`Entry`].

pub mod config;
pub mod entry;
pub mod error;
pub mod escape;
pub mod journal;
pub mod line;
mod owner;
pub mod record;
pub mod recorder;
pub mod recover;
pub mod remains;
pub mod sink;
pub mod stamp;
pub mod trail;
pub mod writer;

pub use config::Config;
pub use entry::Entry;
pub use error::{AuditError, Unavailable};
pub use record::{Door, Outcome, Record, RequestId};
pub use recorder::Recorder;
pub use trail::Audit;
