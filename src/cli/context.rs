//! What every command has at hand: the environment, the output, the configuration and the open store.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use crate::{
    app::trail::expect_current,
    base::{clock::Clock, secret::Secret},
    cli::{arguments::Arguments, ask, failure::Failure, logging, output::Output},
    config::{Config, ConfigError, Environment, Flags, Loaded, environment, load, logging::Level, password},
    store::{FileStore, StoreError},
};

/// One run of the program.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) environment: Environment,
    pub(crate) output: Output,
    pub(crate) clock: Clock,
    config_file: Option<PathBuf>,
    verbose: u8,
}

/// A store that its password opened, and the configuration that names it.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) config: Config,
    pub(crate) store: Arc<FileStore>,
    pub(crate) clock: Clock,
}

impl Context {
    pub(crate) fn new(environment: Environment, arguments: &Arguments) -> Self {
        let output = Output::new(environment.no_color);
        let has_password = environment.password.is_some() || environment.admin_password.is_some();
        if let Some(reason) = environment.exposed.as_ref().filter(|_| has_password) {
            output.warning(format_args!(
                "the password in the environment could not be hidden from other programs of this user ({reason}); \
                 {} keeps it out of there",
                environment::PASSWORD_FILE
            ));
        }
        Self { environment, output, clock: Clock, config_file: arguments.config.clone(), verbose: arguments.verbose }
    }

    pub(crate) fn flags(&self, bind: Option<SocketAddr>) -> Flags {
        Flags { config: self.config_file.clone(), bind }
    }

    /// Reads the configuration and begins to log as it says.
    pub(crate) fn load(&self, bind: Option<SocketAddr>) -> Result<Config, Failure> {
        self.load_files(bind).map(|it| it.config)
    }

    /// The same, with the files that it was read from.
    pub(crate) fn load_files(&self, bind: Option<SocketAddr>) -> Result<Loaded, Failure> {
        let loaded = self.load_again(bind)?;
        self.start_log(&loaded.config);
        tracing::debug!(file = ?loaded.origin.file, store = ?loaded.config.storage.path, "configuration read");
        Ok(loaded)
    }

    /// Reads the configuration as it is now.
    pub(crate) fn load_again(&self, bind: Option<SocketAddr>) -> Result<Loaded, ConfigError> {
        load::load(&self.flags(bind), &self.environment)
    }

    pub(crate) fn start_log(&self, config: &Config) {
        logging::start(config.logging.level.raised(self.verbose), self.environment.rust_log.as_deref(), &self.output);
    }

    /// For a command that reads no configuration.
    pub(crate) fn start_log_alone(&self) {
        logging::start(Level::Warn.raised(self.verbose), self.environment.rust_log.as_deref(), &self.output);
    }

    /// Opens the store that the configuration names.
    pub(crate) fn open(&mut self) -> Result<Opened, Failure> {
        let config = self.load(None)?;
        let password = self.password_of(&config)?;
        let store = Self::unlock(&config, &password)?;
        Ok(Opened { config, store: Arc::new(store), clock: self.clock })
    }

    /// Opens a store, and lets its password cost a thief as much as the configuration asks for by now.
    pub(crate) fn unlock(config: &Config, password: &Secret) -> Result<FileStore, Failure> {
        let store = FileStore::open_configured(&config.storage.path, password, config.storage.kdf)?;
        if let Err(error) = expect_current(config, &store, &store.load()?) {
            // What changes it is refused later; until then it stays as it was found.
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "this store may hold what was deleted or revoked since");
            return Ok(store);
        }
        match store.raise_kdf(password, config.storage.kdf) {
            Ok(true) => tracing::info!("opening the store costs as much as [storage.file] asks for from now on"),
            Ok(false) => (),
            // Who may only read the store can use it all the same.
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "opening the store could not be made as costly as [storage.file] asks for");
            }
        }
        Ok(store)
    }

    /// The password of an existing store; asks nobody for the password of none.
    pub(crate) fn password_of(&mut self, config: &Config) -> Result<Secret, Failure> {
        if !FileStore::exists(&config.storage.path) {
            return Err(StoreError::NotFound { path: config.storage.path.clone() }.into());
        }
        match password::storage_password(&mut self.environment)? {
            Some(password) => Ok(password),
            None if ask::somebody_is_there() => ask::secret(&self.output, "Storage password:"),
            None if self.environment.api_key.is_some() => Err(Failure::OnlyAKey),
            None => Err(no_password()),
        }
    }

    /// Whether the storage password is there without asking.
    pub(crate) fn has_password(&self) -> bool {
        password::is_provided(&self.environment)
    }

    /// The password of a store that is about to be made.
    pub(crate) fn new_password(&mut self) -> Result<Secret, Failure> {
        match password::storage_password(&mut self.environment)? {
            Some(password) => Ok(password),
            None if ask::somebody_is_there() => ask::new_secret(&self.output, "Choose a storage password:"),
            None => Err(no_password()),
        }
    }
}

fn no_password() -> Failure {
    Failure::usage(
        "the storage password is missing, and there is no terminal to ask on",
        format!("set {}, or {} to the path of a file that holds it", environment::PASSWORD, environment::PASSWORD_FILE),
    )
}
