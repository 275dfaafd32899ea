//! The order of things: the file, then the environment, then the flags.

use std::{
    io,
    net::SocketAddr,
    path::{self, Path, PathBuf},
};

use crate::{
    base::trusted,
    config::{
        Config, ConfigError, Environment, Origin, Seen,
        document::Document,
        environment, later, places,
        settle::{Sections, Settings},
    },
};

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `serve --bind`.
    pub bind: Option<SocketAddr>,
}

/// What a command needs of a configuration. A mistake in another section does not stop it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// All sections.
    Whole,
    /// The store, the logs and the listener; all others are as if they were not in the file.
    Listener,
    /// The store and the logs; all others are as if they were not in the file.
    Store,
}

impl Part {
    /// The sections that stay unread.
    fn unread(self) -> &'static [&'static str] {
        const AFTER_LISTENER: &[&str] =
            &["server", "upstream", "proxy", "limits", "rate_limits", "policies", "policy", "mcp"];
        match self {
            Self::Whole => &[],
            Self::Listener => &AFTER_LISTENER[1..],
            Self::Store => AFTER_LISTENER,
        }
    }
}

/// A configuration and where it comes from.
#[derive(Debug)]
pub struct Loaded {
    /// What is set.
    pub config: Config,
    /// Its files.
    pub origin: Origin,
}

/// Reads what is set.
///
/// # Errors
/// A named file that is missing, and whatever is wrong in the file: never a silent default.
pub fn load(flags: &Flags, environment: &Environment) -> Result<Loaded, ConfigError> {
    load_part(Part::Whole, flags, environment)
}

/// Reads one part of what is set.
///
/// # Errors
/// As [`load`], for this part. What is no TOML, and what is no section, is refused in any case.
pub fn load_part(part: Part, flags: &Flags, environment: &Environment) -> Result<Loaded, ConfigError> {
    if let Some((file, named_by)) = named(flags, environment)? {
        let seen = vec![Seen::now(&file)];
        let text = read(&file)?.ok_or_else(|| ConfigError::Missing { path: file.clone(), named_by })?;
        return with_file((&file, &text), part, seen, flags, environment);
    }
    // A user without a home folder has no file there.
    let candidates = [places::user_config(environment).ok(), places::SYSTEM_CONFIG.map(PathBuf::from)];
    let mut seen = Vec::new();
    for file in candidates.into_iter().flatten() {
        seen.push(Seen::now(&file));
        if let Some(text) = read(&file)? {
            return with_file((&file, &text), part, seen, flags, environment);
        }
    }
    without_file(Path::new("."), seen, flags, environment)
}

/// Where `init` writes the configuration: what is named, else what [`load`] would read, else the user's own place.
pub fn file_to_write(flags: &Flags, environment: &Environment) -> Result<PathBuf, ConfigError> {
    if let Some((file, _)) = named(flags, environment)? {
        return Ok(file);
    }
    let system = places::SYSTEM_CONFIG.map(PathBuf::from).filter(|it| it.exists());
    match (places::user_config(environment), system) {
        (Ok(user), Some(system)) if !user.exists() => Ok(system),
        (user, _) => user,
    }
}

/// What would be set if there were no file yet, as `init` needs it.
pub fn load_defaults(file: &Path, flags: &Flags, environment: &Environment) -> Result<Config, ConfigError> {
    without_file(file.parent().unwrap_or(file), Vec::new(), flags, environment).map(|it| it.config)
}

fn named(flags: &Flags, environment: &Environment) -> Result<Option<(PathBuf, &'static str)>, ConfigError> {
    let flag = flags.config.as_deref().map(|it| (it, "--config"));
    let variable = environment.config.as_deref().map(|it| (it, environment::CONFIG));
    let Some((file, named_by)) = flag.or(variable) else { return Ok(None) };
    Ok(Some((absolute(file)?, named_by)))
}

fn read(file: &Path) -> Result<Option<String>, ConfigError> {
    match trusted::read_given(file) {
        Ok(text) => Ok(Some(text)),
        // A link that leads nowhere is no missing file: somebody wants one to be read.
        Err(error) if error.kind() == io::ErrorKind::NotFound && !file.is_symlink() => Ok(None),
        Err(source) => Err(ConfigError::Read { path: file.to_owned(), source }),
    }
}

fn with_file(
    (file, text): (&Path, &str),
    part: Part,
    seen: Vec<Seen>,
    flags: &Flags,
    environment: &Environment,
) -> Result<Loaded, ConfigError> {
    let mut document = Document::parse(file, text)?;
    later::refuse(&mut document)?;
    for section in part.unread() {
        document.take(section);
    }
    let (sections, map) = document.read::<Sections>()?;
    let folder = file.parent().unwrap_or(file);
    let mut origin = Origin { file: Some(file.to_owned()), seen, ..Origin::default() };
    origin.note(file, text);
    let config = Settings { sections, map: Some(map), folder }.settle(flags, environment, &mut origin)?;
    Ok(Loaded { config, origin })
}

fn without_file(
    folder: &Path,
    seen: Vec<Seen>,
    flags: &Flags,
    environment: &Environment,
) -> Result<Loaded, ConfigError> {
    let mut origin = Origin { seen, ..Origin::default() };
    let settings = Settings { sections: Sections::default(), map: None, folder };
    Ok(Loaded { config: settings.settle(flags, environment, &mut origin)?, origin })
}

/// A path of the command line or the environment: relative ones start at the working folder.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, ConfigError> {
    path::absolute(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })
}
