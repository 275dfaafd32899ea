//! Files that another user could put or change are not used: the error says why, and what to do.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
    path::{Path, PathBuf},
};

use crate::cli::home::{CHEAP, Home, PASSWORD, Ran};

/// No user of this machine.
const OTHER: u32 = 4711;

const LINK: &str = "it is a symbolic link";
const WRITABLE: &str = "other users may write to it";
const FOREIGN: &str = "it belongs to user id 4711";

/// Puts a link in the place of a file, which goes elsewhere.
fn link(path: &Path) {
    let elsewhere = PathBuf::from(format!("{}.elsewhere", path.display()));
    fs::rename(path, &elsewhere).unwrap();
    symlink(elsewhere, path).unwrap();
}

fn unlink(path: &Path) {
    fs::remove_file(path).unwrap();
    fs::rename(format!("{}.elsewhere", path.display()), path).unwrap();
}

/// Whether this process may give files away.
fn is_root(home: &Home) -> bool {
    let is_root = fs::metadata(home.store()).unwrap().uid() == 0;
    if !is_root {
        println!("SKIPPED: only root can give files to another user");
    }
    is_root
}

/// What a command says, which must refuse and change nothing.
#[track_caller]
fn refused(home: &Home, because: &str) {
    let before = fs::read(home.store()).unwrap();
    let ran = home.add("second", &[]).fails_with(5).says(because);
    assert!(!ran.err.contains("panicked"), "{ran:?}");
    home.run(&["serve", "--bind", "127.0.0.1:0"]).fails_with(5).says(because);
    assert_eq!(fs::read(home.store()).unwrap(), before);
}

#[test]
fn no_file_of_the_server_is_a_link_or_another_users_or_writable_by_others() {
    let home = Home::set_up();
    home.add("first", &[]).ok();
    let data = home.path(".local/share/vultrino");
    for name in ["credentials.enc", "credentials.enc.lock", "audit.log", "journal/chain", "journal"] {
        let path = data.join(name);
        let mode = fs::metadata(&path).unwrap().permissions();
        link(&path);
        // A reader needs no lock.
        refused(&home, LINK);
        unlink(&path);
        for more in [0o020, 0o002] {
            fs::set_permissions(&path, Permissions::from_mode(mode.mode() | more)).unwrap();
            refused(&home, WRITABLE);
        }
        fs::set_permissions(&path, mode).unwrap();
        if is_root(&home) {
            chown(&path, Some(OTHER), None).unwrap();
            refused(&home, FOREIGN);
            chown(&path, Some(0), None).unwrap();
        }
        let alias = format!("after-{}", name.replace('/', "-"));
        home.add(&alias, &[]).ok();
    }
    link(&home.store());
    home.run(&["list"]).fails_with(5).says(LINK);
}

#[test]
fn the_way_to_the_files_may_be_a_link() {
    let home = Home::set_up();
    link(&home.path(".local/share/vultrino"));
    home.add("first", &[]).ok();
    assert!(home.run(&["list"]).ok().out.contains("first"));
}

#[test]
fn the_log_may_be_a_device_behind_a_link() {
    let home = Home::set_up();
    let link = home.path("log");
    symlink("/dev/null", &link).unwrap();
    home.write(".config/vultrino/config.toml", &format!("{CHEAP}[logging]\naudit_file = \"~/log\"\n"));
    home.add("first", &[]).ok();
    assert!(link.is_symlink());
}

#[test]
fn the_configuration_and_the_password_may_be_links_and_no_other_users() {
    let home = Home::set_up();
    let config = home.path(".config/vultrino/config.toml");
    let policies = home.write(".config/vultrino/policies.toml", "");
    home.write(".config/vultrino/config.toml", &format!("{CHEAP}[policy]\ninclude = [\"policies.toml\"]\n"));
    let password = home.write("password", PASSWORD);
    let run = |command: &[&str]| {
        let mut command = home.command(command);
        Ran::of(command.env_remove("VULTRINO_PASSWORD").env("VULTRINO_PASSWORD_FILE", &password))
    };
    for path in [&config, &policies, &password] {
        // Each by a command that needs it.
        let read = || run(if path == &password { &["list"] } else { &["config", "check"] });
        link(path);
        read().ok();
        unlink(path);
        let mode = fs::metadata(path).unwrap().permissions();
        for more in [0o020, 0o002] {
            fs::set_permissions(path, Permissions::from_mode(mode.mode() | more)).unwrap();
            let ran = read().says(WRITABLE).says("chmod go-w");
            assert_ne!(ran.code, 0, "{ran:?}");
        }
        fs::set_permissions(path, mode).unwrap();
        if is_root(&home) {
            chown(path, Some(OTHER), None).unwrap();
            let ran = read().says(FOREIGN).says("chown 0");
            assert_ne!(ran.code, 0, "{ran:?}");
            chown(path, Some(0), None).unwrap();
        }
        read().ok();
    }
}
