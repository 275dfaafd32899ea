//! `[storage]`: where the encrypted store lies and what opening it costs.

use std::path::PathBuf;

use serde::Deserialize;

use crate::{
    config::{error::Problem, written::WrittenPath},
    seal::KdfParams,
};

/// The section, resolved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Storage {
    /// The store: `credentials.enc` in the data folder, unless `[storage.file] path` says otherwise.
    pub path: PathBuf,
    /// What a store asks of the key derivation at least; one that asks for less is raised when it is unlocked.
    pub kdf: KdfParams,
}

/// The section as it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section")]
pub(crate) struct Section {
    pub(crate) file: File,
}

/// `[storage.file]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section")]
pub(crate) struct File {
    pub(crate) path: Option<WrittenPath>,
    kdf_memory_kib: u32,
    kdf_iterations: u32,
}

impl Default for File {
    fn default() -> Self {
        let usual = KdfParams::default();
        Self { path: None, kdf_memory_kib: usual.memory_kib(), kdf_iterations: usual.iterations() }
    }
}

impl File {
    /// The cost that is asked for; otherwise the key at fault, and why.
    pub(crate) fn kdf(&self) -> Result<KdfParams, (&'static str, Problem)> {
        let usual = KdfParams::default();
        // Each alone, so that the one at fault is underlined.
        for (key, memory_kib, iterations) in [
            ("storage.file.kdf_memory_kib", self.kdf_memory_kib, usual.iterations()),
            ("storage.file.kdf_iterations", usual.memory_kib(), self.kdf_iterations),
        ] {
            KdfParams::new(memory_kib, iterations).map_err(|error| {
                let help = format!("the default is {} KiB and {} iterations", usual.memory_kib(), usual.iterations());
                (key, Problem::new(format!("`{key}`: {error}")).help(help))
            })?;
        }
        KdfParams::new(self.kdf_memory_kib, self.kdf_iterations)
            .map_err(|error| ("storage.file.kdf_memory_kib", Problem::new(error.to_string())))
    }
}
