//! Why a store refuses: one variant a cause, and a text that says what to do.

use std::{
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::{
    audit::RolledBack,
    base::id::Id,
    credential::MaterialError,
    seal::{KdfError, SealError},
    store::file::format::TooLarge,
};

/// Why a store refuses. Unless it says otherwise, nothing was changed. The system's own words are in `source`.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The two cannot be told apart, and must not be: the text would be an oracle.
    #[error("Decryption error: wrong password or damaged file; nothing was changed")]
    WrongPasswordOrDamaged,
    /// The file is healthy, but not for us.
    #[error(
        "{path} is {what}; this version of Vultrino reads its own credential stores of format 1 only, and left it alone"
    )]
    ForeignFile {
        /// Which.
        path: PathBuf,
        /// What it seems to be.
        what: String,
    },
    /// It is one of an earlier day.
    #[error(transparent)]
    RolledBack(#[from] RolledBack),
    /// Somebody else was faster.
    #[error("the store has changed meanwhile (revision {found}, not {expected}); load it again and repeat the change")]
    Conflict {
        /// The revision that the change was made for.
        expected: u64,
        /// The one on disk.
        found: u64,
    },
    /// The system refuses.
    #[error("could not {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is no file.
    #[error("there is no credential store at {path}; `vultrino init` makes one")]
    NotFound {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// There is a file, and it stays.
    #[error("there is already a file at {path}; it was left alone")]
    Exists {
        /// Where a store was to be made.
        path: PathBuf,
    },
    /// fsync failed.
    #[error(
        "the disk did not confirm the write to {path}; the change does not count, check the disk and start Vultrino again"
    )]
    NotDurable {
        /// What could not be synchronised.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// An earlier [`StoreError::NotDurable`]: nothing more is written by this process.
    #[error("an earlier write to {path} was not confirmed by the disk; check the disk and start Vultrino again")]
    NeedsReopen {
        /// The store.
        path: PathBuf,
    },
    /// Anybody could open it.
    #[error("the storage password is empty; choose one")]
    EmptyPassword,
    /// The change is about a record that is not there.
    #[error("the store has no record {0}")]
    NoRecord(Id),
    /// A record of another version of the program, since it is authentic.
    #[error("record {id} was written by another version of Vultrino, which knows more")]
    Unreadable {
        /// Which.
        id: Id,
        /// What is strange about it.
        source: serde_json::Error,
    },
    /// The fields are not those of the credential's kind, or cannot be used.
    #[error(transparent)]
    Material(#[from] MaterialError),
    /// The key derivation is too weak, too costly, or lacks memory.
    #[error(transparent)]
    Kdf(#[from] KdfError),
    /// No random numbers, or a record too long to seal.
    #[error(transparent)]
    Seal(SealError),
}

impl StoreError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }
}

impl From<TooLarge> for StoreError {
    fn from(_: TooLarge) -> Self {
        Self::Seal(SealError::TooLong)
    }
}

impl From<SealError> for StoreError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Open => Self::WrongPasswordOrDamaged,
            SealError::Kdf(kdf) => Self::Kdf(kdf),
            other @ (SealError::TooLong | SealError::Random) => Self::Seal(other),
        }
    }
}
