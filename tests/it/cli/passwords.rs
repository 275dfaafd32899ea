//! The storage password: where it may come from, and what happens without it.

use std::fs;

use serde_json::json;

use crate::cli::home::{Home, PASSWORD, Ran};

#[test]
fn the_password_comes_from_a_variable_a_file_or_systemd() {
    let home = Home::set_up();
    let without = |arguments: &[&str]| {
        let mut command = home.command(arguments);
        command.env_remove("VULTRINO_PASSWORD");
        command
    };
    home.write("password", &format!("{PASSWORD}\n"));
    Ran::of(without(&["list"]).env("VULTRINO_PASSWORD_FILE", "password")).ok();
    home.write("credentials/vultrino-password", PASSWORD);
    Ran::of(without(&["list"]).env("CREDENTIALS_DIRECTORY", home.path("credentials"))).ok();
    Ran::of(without(&["list"]).env("VULTRINO_PASSWORD_FILE", "none")).fails_with(2).says("cannot read the password");
}

#[test]
fn without_a_password_and_a_terminal_the_variables_are_named_at_once() {
    let home = Home::set_up();
    for arguments in [&["list"][..], &["get", "x"], &["delete", "x"], &["serve"], &["admin", "set-password"]] {
        let ran = Ran::of(home.command(arguments).env_remove("VULTRINO_PASSWORD")).fails_with(2);
        ran.says("VULTRINO_PASSWORD").says("VULTRINO_PASSWORD_FILE");
    }
}

#[test]
fn an_empty_password_is_refused() {
    let home = Home::set_up();
    Ran::of(home.command(&["list"]).env("VULTRINO_PASSWORD", "")).fails_with(2).says("is empty");
    home.write("password", "\n");
    let mut command = home.command(&["list"]);
    command.env_remove("VULTRINO_PASSWORD").env("VULTRINO_PASSWORD_FILE", "password");
    Ran::of(&mut command).fails_with(2).says("is empty");
    let fresh = Home::configured();
    let mut command = fresh.command(&["init", "--admin-username", "ada"]);
    command.env("VULTRINO_PASSWORD", "").env("VULTRINO_ADMIN_PASSWORD", "x");
    Ran::of(&mut command).fails_with(2).says("is empty");
    assert!(!fresh.store().exists());
}

#[test]
fn a_wrong_password_is_a_storage_error_and_touches_nothing() {
    let home = Home::set_up();
    let before = fs::read(home.store()).unwrap();
    for arguments in [&["list"][..], &["delete", "x", "--force"], &["bind", "x", "a.b"]] {
        let ran = Ran::of(home.command(arguments).env("VULTRINO_PASSWORD", "wrong"));
        ran.fails_with(5).says("Decryption error");
    }
    assert_eq!(fs::read(home.store()).unwrap(), before);
}

#[test]
fn without_a_store_the_command_that_makes_one_is_named() {
    let home = Home::configured();
    for arguments in [&["list"][..], &["ca", "export"]] {
        home.run(arguments).fails_with(5).says("vultrino init");
    }
}

#[test]
fn the_storage_password_can_be_changed() {
    let home = Home::set_up();
    home.add("github", &[]).ok();
    home.run_with_input(&["password", "change", "--new-password-stdin"], "another one\n").ok();
    home.run(&["list"]).fails_with(5);
    let mut with_new = home.command(&["list", "--json"]);
    let listed = Ran::of(with_new.env("VULTRINO_PASSWORD", "another one")).ok().out;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed[0]["alias"], json!("github"));
}

#[test]
fn a_new_storage_password_must_come_from_somewhere() {
    let home = Home::set_up();
    home.run(&["password", "change"]).fails_with(2).says("--new-password-stdin");
    home.run_with_input(&["password", "change", "--new-password-stdin"], "\n").fails_with(2).says("empty");
    home.run(&["list"]).ok();
}
