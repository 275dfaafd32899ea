//! Stores made ready once: what `init` and `add` derive keys for is paid for once a set of credentials, then copied.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{self, Command},
    sync::{Mutex, OnceLock},
};

use crate::support::process::{VULTRINO, run};

/// The storage password of every test.
pub(crate) const PASSWORD: &str = "correct-horse-battery-staple-canary-pw";
/// The admin's password of every test.
pub(crate) const ADMIN_PASSWORD: &str = "admin-canary-swordfish-0815";

/// A credential as `vultrino add` takes it.
#[derive(Clone, Debug)]
pub(crate) struct Credential {
    arguments: Vec<String>,
    secret: String,
}

impl Credential {
    /// A key, and the hosts that it is bound to.
    pub(crate) fn key(alias: &str, key: &str, hosts: &[&str]) -> Self {
        let arguments = ["--alias", alias, "--key", "-"].map(str::to_owned).to_vec();
        Self { arguments, secret: key.to_owned() }.hosts(hosts)
    }

    /// A user name and a password.
    pub(crate) fn basic(alias: &str, username: &str, password: &str, hosts: &[&str]) -> Self {
        let arguments = ["--type", "basic_auth", "--alias", alias, "--username", username, "--password", password];
        Self { arguments: arguments.map(str::to_owned).to_vec(), secret: String::new() }.hosts(hosts)
    }

    /// One more argument.
    pub(crate) fn with(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    fn hosts(self, hosts: &[&str]) -> Self {
        hosts.iter().fold(self, |it, host| it.with("--host").with(host))
    }
}

/// One thing that a store is made of.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Credential(Credential),
    /// Permissions and scopes as the command line takes them; no scopes are all.
    Role {
        name: String,
        permissions: String,
        scopes: String,
    },
    Key {
        name: String,
        role: String,
    },
}

/// A folder in which all commands have run; to be copied, not used.
#[derive(Clone, Debug, Default)]
pub(crate) struct Template {
    pub folder: PathBuf,
    /// API keys by their names.
    pub keys: BTreeMap<String, String>,
}

/// How much deriving the storage key costs: the least that is allowed, or what `init` chooses by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cost {
    Least,
    Default,
}

/// A folder in which `init` and the commands for these pieces have run.
pub(crate) fn template(pieces: &[Piece], cost: Cost) -> Template {
    static MADE: Mutex<BTreeMap<String, Template>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap_or_else(|poisoned| panic!("an earlier template failed: {poisoned}"));
    let mut last: Option<Template> = None;
    for count in 0..=pieces.len() {
        let name = format!("{cost:?} {:?}", &pieces[..count]);
        let template = made.get(&name).cloned().unwrap_or_else(|| {
            let folder = root().join(made.len().to_string());
            match &last {
                None => {
                    init(&folder, cost);
                    Template { folder, keys: BTreeMap::new() }
                }
                Some(earlier) => grown(earlier, folder, &pieces[count - 1], cost),
            }
        });
        made.insert(name, template.clone());
        last = Some(template);
    }
    last.unwrap()
}

/// A template with one more piece.
fn grown(earlier: &Template, folder: PathBuf, piece: &Piece, cost: Cost) -> Template {
    copy(&earlier.folder, &folder);
    write_config(&folder, &settings(&folder, cost), "");
    let mut keys = earlier.keys.clone();
    match piece {
        Piece::Credential(credential) => add(&folder, credential),
        Piece::Role { name, permissions, scopes } => add_role(&folder, name, permissions, scopes),
        Piece::Key { name, role } => drop(keys.insert(name.clone(), add_key(&folder, name, role, &[]))),
    }
    Template { folder, keys }
}

/// Creates a role in the store in `folder`.
#[track_caller]
pub(crate) fn add_role(folder: &Path, name: &str, permissions: &str, scopes: &str) {
    let mut command = vultrino(folder);
    command.args(["role", "create", name, "--permissions", permissions]);
    if !scopes.is_empty() {
        command.args(["--scopes", scopes]);
    }
    run(&mut command, "").expect_success();
}

/// Creates an API key in the store in `folder`, and gives it.
#[track_caller]
pub(crate) fn add_key(folder: &Path, name: &str, role: &str, more: &[&str]) -> String {
    let shown = run(vultrino(folder).args(["key", "create", name, "--role", role]).args(more), "").expect_success();
    key_in(&shown).unwrap_or_else(|| panic!("no key is shown: {shown}"))
}

/// The API key in a text.
pub(crate) fn key_in(text: &str) -> Option<String> {
    let words = text.split(|it: char| !it.is_ascii_alphanumeric() && it != '_');
    words.into_iter().find(|it| it.len() == 35 && it.starts_with("vk_")).map(str::to_owned)
}

/// Copies a folder's files.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Settings that every configuration of a test holds.
pub(crate) fn settings(folder: &Path, cost: Cost) -> BTreeMap<String, String> {
    let path = format!("{:?}", folder.join("credentials.enc").display().to_string());
    let mut settings = BTreeMap::from([("storage.file.path".to_owned(), path)]);
    if cost == Cost::Least {
        settings.insert("storage.file.kdf_memory_kib".to_owned(), "19456".to_owned());
        settings.insert("storage.file.kdf_iterations".to_owned(), "2".to_owned());
    }
    settings
}

/// Writes settings as a configuration file, and what comes behind them. Like an editor that does it well: a reader sees
/// the old file or the new one.
pub(crate) fn write_config(folder: &Path, settings: &BTreeMap<String, String>, more: &str) -> PathBuf {
    let path = folder.join("config.toml");
    let lines: String = settings.iter().flat_map(|(key, value)| [key, " = ", value, "\n"]).collect();
    let new = folder.join("config.toml.new");
    fs::write(&new, lines + more).unwrap();
    fs::rename(new, &path).unwrap();
    path
}

/// The command line of the binary with an environment of its own.
pub(crate) fn vultrino(folder: &Path) -> Command {
    let mut command = Command::new(VULTRINO);
    clean(&mut command, folder);
    command.arg("--config").arg(folder.join("config.toml"));
    command
}

/// Gives a command only what the tests know of.
pub(crate) fn clean(command: &mut Command, folder: &Path) {
    command
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", folder)
        .env("VULTRINO_PASSWORD", PASSWORD);
}

/// Adds a credential to the store in `folder`.
#[track_caller]
pub(crate) fn add(folder: &Path, credential: &Credential) {
    run(vultrino(folder).arg("add").args(&credential.arguments), &credential.secret).expect_success();
}

fn init(folder: &Path, cost: Cost) {
    fs::create_dir_all(folder).unwrap();
    write_config(folder, &settings(folder, cost), "");
    let mut command = vultrino(folder);
    command.args(["init", "--admin-username", "admin"]).env("VULTRINO_ADMIN_PASSWORD", ADMIN_PASSWORD);
    run(&mut command, "").expect_success();
}

/// Where this run keeps its templates; those of runs that are over go.
fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("templates");
        fs::create_dir_all(&all).unwrap();
        for entry in fs::read_dir(&all).unwrap() {
            let entry = entry.unwrap();
            if !Path::new("/proc").join(entry.file_name()).exists() {
                // Another run may be removing it too.
                drop(fs::remove_dir_all(entry.path()));
            }
        }
        all.join(process::id().to_string())
    })
}
