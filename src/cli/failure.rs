//! Why a command failed: the text, the way out of it, and the exit code, from one variant.

use std::{error::Error as _, io, path::PathBuf, process::ExitCode};

use thiserror::Error;

use crate::{
    app::{AppError, bench::BenchError, request::RequestError, stage::StageError},
    ca::CaError,
    config::{ConfigError, environment, password::PasswordError},
    exchange::Refusal,
    manage::ManageError,
    store::StoreError,
};

const GENERAL: u8 = 1;
const ARGUMENTS: u8 = 2;
const NOT_FOUND: u8 = 3;
const DENIED: u8 = 4;
const STORAGE: u8 = 5;

/// Why a command failed.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// What was asked for makes no sense, or something is missing and nobody is there to be asked.
    #[error("{what}")]
    Usage {
        what: String,
        /// How to ask for it.
        help: String,
    },
    /// What was asked for is sound, but not what should happen now.
    #[error("{what}")]
    Refused { what: String, help: Option<String> },
    /// The command looked for faults, and its result names those that it found.
    #[error("{what}")]
    Found { what: String, help: Option<String> },
    /// Nothing has this name or id.
    #[error("{what}")]
    Unknown { what: String, help: String },
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error("Credential not found: {0}")]
    NotFound(String),
    /// Somebody who has an API key and not the storage password.
    #[error("an API key does not open the store: this command works on the store itself")]
    OnlyAKey,
    #[error(transparent)]
    Manage(ManageError),
    #[error("the certificate authority cannot be used")]
    Ca(#[from] CaError),
    #[error(transparent)]
    App(#[from] AppError),
    #[error(transparent)]
    Request(RequestError),
    #[error(transparent)]
    Stage(#[from] StageError),
    #[error(transparent)]
    Bench(#[from] BenchError),
    #[error("cannot {action} {path}", path = path.display())]
    File { action: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot read from standard input")]
    Input(#[source] io::Error),
    #[error("cannot ask on the terminal")]
    Terminal(#[source] io::Error),
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
}

impl Failure {
    pub(crate) fn usage(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Usage { what: what.into(), help: help.into() }
    }

    /// What to do about it, where the text does not say it already.
    pub(crate) fn help(&self) -> Option<String> {
        match self {
            Self::Usage { help, .. } | Self::Unknown { help, .. } => Some(help.clone()),
            Self::Refused { help, .. } | Self::Found { help, .. } => help.clone(),
            Self::Config(it) => it.help(),
            Self::Request(RequestError::Refused {
                refusal: Refusal::Unbound(alias) | Refusal::HostNotBound(alias),
                ..
            }) => Some(format!("if it belongs there: vultrino bind {alias} HOST")),
            Self::Request(RequestError::Refused { refusal: Refusal::Plaintext(alias), .. }) => Some(format!(
                "use https:// in the URL; if the secret may cross the network readable: vultrino bind {alias} http://HOST"
            )),
            Self::OnlyAKey => Some(format!(
                "set {} or {}; with the key alone, use a running Vultrino: its HTTP API, or `vultrino mcp --url URL`",
                environment::PASSWORD,
                environment::PASSWORD_FILE
            )),
            Self::Bench(BenchError::Unreachable { .. }) => {
                Some("start it with `vultrino serve`, or say with --proxy where it listens".to_owned())
            }
            Self::Bench(BenchError::Handshake(_)) => {
                Some("is it the server of this configuration? Its CA is what `vultrino ca path` names".to_owned())
            }
            Self::NotFound(_) => Some("`vultrino list` shows the credentials that there are".to_owned()),
            _ => None,
        }
    }

    /// The word for programs (`--json`): that of the HTTP API where there is one, else one of the exit status.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Manage(it) if !matches!(it, ManageError::Store(_)) => it.code(),
            Self::Request(RequestError::Refused { refusal, .. }) => refusal.code(),
            Self::Config(_) => "invalid_configuration",
            _ => match self.status() {
                ARGUMENTS => "invalid_request",
                NOT_FOUND => "not_found",
                DENIED => "forbidden",
                STORAGE => "storage_error",
                _ => "failed",
            },
        }
    }

    /// All that a person reads, in one text: the causes behind a colon each, then the help.
    pub(crate) fn message(&self) -> String {
        let mut text = match self {
            Self::Config(it) => it.place().map_or_else(|| it.to_string(), |place| format!("{place}: {it}")),
            other => other.to_string(),
        };
        let mut cause = self.source();
        while let Some(it) = cause {
            text = format!("{text}: {it}");
            cause = it.source();
        }
        match self.help() {
            Some(help) => format!("{text}; {help}"),
            None => text,
        }
    }

    /// Whether standard output says it already.
    pub(crate) fn is_told(&self) -> bool {
        matches!(self, Self::Found { .. })
    }

    /// Whoever read our output has had enough: no failure, as `vultrino list | head -1` shows.
    pub(crate) fn is_quiet(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.status())
    }

    fn status(&self) -> u8 {
        match self {
            _ if self.is_quiet() => 0,
            Self::Usage { .. }
            | Self::Password(_)
            | Self::Manage(ManageError::Store(StoreError::EmptyPassword) | ManageError::Admin(_)) => ARGUMENTS,
            Self::Config(it) if it.is_about_storage() => STORAGE,
            Self::NotFound(_) | Self::Unknown { .. } => NOT_FOUND,
            Self::OnlyAKey | Self::Bench(BenchError::Refused { status: 401 | 403 | 407, .. }) => DENIED,
            Self::Manage(ManageError::Store(_)) | Self::App(AppError::Store(_) | AppError::Audit(_)) => STORAGE,
            Self::Manage(it) => match it.status() {
                401 | 403 => DENIED,
                404 => NOT_FOUND,
                400 => ARGUMENTS,
                _ => GENERAL,
            },
            Self::Request(RequestError::Refused { refusal, .. }) => match refusal.status() {
                401 | 403 | 407 => DENIED,
                404 => NOT_FOUND,
                400..500 => ARGUMENTS,
                _ => GENERAL,
            },
            Self::Refused { .. }
            | Self::Found { .. }
            | Self::App(_)
            | Self::Request(_)
            | Self::Stage(_)
            | Self::Bench(_)
            | Self::Config(_)
            | Self::Ca(_)
            | Self::File { .. }
            | Self::Input(_)
            | Self::Terminal(_)
            | Self::Output(_) => GENERAL,
        }
    }
}

impl From<ManageError> for Failure {
    fn from(error: ManageError) -> Self {
        match error {
            ManageError::NotFound(alias) => Self::NotFound(alias),
            other => Self::Manage(other),
        }
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::App(error) => Self::App(error),
            other => Self::Request(other),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Manage(error.into())
    }
}
