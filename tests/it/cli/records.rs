//! What the command line changes is in the audit log, and so is every look at a secret.

use std::{
    fs,
    os::unix::fs::{MetadataExt, chown},
    path::Path,
};

use serde_json::json;

use crate::cli::home::{CHEAP, Home, Ran};

/// Action, credential and outcome of each line.
fn recorded(home: &Home) -> Vec<[String; 3]> {
    let log = fs::read_to_string(home.path(".local/share/vultrino/audit.log")).unwrap_or_default();
    log.lines()
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let value = |name: &str| words.iter().find_map(|it| it.strip_prefix(name)).unwrap_or("?").to_owned();
            assert_eq!(words[1], "ADMIN", "{line}");
            [words[2].to_owned(), value("credential="), value("outcome=")]
        })
        .collect()
}

#[test]
fn every_change_is_recorded_once() {
    let home = Home::set_up();
    assert_eq!(recorded(&home), [] as [[String; 3]; 0]);
    home.add("github", &[]).ok();
    home.add("github", &[]).fails_with(1);
    home.run(&["bind", "github", "--host", "a.example"]).ok();
    home.run(&["unbind", "github", "a.example"]).ok();
    home.run(&["bind", "nope", "a.example"]).fails_with(3);
    home.run(&["list"]).ok();
    home.run(&["get", "github"]).ok();
    home.run(&["delete", "github", "--force"]).ok();
    home.run(&["role", "create", "ci", "-p", "read"]).ok();
    home.run(&["role", "create", "CI", "-p", "read"]).fails_with(1);
    home.run(&["key", "create", "k", "-r", "ci"]).ok();
    home.run(&["role", "delete", "ci"]).ok();
    home.run(&["key", "revoke", "vk_none"]).fails_with(3);
    home.run(&["role", "list"]).ok();
    home.run(&["key", "list"]).ok();
    home.run_with_input(&["admin", "set-password", "--admin-password-stdin"], "another").ok();
    home.run_with_input(&["password", "change", "--new-password-stdin"], "another one").ok();
    let expected = [
        ["credential_add", "github", "ok"],
        ["credential_add", "github", "denied"],
        ["credential_bind", "github", "ok"],
        ["credential_unbind", "github", "ok"],
        ["credential_bind", "nope", "denied"],
        ["credential_delete", "github", "ok"],
        ["role_create", "-", "ok"],
        ["role_create", "-", "denied"],
        ["key_create", "-", "ok"],
        ["role_delete", "-", "ok"],
        ["key_revoke", "-", "denied"],
        ["admin_set", "-", "ok"],
        ["password_change", "-", "ok"],
    ];
    assert_eq!(recorded(&home), expected);
}

#[test]
fn a_secret_is_shown_to_who_has_the_password_and_the_log_tells_it() {
    let home = Home::set_up();
    home.add("key", &[]).ok();
    home.run_with_input(&["add", "-a", "pair", "-t", "basic_auth", "-u", "ada", "-p", "-"], "pass: word").ok();
    home.run(&["get", "key", "--show-secret"]).fails_with(2).says("to a terminal only").says("--force");
    let shown = home.run(&["get", "key", "--show-secret", "--force"]).ok().out;
    assert!(shown.ends_with("\nKey: plain-key-of-this-test\n"), "{shown}");
    let data = &home.json(&["get", "pair", "--show-secret", "--force", "--json"])["data"];
    assert_eq!(*data, json!({"username": "ada", "password": "pass: word"}));
    assert_eq!(home.json(&["get", "pair", "--json"]).get("data"), None);
    let reveals = [["credential_reveal", "key", "ok"], ["credential_reveal", "pair", "ok"]];
    assert_eq!(recorded(&home)[2..], reveals);

    let mut with_key_alone = home.command(&["get", "key", "--show-secret", "--force"]);
    with_key_alone.env_remove("VULTRINO_PASSWORD").env("VULTRINO_API_KEY", "vk_0123456789");
    let refused = Ran::of(&mut with_key_alone).fails_with(4);
    assert!(refused.out.is_empty(), "{refused:#?}");
}

#[test]
fn without_a_record_nothing_is_changed_and_nothing_is_shown() {
    let home = Home::set_up();
    home.add("github", &[]).ok();
    // A folder cannot be written to as a log, whoever tries.
    home.write(".config/vultrino/config.toml", &format!("{CHEAP}[logging]\naudit_file = \"~/\"\n"));
    let before = fs::read(home.store()).unwrap();
    for arguments in
        [&["delete", "github", "-f"][..], &["bind", "github", "a.b"], &["get", "github", "--show-secret", "--force"]]
    {
        let ran = home.run(arguments).fails_with(5).says("the audit log");
        assert_eq!(ran.out, "");
    }
    assert_eq!(fs::read(home.store()).unwrap(), before);
}

/// No user of this machine.
const OTHER: u32 = 4711;

#[test]
fn what_root_makes_in_the_folder_of_another_user_is_that_users() {
    let home = Home::set_up();
    let data = home.path(".local/share/vultrino");
    for path in [data.clone(), home.store()] {
        if chown(&path, Some(OTHER), Some(OTHER)).is_err() {
            println!("SKIPPED: only root can give files to another user");
            return;
        }
    }
    home.add("github", &[]).ok();
    let owner = |path: &Path| fs::metadata(path).unwrap().uid();
    for path in ["credentials.enc", "audit.log", "journal"] {
        assert_eq!(owner(&data.join(path)), OTHER, "{path}");
    }
}
