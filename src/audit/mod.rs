//! The trail: one line for each exchange and each change, opened before a credential is used and never lost.
//!
//! An [`Entry`] takes a slot in a memory-mapped journal, says there what it is about to do, and leaves its final line
//! there when it closes; one thread writes final lines to the log and frees their slots. What a dead process left in its
//! journal is written at the next start. Each line is bound to the one before it, so that [`verify`] finds what was
//! changed. Not here: the decision to refuse when there is no record (exchange). Main types: [`Audit`], [`Recorder`],
//! [`Entry`].

pub mod anchor;
mod behind;
pub mod chain;
pub mod config;
mod digits;
pub mod entry;
pub mod error;
pub mod escape;
pub mod event;
pub mod follow;
pub mod head;
pub mod journal;
pub mod line;
pub mod log;
pub mod memory;
pub mod observer;
pub mod read;
pub mod record;
pub mod recorder;
pub mod recover;
pub mod remains;
pub mod rotated;
mod scan;
pub mod shown;
pub mod sink;
pub mod stamp;
mod text;
pub mod trail;
pub mod verify;
pub mod witness;
pub mod writer;

pub use anchor::Anchor;
pub use chain::ChainKey;
pub use config::Config;
pub use entry::Entry;
pub use error::{AuditError, Unavailable};
pub use memory::{Memory, RolledBack};
pub use observer::Observer;
pub use record::{Door, Outcome, Record, RequestId};
pub use recorder::{Load, Recorder};
pub use trail::Audit;
