//! Why there is no trail at the start, and why there is no record later.

use std::{io, path::PathBuf};

use thiserror::Error;

/// Why the trail could not be opened, or not be closed completely.
#[derive(Debug, Error)]
pub enum AuditError {
    /// The folder of the journals.
    #[error("the audit journal's folder {path} cannot be used; make it writable for this user")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A journal, new or left behind.
    #[error("the audit journal {path} cannot be used; see that the disk has room and the folder is writable")]
    Journal {
        /// The file, or the folder in which it was to be made.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that calls itself a journal and is none.
    #[error("{path} is no audit journal of this version; records may be in it: keep it, but move it elsewhere")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The log.
    #[error(
        "the audit log {path} cannot be written, and without it no credential is used; make room, or make it writable"
    )]
    Log {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The head of the chain.
    #[error("the head of the audit chain {path} cannot be used; see that the disk has room and the folder is writable")]
    Chain {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system started no thread.
    #[error("the audit writer could not be started")]
    Thread(#[source] io::Error),
    /// The system gave no random numbers.
    #[error("no random number could be had for the audit records")]
    Random(#[from] aws_lc_rs::error::Unspecified),
    /// Closing gave up waiting for the log or for exchanges that go on.
    #[error("audit records were left in {journal}; they are written to the log at the next start")]
    LeftBehind {
        /// The journal that holds them.
        journal: PathBuf,
    },
}

/// Why no record could be opened: nothing that needs one may go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Unavailable {
    /// A line could not be written and still waits.
    #[error("the audit log cannot be written")]
    Failing,
    /// Too many exchanges at once.
    #[error("no audit slot is free")]
    NoSlot,
    /// The trail was closed.
    #[error("the audit log is closed")]
    Closed,
}
