//! The one reading of the process's arguments and environment, at its very start, with the secrets taken out.

use std::{
    env,
    ffi::{OsStr, OsString},
    io,
    path::PathBuf,
};

use crate::{base::secret::Secret, config::conceal};

/// The storage password.
pub const PASSWORD: &str = "VULTRINO_PASSWORD";
/// A file whose content is the storage password.
pub const PASSWORD_FILE: &str = "VULTRINO_PASSWORD_FILE";
/// The administrator's password, for `init` and `admin set-password`.
pub const ADMIN_PASSWORD: &str = "VULTRINO_ADMIN_PASSWORD";
/// What clients show to a running Vultrino, and `bench` as one of them.
pub const API_KEY: &str = "VULTRINO_API_KEY";
/// The configuration file; `--config` wins over it.
pub const CONFIG: &str = "VULTRINO_CONFIG";
/// Set by the script of `completions`: the shell that wants words completed.
pub const COMPLETE: &str = "VULTRINO_COMPLETE";
/// The folder of the store, the CA certificate and the audit log.
pub const DATA_DIR: &str = "VULTRINO_DATA_DIR";

/// What the process was started with. Values that are set but empty count as not set, except for passwords.
#[derive(Debug, Default)]
pub struct Environment {
    /// The command line, program name first.
    pub arguments: Vec<OsString>,
    /// [`PASSWORD`].
    pub password: Option<Secret>,
    /// [`PASSWORD_FILE`].
    pub password_file: Option<PathBuf>,
    /// Where systemd puts the credentials of a unit (`LoadCredential=`).
    pub credentials_directory: Option<PathBuf>,
    /// [`ADMIN_PASSWORD`].
    pub admin_password: Option<Secret>,
    /// [`API_KEY`].
    pub api_key: Option<Secret>,
    /// Whether it is set, and says nothing: somebody meant one.
    pub blank_api_key: bool,
    /// [`CONFIG`].
    pub config: Option<PathBuf>,
    /// [`COMPLETE`].
    pub complete: Option<String>,
    /// [`DATA_DIR`].
    pub data_dir: Option<PathBuf>,
    /// The user's own folder.
    pub home: Option<PathBuf>,
    /// The user's configuration, where the system has a variable for it (`XDG_CONFIG_HOME`, `APPDATA`).
    pub config_home: Option<PathBuf>,
    /// The user's data, where the system has a variable for it (`XDG_DATA_HOME`, `APPDATA`).
    pub data_home: Option<PathBuf>,
    /// `CLAUDE_CONFIG_DIR`: the folder of Claude Code's settings.
    pub claude_config_dir: Option<PathBuf>,
    /// `CODEX_HOME`: that of Codex.
    pub codex_home: Option<PathBuf>,
    /// `RUST_LOG`: what to log, over `logging.level`.
    pub rust_log: Option<String>,
    /// `JOURNAL_STREAM`: device and inode of the stream that leads to journald, set by systemd.
    pub journal_stream: Option<String>,
    /// `NO_COLOR`: whether colour is unwanted (<https://no-color.org>).
    pub no_color: bool,
    /// Why the secrets among these could not be hidden from `/proc`, if so.
    pub exposed: Option<io::Error>,
}

impl Environment {
    /// Reads all of it, then overwrites the secrets among it in the memory that `/proc/PID/environ` and
    /// `/proc/PID/cmdline` show. Call it once, first of all, while the process has one thread.
    pub fn take() -> Self {
        let mut taken = Self {
            arguments: env::args_os().collect(),
            password: variable(PASSWORD).map(secret),
            password_file: path(PASSWORD_FILE),
            credentials_directory: path("CREDENTIALS_DIRECTORY"),
            admin_password: variable(ADMIN_PASSWORD).map(secret),
            api_key: set(API_KEY).map(secret),
            blank_api_key: variable(API_KEY).is_some_and(|it| it.is_empty()),
            config: path(CONFIG),
            complete: text(COMPLETE),
            data_dir: path(DATA_DIR),
            home: path(if cfg!(windows) { "USERPROFILE" } else { "HOME" }),
            config_home: path(if cfg!(windows) { "APPDATA" } else { "XDG_CONFIG_HOME" }),
            data_home: path(if cfg!(windows) { "APPDATA" } else { "XDG_DATA_HOME" }),
            claude_config_dir: path("CLAUDE_CONFIG_DIR"),
            codex_home: path("CODEX_HOME"),
            rust_log: text("RUST_LOG"),
            journal_stream: text("JOURNAL_STREAM"),
            no_color: text("NO_COLOR").is_some(),
            exposed: None,
        };
        taken.exposed = conceal::conceal(&[PASSWORD, ADMIN_PASSWORD, API_KEY]).err();
        taken
    }
}

#[expect(clippy::disallowed_methods, reason = "this is where settings enter")]
fn variable(name: &str) -> Option<OsString> {
    env::var_os(name)
}

fn set(name: &str) -> Option<OsString> {
    variable(name).filter(|it| !it.is_empty())
}

fn path(name: &str) -> Option<PathBuf> {
    set(name).map(PathBuf::from)
}

fn text(name: &str) -> Option<String> {
    set(name).as_deref().map(OsStr::to_string_lossy).map(Into::into)
}

fn secret(value: OsString) -> Secret {
    Secret::new(value.into_encoded_bytes())
}
