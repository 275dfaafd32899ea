//! `[[policies]]`, and `[policy] include`: files that hold more of them.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{
    base::{glob, trusted},
    config::{
        ConfigError, Origin, Seen,
        document::{Document, Map},
        error::Problem,
        origin::Include,
        written::{Roots, WrittenPath},
    },
    policy::{Policy, PolicySet},
};

const NAME: &str = "policies.name";
const INCLUDE: &str = "policy.include";

/// `[policy]` as it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section")]
pub(crate) struct Section {
    pub(crate) include: Vec<WrittenPath>,
}

/// An included file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a file of policies")]
struct File {
    policies: Vec<Policy>,
}

/// Policies read so far, and their names.
#[derive(Default)]
struct Gathered {
    policies: Vec<Policy>,
    names: HashSet<String>,
}

/// The policies of the configuration file, and of all that it includes, in this order.
pub(crate) fn gather(
    own: &[Policy],
    section: &Section,
    roots: Roots<'_>,
    map: Option<&Map<'_>>,
    origin: &mut Origin,
) -> Result<PolicySet, ConfigError> {
    let place = |problem: Problem| match map {
        Some(map) => map.at_value(INCLUDE, problem),
        None => problem.anywhere(),
    };
    let mut gathered = Gathered::default();
    gathered.take(own, map)?;
    let include = section.include.iter().map(|it| it.resolve(roots)).collect::<Result<Vec<_>, _>>().map_err(place)?;
    // Each file once, and not the one that includes.
    let includer = map.map(Map::file);
    let mut taken = HashSet::new();
    for pattern in include {
        origin.seen.extend(pattern.parent().filter(|_| has_star(&pattern)).map(Seen::now));
        let mut files = files(&pattern).map_err(place)?;
        files.retain(|it| Some(it.as_path()) != includer);
        origin.include.push(Include { pattern, fits: !files.is_empty() });
        for path in files {
            if taken.contains(&path) {
                continue;
            }
            origin.seen.push(Seen::now(&path));
            is_file(&path).map_err(place)?;
            let text = gathered.take_file(&path)?;
            origin.note(&path, &text);
            taken.insert(path);
        }
    }
    PolicySet::new(gathered.policies).map_err(|it| Problem::new(it.to_string()).anywhere())
}

/// The policies of one file, which need not be part of any configuration.
///
/// # Errors
/// The file cannot be read, or something in it is not valid.
pub fn read_file(path: &Path) -> Result<PolicySet, ConfigError> {
    let mut gathered = Gathered::default();
    gathered.take_file(path)?;
    PolicySet::new(gathered.policies).map_err(|it| Problem::new(it.to_string()).anywhere())
}

impl Gathered {
    /// Gives the text of the file.
    fn take_file(&mut self, path: &Path) -> Result<String, ConfigError> {
        let text = trusted::read_given(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let (file, map) = Document::parse(path, &text)?.read::<File>()?;
        self.take(&file.policies, Some(&map))?;
        Ok(text)
    }

    fn take(&mut self, policies: &[Policy], map: Option<&Map<'_>>) -> Result<(), ConfigError> {
        for (nth, policy) in policies.iter().enumerate() {
            if !self.names.insert(policy.name.to_string()) {
                let problem = Problem::new(format!("two policies have the name \"{}\"", policy.name))
                    .label("the later one")
                    .help("give each a name of its own: audit lines and counters go by it");
                return Err(match map {
                    Some(map) => map.at_nth_value(NAME, nth, problem),
                    None => problem.anywhere(),
                });
            }
            self.policies.push(policy.clone());
        }
        Ok(())
    }
}

fn has_star(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().contains(&b'*')
}

/// Anything but a file holds no policies, and from a pipe they could be read only once.
fn is_file(path: &Path) -> Result<(), Problem> {
    match fs::metadata(path) {
        Ok(it) if it.is_file() => Ok(()),
        Ok(_) => Err(Problem::new(format!("{} is no file", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Problem::new(format!("{} does not exist", path.display())))
        }
        Err(error) => Err(Problem::new(format!("{} cannot be read: {error}", path.display()))),
    }
}

/// The files that are meant, by name. A pattern may mean none; its folder, and a file that is named, are there.
fn files(pattern: &Path) -> Result<Vec<PathBuf>, Problem> {
    let (Some(folder), Some(name)) = (pattern.parent(), pattern.file_name()) else {
        return Err(Problem::new(format!("{} is no file", pattern.display())));
    };
    if has_star(folder) {
        return Err(Problem::new(format!("{} has a `*` before its last part", pattern.display()))
            .help("only the name of a file may hold `*`, as in policies/*.toml"));
    }
    if !has_star(Path::new(name)) {
        return Ok(vec![pattern.to_owned()]);
    }
    let unreadable = |error: &io::Error| match error.kind() {
        io::ErrorKind::NotFound => Problem::new(format!("the folder {} does not exist", folder.display()))
            .help("make it, empty if there are no policies yet"),
        _ => Problem::new(format!("the folder {} cannot be read: {error}", folder.display())),
    };
    let entries = fs::read_dir(folder).map_err(|error| unreadable(&error))?;
    let mut found = Vec::new();
    for entry in entries {
        let file = entry.map_err(|error| unreadable(&error))?.file_name();
        // As in a shell: editors and package managers leave hidden files behind.
        let is_hidden = file.as_encoded_bytes().starts_with(b".");
        if glob::matches(name.as_encoded_bytes(), b'*', None, file.as_encoded_bytes().iter().copied()) && !is_hidden {
            found.push(folder.join(file));
        }
    }
    found.sort();
    Ok(found)
}
