//! Where the trail lies.

use std::path::PathBuf;

use crate::audit::{anchor::Anchor, chain::ChainKey};

/// The settings of this room.
#[derive(Clone, Debug)]
pub struct Config {
    /// The log that people read. It may be rotated or removed at any time.
    pub file: PathBuf,
    /// A folder for the journals of running processes; it is made if it is missing.
    pub journal_dir: PathBuf,
    /// What the chain of records is made with.
    pub chain: ChainKey,
    /// What the store remembers of the chain: it goes on from there if the log and the head of the chain are lost.
    pub anchor: Option<Anchor>,
    /// The revision of the store that is used; a head of the chain that must be made anew remembers it.
    pub revision: u64,
}
