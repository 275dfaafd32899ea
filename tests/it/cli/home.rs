//! A home folder in which the binary runs, alone with the variables that a test gives it.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use tempfile::TempDir;

pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_vultrino");

/// The cheapest key derivation that is accepted: tests are many.
pub(crate) const CHEAP: &str = "[storage.file]\nkdf_memory_kib = 19456\nkdf_iterations = 2\n";

pub(crate) struct Home {
    folder: TempDir,
}

impl Home {
    /// Nothing in it.
    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A configuration, no store.
    pub(crate) fn configured() -> Self {
        let home = Self::empty();
        home.write(".config/vultrino/config.toml", CHEAP);
        home
    }

    /// After `vultrino init`.
    pub(crate) fn set_up() -> Self {
        let home = Self::configured();
        home.init(&[]).ok();
        home
    }

    /// Runs `init` as a script does.
    pub(crate) fn init(&self, more: &[&str]) -> Ran {
        let mut command = self.command(&["init", "--admin-username", "ada"]);
        command.args(more).env("VULTRINO_ADMIN_PASSWORD", "admin password");
        Ran::of(&mut command)
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path(".local/share/vultrino/credentials.enc")
    }

    pub(crate) fn write(&self, below: &str, text: &str) -> PathBuf {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// With the password in the environment, and nobody at a terminal.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(arguments).env_clear().env("HOME", self.folder.path()).env("VULTRINO_PASSWORD", PASSWORD);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.command(arguments))
    }

    /// With this on standard input.
    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Ran {
        let mut command = self.command(arguments);
        let mut child = piped(&mut command).spawn().unwrap();
        // A command that refuses need not read its input.
        drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
        Ran::from(child.wait_with_output().unwrap())
    }

    /// Adds an API key without a shape that anything recognises.
    pub(crate) fn add(&self, alias: &str, more: &[&str]) -> Ran {
        let arguments = [&["add", "--alias", alias, "--key", "-"], more].concat();
        self.run_with_input(&arguments, "plain-key-of-this-test\n")
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.run(arguments).ok().out).unwrap()
    }
}

pub(crate) fn piped(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped())
}

/// Kills what a test started, if it is still there.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        command.output().unwrap().into()
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.fails_with(0)
    }

    #[track_caller]
    pub(crate) fn fails_with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.err.contains(text), "no {text:?} in {self:#?}");
        self
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

pub(crate) fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}
