//! `[[policies]]`, and `[policy] include`: files that hold more of them.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{
    base::glob,
    config::{
        ConfigError, Seen,
        document::{Document, Map},
        error::Problem,
        written::{Roots, WrittenPath},
    },
    policy::{Policy, PolicySet},
};

const NAME: &str = "policies.name";
const INCLUDE: &str = "policy.include";

/// What may be done with which credential.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    /// All policies, those of the configuration file first.
    pub set: PolicySet,
    /// What `include` names, made whole: files, some with `*` in their name.
    pub include: Vec<PathBuf>,
    /// Every included file, and the folders that others may come into, as they were before they were read.
    pub seen: Vec<Seen>,
}

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
    seen: Vec<Seen>,
}

/// The policies of the configuration file, and of all that it includes.
pub(crate) fn gather(
    own: &[Policy],
    section: &Section,
    roots: Roots<'_>,
    map: Option<&Map<'_>>,
) -> Result<Policies, ConfigError> {
    let place = |problem: Problem| match map {
        Some(map) => map.at_value(INCLUDE, problem),
        None => problem.anywhere(),
    };
    let mut gathered = Gathered::default();
    gathered.take(own, map)?;
    let include = section.include.iter().map(|it| it.resolve(roots)).collect::<Result<Vec<_>, _>>().map_err(place)?;
    // Each file once, and not the one that includes.
    let mut seen: HashSet<PathBuf> = map.map(|it| it.file().to_owned()).into_iter().collect();
    for pattern in &include {
        gathered.seen.extend(pattern.parent().filter(|_| has_star(pattern)).map(Seen::now));
        for path in files(pattern).map_err(place)? {
            if !path.exists() {
                return Err(place(Problem::new(format!("{} does not exist", path.display()))));
            }
            if seen.insert(path.clone()) {
                gathered.seen.push(Seen::now(&path));
                gathered.take_file(&path)?;
            }
        }
    }
    let set = PolicySet::new(gathered.policies).map_err(|it| Problem::new(it.to_string()).anywhere())?;
    Ok(Policies { set, include, seen: gathered.seen })
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
    fn take_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let (file, map) = Document::parse(path, &text)?.read::<File>()?;
        self.take(&file.policies, Some(&map))
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

/// The files that are meant, by name. A pattern may mean none; a file that is named is there.
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
    let unreadable =
        |error: &io::Error| Problem::new(format!("the folder {} cannot be read: {error}", folder.display()));
    let entries = match fs::read_dir(folder) {
        Ok(it) => it,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(&error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let file = entry.map_err(|error| unreadable(&error))?.file_name();
        let (file, name) = (file.as_encoded_bytes(), name.as_encoded_bytes());
        // As in a shell: editors and package managers leave hidden files behind.
        if glob::matches(name, file) && !file.starts_with(b".") {
            found.push(folder.join(String::from_utf8_lossy(file).as_ref()));
        }
    }
    found.sort();
    Ok(found)
}
