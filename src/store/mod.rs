//! Records in, change sets out: facts open, secrets still sealed, and nothing dropped or rolled back unseen.
//!
//! Not here: which change may be made and what it means (`manage`), who may open a secret (`safe`), how bytes are
//! sealed (`seal`). The format of the file is described in `docs/src/store-format.md`.

pub mod change;
pub mod error;
pub mod file;
pub mod keys;
pub mod record;

pub use crate::seal::KdfParams;
pub use change::Change;
pub use error::StoreError;
pub use file::{FileStore, Stamp};
pub use keys::Opener;
pub use record::{CaCertificate, Records, Sealed, Stored};
