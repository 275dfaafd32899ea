//! `vultrino init`: what it makes, what it never takes away, and what it needs to be told.

use std::{fs, io::Write as _, path::Path, process::Command};

use crate::cli::home::{BINARY, CHEAP, Home, PASSWORD, Ran, mode, piped};

/// The backups of `file`.
fn kept(file: &Path) -> Vec<String> {
    let name = file.file_name().unwrap().to_str().unwrap();
    let entries = fs::read_dir(file.parent().unwrap()).unwrap();
    entries
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .filter(|it| it.starts_with(&format!("{name}.bak-")))
        .collect()
}

#[test]
fn files_are_private_and_the_certificate_is_public_whatever_the_umask() {
    for umask in ["000", "077"] {
        let home = Home::empty();
        let script = format!("umask {umask}; exec {BINARY} init --admin-username ada");
        let mut command = Command::new("sh");
        command.args(["-c", &script]).env_clear().env("HOME", home.path(""));
        command.env("VULTRINO_PASSWORD", PASSWORD).env("VULTRINO_ADMIN_PASSWORD", "x");
        let ran = Ran::of(&mut command).ok();
        let data = home.path(".local/share/vultrino");
        for (path, expected) in [
            (home.path(".config/vultrino"), 0o700),
            (home.path(".config/vultrino/config.toml"), 0o600),
            (data.clone(), 0o711),
            (data.join("credentials.enc"), 0o600),
            (data.join("ca.pem"), 0o644),
        ] {
            assert_eq!(mode(&path), expected, "{} with umask {umask}", path.display());
            assert!(
                path.is_dir() || path.ends_with("credentials.enc.lock") || ran.out.contains(path.to_str().unwrap())
            );
        }
    }
}

#[test]
fn the_written_configuration_works_and_names_the_store() {
    let home = Home::empty();
    home.init(&[]).ok();
    let text = fs::read_to_string(home.path(".config/vultrino/config.toml")).unwrap();
    assert!(text.contains("path = \"~/.local/share/vultrino/credentials.enc\""), "{text}");
    home.run(&["list"]).ok();
}

#[test]
fn a_second_init_refuses_and_changes_nothing() {
    let home = Home::set_up();
    let before = fs::read(home.store()).unwrap();
    home.init(&[]).fails_with(1).says("set up already").says("init --reset-config");
    assert_eq!(fs::read(home.store()).unwrap(), before);
}

#[test]
fn a_configuration_without_a_store_is_kept() {
    let home = Home::configured();
    let ran = home.init(&[]).ok();
    assert!(ran.out.contains("Configuration (kept)"), "{}", ran.out);
    assert_eq!(fs::read_to_string(home.path(".config/vultrino/config.toml")).unwrap(), CHEAP);
}

#[test]
fn force_keeps_the_configuration_and_what_is_stored() {
    let home = Home::set_up();
    home.add("github", &[]).ok();
    let config = home.path(".config/vultrino/config.toml");
    let server = format!("{CHEAP}[server]\nmode = \"server\"\n");
    fs::write(&config, &server).unwrap();
    let ran = home.init(&["--force"]).ok();
    assert!(ran.out.contains("Configuration (kept)"), "{}", ran.out);
    assert_eq!((fs::read_to_string(&config).unwrap(), kept(&config)), (server, vec![]));
    assert_eq!(home.json(&["list", "--json"])[0]["alias"], "github");
}

#[test]
fn a_configuration_is_reset_where_that_is_asked_for() {
    let home = Home::set_up();
    home.add("github", &[]).ok();
    let config = home.path(".config/vultrino/config.toml");
    home.run(&["init", "--reset-config"]).ok().says("The old configuration is kept as");
    assert_ne!(fs::read_to_string(&config).unwrap(), CHEAP);
    let old = &kept(&config)[..];
    assert_eq!(old.len(), 1);
    assert_eq!(fs::read_to_string(config.with_file_name(&old[0])).unwrap(), CHEAP);
    assert_eq!(home.json(&["list", "--json"])[0]["alias"], "github");
}

#[test]
fn only_a_reset_replaces_a_configuration_that_cannot_be_read() {
    let home = Home::set_up();
    home.write(".config/vultrino/config.toml", "[server\n");
    home.init(&[]).fails_with(1).says("this is not TOML");
    home.init(&["--force"]).fails_with(1).says("this is not TOML");
    home.init(&["--reset-config"]).ok().says("was not valid");
    home.run(&["list"]).ok();
}

#[test]
fn no_administrator_is_asked_for_and_the_first_may_come_later() {
    let home = Home::configured();
    let ran = home.run(&["init"]).ok();
    assert!(!ran.out.contains("admin") && !ran.err.contains("admin"), "{ran:?}");
    Ran::of(home.command(&["admin", "set-password"]).env("VULTRINO_ADMIN_PASSWORD", "later")).ok();
}

#[test]
fn a_short_storage_password_is_refused_unless_it_is_meant() {
    let home = Home::configured();
    let init = |password: &str, more: &[&str]| {
        let mut command = home.command(&[&["init"], more].concat());
        Ran::of(command.env("VULTRINO_PASSWORD", password))
    };
    for short in ["1", "1234567", "ключ-ко"] {
        init(short, &[]).fails_with(2).says("fewer than 8 characters").says("--force");
        assert!(!home.store().exists());
    }
    init("1234567", &["--force"]).ok().says("warning: the storage password has fewer than 8 characters");
    let change = |input: &str, more: &[&str]| {
        let arguments = [&["password", "change", "--new-password-stdin"], more].concat();
        let mut command = home.command(&arguments);
        let mut child = piped(command.env("VULTRINO_PASSWORD", "1234567")).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Ran::from(child.wait_with_output().unwrap())
    };
    change("7654321", &[]).fails_with(2).says("fewer than 8 characters");
    change("7654321", &["--force"]).ok().says("warning:");
    Ran::of(home.command(&["list"]).env("VULTRINO_PASSWORD", "7654321")).ok();
    Ran::of(home.command(&["list"]).env("VULTRINO_PASSWORD", "1234567")).fails_with(5);
}

#[test]
fn force_needs_the_password_of_the_store_and_changes_nothing_without_it() {
    let home = Home::set_up();
    let store = fs::read(home.store()).unwrap();
    let mut command = home.command(&["init", "-f", "--admin-username", "ada"]);
    command.env("VULTRINO_PASSWORD", "wrong").env("VULTRINO_ADMIN_PASSWORD", "x");
    Ran::of(&mut command).fails_with(5).says("Decryption error");
    assert_eq!(fs::read(home.store()).unwrap(), store);
    assert_eq!(fs::read_to_string(home.path(".config/vultrino/config.toml")).unwrap(), CHEAP);
}

#[test]
fn a_store_is_wiped_only_after_a_yes_and_kept_aside() {
    let home = Home::set_up();
    home.add("github", &[]).ok();
    home.init(&["--wipe"]).fails_with(2);
    home.init(&["--force", "--wipe"]).fails_with(2).says("--yes");
    let refuse = ["init", "--force", "--wipe", "--admin-username", "ada"];
    home.run_with_input(&refuse, "n\n").fails_with(1).says("the store was kept");
    assert_eq!(home.json(&["list", "--json"])[0]["alias"], "github");
    assert_eq!(kept(&home.store()), <[String; 0]>::default());

    home.init(&["--force", "--wipe", "--yes"]).ok().says("The old store is kept as");
    assert_eq!(home.json(&["list", "--json"]), serde_json::json!([]));
    let old = home.store().with_file_name(&kept(&home.store())[0]);
    fs::rename(old, home.store()).unwrap();
    assert_eq!(home.json(&["list", "--json"])[0]["alias"], "github");
}

#[test]
fn what_is_missing_without_a_terminal_is_named() {
    let home = Home::configured();
    let mut command = home.command(&["init"]);
    Ran::of(command.env_remove("VULTRINO_PASSWORD")).fails_with(2).says("VULTRINO_PASSWORD");
    let ran = home.run(&["init", "--admin-username", "ada"]).fails_with(2);
    ran.says("VULTRINO_ADMIN_PASSWORD").says("--admin-password-stdin");
    assert!(!home.store().exists());
}

#[test]
fn the_admin_password_can_be_piped_in() {
    let home = Home::configured();
    home.run_with_input(&["init", "--admin-username", "ada", "--admin-password-stdin"], "secret\n").ok();
    home.run_with_input(&["admin", "set-password", "--admin-password-stdin"], "another\n").ok();
    Ran::of(home.command(&["admin", "set-password"]).env("VULTRINO_ADMIN_PASSWORD", "third")).ok();
    home.run(&["admin", "set-password"]).fails_with(2).says("VULTRINO_ADMIN_PASSWORD");
    home.run_with_input(&["admin", "set-password", "--admin-password-stdin"], "\n").fails_with(2).says("empty");
    let other_name = ["admin", "set-password", "--username", "not valid", "--admin-password-stdin"];
    home.run_with_input(&other_name, "x\n").fails_with(2).says("not an admin name");
}
