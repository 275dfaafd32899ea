//! Where Vultrino's files lie when nobody says otherwise.

use std::path::{Path, PathBuf};

use crate::config::{ConfigError, Environment, environment};

/// The name of the store in the data folder.
pub const STORE: &str = "credentials.enc";
/// The name of the audit log in the data folder.
pub const AUDIT_LOG: &str = "audit.log";

/// The configuration of the whole machine, read where the user has none.
pub const SYSTEM_CONFIG: Option<&str> = if cfg!(windows) { None } else { Some("/etc/vultrino/config.toml") };

/// The user's configuration file.
pub fn user_config(environment: &Environment) -> Result<PathBuf, ConfigError> {
    let homeless = ConfigError::Homeless { what: "the configuration", set: environment::CONFIG };
    let folder = per_user(environment.config_home.as_deref(), environment.home.as_deref(), ".config");
    Ok(folder.ok_or(homeless)?.join("config.toml"))
}

/// The data folder of the user: the system's usual one, unless only `~/.vultrino` holds anything.
pub fn data_dir(environment: &Environment) -> Result<PathBuf, ConfigError> {
    let homeless = ConfigError::Homeless { what: "the data folder", set: environment::DATA_DIR };
    let home = environment.home.as_deref();
    let usual = per_user(environment.data_home.as_deref(), home, ".local/share").ok_or(homeless)?;
    let old = home.map(|it| it.join(".vultrino")).filter(|it| it.is_dir());
    let is_used = |it: &Path| it.join(STORE).exists();
    Ok(match old {
        Some(old) if !is_used(&usual) && (is_used(&old) || !usual.is_dir()) => old,
        _ => usual,
    })
}

/// A variable counts where its path is absolute (XDG Base Directory Specification).
fn per_user(variable: Option<&Path>, home: Option<&Path>, below: &str) -> Option<PathBuf> {
    let variable = variable.filter(|it| it.is_absolute());
    if cfg!(target_os = "macos") {
        return home.map(|it| it.join("Library/Application Support/vultrino"));
    }
    variable.map(Path::to_owned).or_else(|| home.map(|it| it.join(below))).map(|it| it.join("vultrino"))
}
