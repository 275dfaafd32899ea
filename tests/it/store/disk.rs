//! Modes whatever the umask, a full disk, and a disk that confirms nothing.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use vultrino::{
    manage::{Caller, ManageError, credentials},
    store::{FileStore, StoreError},
};

use crate::store::fixture::{Fixture, Office, PASSWORD, aliases, initialise, put, secret, start, this};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// The umask belongs to the whole process, so a shell sets it for a child.
#[test]
fn modes_do_not_depend_on_the_umask() {
    for umask in ["000", "022", "027", "077"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outer/data/credentials.enc");
        let script = format!("umask {umask} && exec {} \"$@\"", this().display());
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, "sh"]);
        let (mut child, input) = start(shell, "initialiser", &format!("{}\t-\t0", path.display()));
        drop(input);
        assert!(child.wait().unwrap().success(), "{umask}");
        let data = path.parent().unwrap();
        assert_eq!(mode(data), 0o711, "{umask}");
        assert_eq!(mode(&path), 0o600, "{umask}");
        assert_eq!(mode(&data.join("credentials.enc.lock")), 0o600, "{umask}");
        assert_eq!(mode(&data.join("ca.pem")), 0o644, "{umask}");
        assert_eq!(mode(data.parent().unwrap()) & 0o066, 0, "{umask}");
        assert_eq!(fs::read_dir(data).unwrap().count(), 3, "{umask}");
    }
}

#[test]
fn a_folder_that_is_there_keeps_its_mode() {
    let folder = tempfile::tempdir().unwrap();
    let before = mode(folder.path());
    initialise(&folder.path().join("credentials.enc")).unwrap();
    assert_eq!(mode(folder.path()), before);
}

#[test]
fn a_full_disk_is_an_error_and_the_old_file_stays() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_mounted) = SmallDisk::mount(folder.path()) else { return };
    let store = Arc::new(initialise(&folder.path().join("credentials.enc")).unwrap());
    let office = Office::over(&store);
    let description = "x".repeat(1000);
    let mut acknowledged = Vec::new();
    let error = loop {
        let alias = format!("c{}", acknowledged.len());
        let mut new = crate::store::fixture::new_key(&alias, "key");
        new.description = Some(description.clone());
        match credentials::add(&office.desk, &Caller::local(), new) {
            Ok(_) => acknowledged.push(alias),
            Err(error) => break error,
        }
        assert!(acknowledged.len() < 100, "the disk holds 64 KiB");
    };
    let ManageError::Store(StoreError::Io { source, .. }) = &error else { panic!("{error}") };
    assert_eq!(source.kind(), std::io::ErrorKind::StorageFull, "{error}");
    assert!(!acknowledged.is_empty());
    assert!(!folder.path().join("credentials.enc.tmp").exists());
    let reopened = FileStore::open(store.path(), &secret(PASSWORD)).unwrap();
    assert_eq!(aliases(&reopened.load().unwrap()), acknowledged);
    credentials::delete(&office.desk, &Caller::local(), "c0").unwrap_or_else(|error| panic!("room for less: {error}"));
}

/// Under a tracer the first or the second `fsync` of a save fails, that of the file or that of the folder.
#[test]
fn a_write_that_the_disk_does_not_confirm_is_not_acknowledged() {
    if !can_trace() {
        return;
    }
    for (which, revisions) in [("1", "revisions 2 2"), ("2", "revisions 2 3")] {
        let fixture = Fixture::new();
        fixture.add("before", "key");
        let mut strace = Command::new("strace");
        strace.args([
            "-f",
            "-o",
            "/dev/null",
            "-e",
            "trace=fsync",
            "-e",
            &format!("inject=fsync:error=EIO:when={which}"),
        ]);
        strace.arg(this());
        let (child, input) = start(strace, "unlucky_writer", &format!("{}\tc\t0", fixture.path().display()));
        drop(input);
        let said = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        let lines: Vec<&str> = said.lines().filter_map(|it| it.strip_prefix("says ")).collect();
        assert_eq!(lines, ["not durable", "needs reopen", revisions], "{said}");
        assert_eq!(fixture.names(), ["ca.pem", "credentials.enc", "credentials.enc.lock"]);
        put(&fixture.store, "after", "key").unwrap();
    }
}

/// Whether this machine lets us trace a child.
pub(crate) fn can_trace() -> bool {
    let tried = Command::new("strace").args(["-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    let can = tried.is_ok_and(|status| status.success());
    if !can {
        println!("SKIPPED: strace is missing or may not trace; install it to run this test");
    }
    can
}

/// A file system of 64 KiB, gone when dropped.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(at: &'a Path) -> Option<Self> {
        let tried = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(at).output();
        if tried.is_ok_and(|output| output.status.success()) {
            return Some(Self(at));
        }
        println!("SKIPPED: mounting a small tmpfs is refused; run as root to test a full disk");
        None
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}
