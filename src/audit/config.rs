//! Where the trail lies.

use std::path::PathBuf;

/// The settings of this room.
#[derive(Clone, Debug)]
pub struct Config {
    /// The log that people read. It may be rotated or removed at any time.
    pub file: PathBuf,
    /// A folder for the journals of running processes; it is made if it is missing.
    pub journal_dir: PathBuf,
}
