//! What every command has at hand: the environment, the output, the configuration and the open store.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use crate::{
    app::trail::expect_current,
    base::{clock::Clock, secret::Secret},
    cli::{
        arguments::Arguments,
        ask,
        failure::Failure,
        logging,
        output::Output,
        password::{asked, checked},
    },
    config::{
        Config, ConfigError, Environment, Flags, Loaded, Part, environment, load,
        logging::{Format, Level, Logging},
        password,
    },
    manage::ManageError,
    store::{FileStore, StoreError},
};

/// How often a person may type the storage password.
const TRIES: usize = 3;

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
    pub(crate) fn new(environment: Environment, arguments: &Arguments, json: bool) -> Self {
        let output = Output::new(environment.no_color, json);
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

    /// Reads this part of the configuration, and starts the log that it asks for. The other sections are at their defaults.
    pub(crate) fn load(&self, part: Part) -> Result<Config, Failure> {
        let loaded = load::load_part(part, &self.flags(None), &self.environment)?;
        self.start_with(&loaded);
        Ok(loaded.config)
    }

    /// Reads the whole configuration, and starts the log that it asks for.
    pub(crate) fn load_files(&self, bind: Option<SocketAddr>) -> Result<Loaded, Failure> {
        let loaded = self.load_again(bind)?;
        self.start_with(&loaded);
        Ok(loaded)
    }

    /// Reads the configuration as it is now.
    pub(crate) fn load_again(&self, bind: Option<SocketAddr>) -> Result<Loaded, ConfigError> {
        load::load(&self.flags(bind), &self.environment)
    }

    fn start_with(&self, loaded: &Loaded) {
        self.start_log(&loaded.config);
        tracing::debug!(file = ?loaded.origin.file, store = ?loaded.config.storage.path, "configuration read");
    }

    pub(crate) fn start_log(&self, config: &Config) {
        let Logging { level, format, .. } = &config.logging;
        logging::start(level.raised(self.verbose), *format, &self.environment, &self.output);
    }

    /// For a command that reads no configuration.
    pub(crate) fn start_log_alone(&self) {
        logging::start(Level::Warn.raised(self.verbose), Format::default(), &self.environment, &self.output);
    }

    /// Opens the store that the configuration names; only [`Part::Store`] of it is read.
    pub(crate) fn open(&mut self) -> Result<Opened, Failure> {
        self.open_with(Part::Store)
    }

    /// Opens the store that the configuration names, of which this part is read.
    pub(crate) fn open_with(&mut self, part: Part) -> Result<Opened, Failure> {
        let config = self.load(part)?;
        let (store, _) = self.unlock(&config)?;
        Ok(Opened { config, store: Arc::new(store), clock: self.clock })
    }

    /// Opens a store, and gives the password that did. A person at the terminal has [`TRIES`].
    pub(crate) fn unlock(&mut self, config: &Config) -> Result<(FileStore, Secret), Failure> {
        for _ in 1..TRIES {
            let (password, is_typed) = self.password_of(config)?;
            match Self::unlock_with(config, &password) {
                Err(Failure::Manage(ManageError::Store(StoreError::WrongPasswordOrDamaged))) if is_typed => {
                    self.output.note("This password does not open the store; please try again.");
                }
                other => return other.map(|store| (store, password)),
            }
        }
        let (password, _) = self.password_of(config)?;
        Self::unlock_with(config, &password).map(|store| (store, password))
    }

    /// Opens a store, and raises the cost of guessing its password to what the configuration asks for.
    fn unlock_with(config: &Config, password: &Secret) -> Result<FileStore, Failure> {
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

    /// The password of an existing store, and whether it was typed just now; asks nobody for the password of none.
    fn password_of(&mut self, config: &Config) -> Result<(Secret, bool), Failure> {
        if !FileStore::exists(&config.storage.path) {
            return Err(StoreError::NotFound { path: config.storage.path.clone() }.into());
        }
        match password::storage_password(&mut self.environment)? {
            Some(password) => Ok((password, false)),
            None if ask::somebody_is_there() => Ok((ask::secret(&self.output, "Storage password:")?, true)),
            None if self.environment.api_key.is_some() => Err(Failure::OnlyAKey),
            None => Err(no_password()),
        }
    }

    /// Whether the storage password is there without asking.
    pub(crate) fn has_password(&self) -> bool {
        password::is_provided(&self.environment)
    }

    /// The password of a store that is about to be made; with `force` it may be short.
    pub(crate) fn new_password(&mut self, force: bool) -> Result<Secret, Failure> {
        match password::storage_password(&mut self.environment)? {
            Some(password) => checked(password, force, &self.output),
            None if ask::somebody_is_there() => asked("Choose a storage password:", force, &self.output),
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
