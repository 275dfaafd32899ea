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

/// How much deriving the storage key costs: the least that is allowed, or what `init` chooses by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cost {
    Least,
    Default,
}

/// A folder in which `init` and these `add`s have run; to be copied, not used.
pub(crate) fn folder(credentials: &[Credential], cost: Cost) -> PathBuf {
    static MADE: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap_or_else(|poisoned| panic!("an earlier template failed: {poisoned}"));
    let mut last: Option<PathBuf> = None;
    for count in 0..=credentials.len() {
        let key = format!("{cost:?} {:?}", &credentials[..count]);
        let folder = made.get(&key).cloned().unwrap_or_else(|| {
            let folder = root().join(made.len().to_string());
            match &last {
                None => init(&folder, cost),
                Some(earlier) => {
                    copy(earlier, &folder);
                    write_config(&folder, &settings(&folder, cost));
                    add(&folder, &credentials[count - 1]);
                    // What stands there from then on is the test's own doing.
                    fs::remove_file(folder.join("audit.log")).unwrap();
                }
            }
            folder
        });
        made.insert(key, folder.clone());
        last = Some(folder);
    }
    last.unwrap()
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

/// Writes settings as a configuration file.
pub(crate) fn write_config(folder: &Path, settings: &BTreeMap<String, String>) -> PathBuf {
    let path = folder.join("config.toml");
    let lines: String = settings.iter().flat_map(|(key, value)| [key, " = ", value, "\n"]).collect();
    fs::write(&path, lines).unwrap();
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
    write_config(folder, &settings(folder, cost));
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
