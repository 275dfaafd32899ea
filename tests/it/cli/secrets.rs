//! What the command line must never show.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
};

use crate::cli::home::{Home, Ran, Running, piped};

const CANARY: &str = "ghp_canaryCANARY0123456789";

#[test]
fn no_output_and_no_file_holds_a_secret() {
    let home = Home::set_up();
    let mut seen = vec![home.run_with_input(&["-v", "add", "-a", "github", "-k", "-"], CANARY).ok()];
    let basic = ["add", "-a", "jira", "-t", "basic_auth", "-u", "ada", "-p", CANARY, "--json"];
    seen.push(home.run(&basic).ok());
    for arguments in [
        &["-vv", "list"][..],
        &["list", "--json"],
        &["get", "github"],
        &["get", "jira", "--json"],
        &["bind", "github", "a.example"],
        &["add", "-a", "github", "-k", CANARY],
        &["add", "-a", "x", "-k", CANARY, "--username", "u"],
    ] {
        seen.push(Ran::of(home.command(arguments).env("RUST_LOG", "trace")));
    }
    for ran in &seen {
        assert!(!ran.out.contains(CANARY) && !ran.err.contains(CANARY), "{ran:#?}");
    }
    for entry in fs::read_dir(home.store().parent().unwrap()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap_or_default();
        assert!(!bytes.windows(CANARY.len()).any(|it| it == CANARY.as_bytes()));
    }
}

#[test]
fn a_secret_on_the_command_line_is_warned_of() {
    let home = Home::set_up();
    home.run(&["add", "-a", "one", "-k", CANARY]).ok().says("warning: ").says("`--key -` reads it from standard input");
    let quiet = home.run_with_input(&["add", "-a", "two", "-k", "-"], CANARY).ok();
    assert_eq!(quiet.err, "");
}

/// The process is held at a moment when it has read everything: it waits for the password that a pipe will give.
#[test]
#[cfg(target_os = "linux")]
fn other_programs_see_neither_password_nor_key_in_proc() {
    let home = Home::set_up();
    let pipe = home.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut command = home.command(&["add", "--alias", "github", "--key", CANARY]);
    command.env("VULTRINO_ADMIN_PASSWORD", CANARY).env("VULTRINO_API_KEY", CANARY).env("HARMLESS", "harmless");
    command.env_remove("VULTRINO_PASSWORD").env("VULTRINO_PASSWORD_FILE", &pipe);
    let mut running = Running(piped(&mut command).spawn().unwrap());
    let mut warning = String::new();
    BufReader::new(running.0.stderr.as_mut().unwrap()).read_line(&mut warning).unwrap();
    assert!(warning.contains("--key"), "{warning}");

    let proc = |file: &str| fs::read(format!("/proc/{}/{file}", running.0.id())).unwrap();
    let (environ, cmdline) = (proc("environ"), proc("cmdline"));
    let holds = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|it| it == text.as_bytes());
    assert!(
        ["HARMLESS=harmless", "VULTRINO_ADMIN_PASSWORD=", "VULTRINO_API_KEY="].iter().all(|it| holds(&environ, it))
    );
    assert!(holds(&cmdline, "vultrino\0add\0"));
    assert!(!holds(&environ, CANARY) && !holds(&cmdline, CANARY));

    fs::OpenOptions::new().write(true).open(&pipe).unwrap().write_all(b"wrong").unwrap();
    assert_eq!(running.0.wait().unwrap().code(), Some(5));
}

#[test]
#[cfg(target_os = "linux")]
fn the_storage_password_is_not_in_proc() {
    let home = Home::set_up();
    home.add("github", &[]).ok();
    let mut command = home.command(&["delete", "github"]);
    command.env("VULTRINO_PASSWORD", crate::cli::home::PASSWORD);
    let mut running = Running(piped(&mut command).spawn().unwrap());
    // It asks, so it has the password.
    let mut question = [0; 8];
    std::io::Read::read_exact(running.0.stderr.as_mut().unwrap(), &mut question).unwrap();
    assert_eq!(&question, b"Are you ");
    let environ = fs::read(format!("/proc/{}/environ", running.0.id())).unwrap();
    let text = String::from_utf8_lossy(&environ);
    assert!(text.contains("VULTRINO_PASSWORD=") && !text.contains(crate::cli::home::PASSWORD), "{text}");
}

#[test]
fn an_agent_that_would_get_the_storage_password_is_warned_of() {
    let home = Home::set_up();
    let url = ["mcp", "--url", "http://127.0.0.1:9"];
    home.run(&url).ok().says("VULTRINO_PASSWORD is set here: an agent").says("can read every secret");
    home.run(&["mcp", "install", "cursor"]).ok().says("VULTRINO_PASSWORD is set here");
    let mut with_file = home.command(&url);
    let ran = Ran::of(with_file.env_remove("VULTRINO_PASSWORD").env("VULTRINO_PASSWORD_FILE", "password")).ok();
    ran.says("VULTRINO_PASSWORD_FILE is set here");
    let quiet = Ran::of(home.command(&url).env_remove("VULTRINO_PASSWORD")).ok();
    assert_eq!(quiet.err, "");
}

#[test]
#[cfg(target_os = "linux")]
fn a_key_that_is_revoked_is_not_in_proc() {
    let home = Home::set_up();
    let pipe = home.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut command = home.command(&["-v", "key", "revoke", CANARY]);
    command.env_remove("VULTRINO_PASSWORD").env("VULTRINO_PASSWORD_FILE", &pipe);
    let mut running = Running(piped(&mut command).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(running.0.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("configuration read"), "{line}");
    let cmdline = fs::read(format!("/proc/{}/cmdline", running.0.id())).unwrap();
    let text = String::from_utf8_lossy(&cmdline);
    assert!(text.contains("revoke") && !text.contains(CANARY), "{text}");
    fs::OpenOptions::new().write(true).open(&pipe).unwrap().write_all(b"wrong").unwrap();
    assert_eq!(running.0.wait().unwrap().code(), Some(5));
}
