//! What a person at a terminal is asked, and what it looks like. `script` gives the terminal.

use std::{
    fs,
    io::{Read, Write},
    path::Path,
    process::{ChildStdin, ChildStdout, Command},
};

use crate::{
    cli::home::{BINARY, Home, PASSWORD, Running, piped},
    support::wait::until,
};

/// A terminal with one command in it.
pub(crate) struct Terminal {
    running: Running,
    keyboard: ChildStdin,
    screen: ChildStdout,
    /// The device, to see whether it echoes.
    device: String,
    shown: String,
}

impl Terminal {
    pub(crate) fn run(home: &Home, command_line: &str) -> Self {
        // A question that nobody answers ends the test, not the day.
        let mut command = Command::new("timeout");
        command.args(["60", "script"]);
        let within = format!("stty columns 100 && tty && {}", command_line.replace("vultrino", BINARY));
        command.args(["--quiet", "--return", "--command", &within, "/dev/null"]);
        command.env_clear().env("HOME", home.path("")).env("TERM", "xterm").env("PATH", "/usr/bin:/bin");
        let mut running = Running(piped(&mut command).spawn().unwrap());
        let (keyboard, screen) = (running.0.stdin.take().unwrap(), running.0.stdout.take().unwrap());
        let mut terminal = Self { running, keyboard, screen, device: String::new(), shown: String::new() };
        terminal.device = terminal.wait_for("\n").trim().to_owned();
        terminal
    }

    /// Types an answer that may be seen.
    fn answer(&mut self, question: &str, answer: &str) -> &mut Self {
        self.wait_for(question);
        writeln!(self.keyboard, "{answer}").unwrap();
        self
    }

    /// Types an answer as soon as the terminal shows it to nobody.
    fn answer_hidden(&mut self, question: &str, answer: &str) -> &mut Self {
        self.wait_for(question);
        assert!((0..10_000).any(|_| self.settings().contains(" -echo ")), "it echoes after {question:?}");
        writeln!(self.keyboard, "{answer}").unwrap();
        self
    }

    fn settings(&self) -> String {
        let output = Command::new("stty").args(["-a", "-F", &self.device]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        let mut since = Vec::new();
        while !since.ends_with(text.as_bytes()) {
            let mut byte = [0];
            let read = self.screen.read(&mut byte).unwrap();
            assert_eq!(read, 1, "no {text:?} in {}{}", self.shown, String::from_utf8_lossy(&since));
            since.push(byte[0]);
        }
        let since = String::from_utf8(since).unwrap();
        self.shown.push_str(&since);
        since
    }

    /// Everything that was shown, and the exit code.
    fn end(mut self) -> (String, i32) {
        let mut rest = Vec::new();
        self.screen.read_to_end(&mut rest).unwrap();
        self.shown.push_str(&String::from_utf8_lossy(&rest));
        (self.shown.clone(), self.running.0.wait().unwrap().code().unwrap())
    }
}

/// A command that still runs is interrupted, as by a person: nothing else ends what runs below `script`.
impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.keyboard.write_all(b"\x03"));
        drop(self.screen.read_to_end(&mut Vec::new()));
    }
}

#[test]
fn init_asks_for_what_it_needs_and_shows_no_password() {
    let home = Home::configured();
    let mut terminal = Terminal::run(&home, "vultrino init");
    terminal.answer_hidden("Choose a storage password:", "canary-1").answer_hidden("Once more:", "canary-2");
    terminal.answer_hidden("differ; please try again.", "");
    terminal.answer_hidden("Nothing was typed; please try again.", "canary").answer_hidden("Once more:", "canary");
    terminal.answer_hidden("please choose a longer one.", PASSWORD).answer_hidden("Once more:", PASSWORD);
    let (shown, code) = terminal.end();
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("Vultrino is set up."), "{shown}");
    assert!(!shown.contains(PASSWORD) && !shown.contains("canary") && !shown.contains("admin"), "{shown}");
    home.run(&["list"]).ok();
}

#[test]
fn add_asks_for_the_key_and_the_host() {
    let home = Home::set_up();
    let mut terminal = Terminal::run(&home, "vultrino add internal");
    terminal.answer_hidden("Storage password:", PASSWORD);
    terminal.answer_hidden("API key:", "canary").answer("(empty: decide later):", "127.1");
    terminal.answer("(empty: decide later):", "https://api.internal.example/v1");
    terminal.wait_for("not to a path");
    terminal.answer("(empty: decide later):", "https://api.internal.example");
    let (shown, code) = terminal.end();
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("Bound to api.internal.example") && !shown.contains("canary"), "{shown}");

    let mut terminal = Terminal::run(&home, "vultrino add --alias github");
    terminal.answer_hidden("Storage password:", PASSWORD).answer_hidden("API key:", "ghp_canary");
    let (shown, code) = terminal.end();
    assert_eq!(code, 0, "{shown}");
    assert!(!shown.contains("Host that it is for"), "its shape tells the host: {shown}");
}

#[test]
fn a_key_that_is_pasted_as_the_host_is_not_stored_and_not_repeated() {
    let home = Home::set_up();
    let mut terminal = Terminal::run(&home, "vultrino add internal");
    terminal.answer_hidden("Storage password:", PASSWORD).answer_hidden("API key:", "canary");
    terminal.answer("(empty: decide later):", "ghp_pastedtoolate").wait_for("this looks like a key");
    terminal.answer("(empty: decide later):", "");
    let (shown, code) = terminal.end();
    assert_eq!(code, 0, "{shown}");
    // Once, by the terminal itself.
    assert_eq!(shown.matches("pastedtoolate").count(), 1, "{shown}");
    assert_eq!(home.json(&["get", "internal", "--json"])["hosts"], serde_json::json!([]));
}

#[test]
fn tables_are_framed_and_coloured_unless_colour_is_unwanted() {
    let home = Home::set_up();
    home.add("github", &[]).ok();
    home.write("password", PASSWORD);
    for (variable, coloured) in [("NO_COLOR=", true), ("NO_COLOR=1", false)] {
        let line = format!("{variable} VULTRINO_PASSWORD_FILE={} vultrino list", home.path("password").display());
        let (shown, code) = Terminal::run(&home, &line).end();
        assert_eq!(code, 0, "{shown}");
        assert!(shown.contains("github") && shown.contains('│'), "{shown}");
        assert_eq!(shown.contains('\x1b'), coloured, "{shown:?}");
    }
}

#[test]
fn a_measurement_is_framed_and_what_the_proxy_adds_stands_out() {
    let home = Home::configured();
    let (shown, code) = Terminal::run(&home, "stty columns 80 && vultrino bench --requests 4 --connections 2").end();
    assert_eq!(code, 0, "{shown}");
    let table = shown.lines().filter(|it| it.contains(['│', '─']));
    assert!(table.clone().count() > 4, "{shown}");
    for line in table {
        // Without the progress before it, and without what turns colour on and off.
        let mut parts = line.rsplit("\x1b[K").next().unwrap().split('\x1b');
        let first = parts.next().unwrap().to_owned();
        let plain = parts.fold(first, |text, it| text + it.split_once('m').map_or(it, |(_, rest)| rest));
        assert!(plain.trim_end().chars().count() <= 80, "{plain}");
    }
    assert!(shown.contains("\r\x1b[Kintercepted, 2 connections…"), "it says what it does: {shown:?}");
    assert!(shown.contains('│') && shown.contains("intercepted"), "{shown}");
    assert_eq!(shown.matches("\x1b[38;5;14m").count(), 2, "{shown:?}");
}

#[test]
fn the_list_fits_eighty_columns_and_breaks_hosts_at_dots() {
    let home = Home::set_up();
    let host = "objects.production.eu-central.storage.internal.example.com";
    let long = ["--host", host, "--host", "api.example.com", "--description", "All pictures of the shop, by product"];
    home.add("the-shop-of-the-company-in-production", &long).ok();
    home.write("password", PASSWORD);
    let file = home.path("password");
    let line = format!("stty columns 80 && NO_COLOR=1 VULTRINO_PASSWORD_FILE={} vultrino list", file.display());
    let (shown, code) = Terminal::run(&home, &line).end();
    assert_eq!(code, 0, "{shown}");
    assert!(shown.lines().all(|it| it.trim_end().chars().count() <= 80), "{shown}");
    assert!(!shown.contains('\u{200b}'), "{shown:?}");
    let rows = shown.lines().filter(|it| it.contains('│')).skip(1);
    // Columns are told apart by other lines than the frame.
    let cells = rows.filter_map(|it| it.split(['│', '┆']).nth(4)).map(str::trim).filter(|it| !it.is_empty());
    let hosts: Vec<&str> = cells.collect();
    assert_eq!(hosts.concat(), format!("{host}api.example.com"), "{shown}");
    let within = &hosts[..hosts.iter().position(|it| it.ends_with("com")).unwrap()];
    assert!(!within.is_empty() && within.iter().all(|it| it.ends_with('.')), "{shown}");
}

#[test]
fn words_stay_whole_in_the_table_of_roles() {
    let home = Home::set_up();
    let (permissions, scopes) = ("read,write,update,delete,execute,admin", "github-*,gitlab-{a,b}-*,staging-database");
    home.run(&["role", "create", "everything", "-p", permissions, "-s", scopes]).ok();
    home.write("password", PASSWORD);
    let file = home.path("password");
    let line = format!("stty columns 80 && NO_COLOR=1 VULTRINO_PASSWORD_FILE={} vultrino role list", file.display());
    let (shown, code) = Terminal::run(&home, &line).end();
    assert_eq!(code, 0, "{shown}");
    let words: Vec<&str> = shown.split([' ', '│', '\r', '\n']).map(|it| it.trim_end_matches(',')).collect();
    for word in permissions.split(',').chain(["github-*", "gitlab-{a,b}-*", "staging-database"]) {
        assert!(words.contains(&word), "{word} in pieces: {shown}");
    }
    assert!(shown.lines().all(|it| it.trim_end().chars().count() <= 80), "{shown}");
}

#[test]
fn a_wrong_password_is_told_and_the_question_is_answered_with_no_by_default() {
    let home = Home::set_up();
    home.add("github", &[]).ok();
    let mut terminal = Terminal::run(&home, "vultrino delete github");
    terminal.answer_hidden("Storage password:", "wrong").answer_hidden("try again.\r\nStorage password:", "wrong");
    terminal.answer_hidden("try again.\r\nStorage password:", "wrong");
    let (shown, code) = terminal.end();
    assert!(code == 5 && shown.contains("Decryption error"), "{code} {shown}");

    let mut terminal = Terminal::run(&home, "vultrino delete github");
    terminal.answer_hidden("Storage password:", "wrong").answer_hidden("Storage password:", PASSWORD);
    terminal.answer("[y/N]", "");
    let (shown, code) = terminal.end();
    assert!(code == 1 && shown.contains("'github' was kept"), "{code} {shown}");
}

#[test]
fn a_role_is_deleted_after_a_question_that_says_what_ends_with_it() {
    let home = Home::set_up();
    home.run(&["role", "create", "ci", "-p", "read"]).ok();
    home.run(&["key", "create", "one", "-r", "ci"]).ok();
    let mut terminal = Terminal::run(&home, "vultrino role delete ci");
    terminal.answer_hidden("Storage password:", PASSWORD);
    terminal.answer("delete the role 'ci'? 1 API key of it will stop working. [y/N]", "");
    let (shown, code) = terminal.end();
    assert!(code == 1 && shown.contains("the role 'ci' was kept"), "{code} {shown}");

    let mut terminal = Terminal::run(&home, "vultrino role delete ci");
    terminal.answer_hidden("Storage password:", PASSWORD).answer("[y/N]", "y");
    let (shown, code) = terminal.end();
    assert!(code == 0 && shown.contains("Deleted role: ci"), "{code} {shown}");
}

#[test]
fn a_server_ends_with_its_terminal_and_reloads_at_a_hangup_otherwise() {
    let home = Home::set_up();
    let mut terminal = Terminal::run(&home, "vultrino serve --bind 127.0.0.1:0");
    terminal.answer_hidden("Storage password:", PASSWORD).wait_for("Listening on http://");
    let children = |of: u32| -> Vec<u32> {
        let text = fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap();
        text.split_whitespace().map(|it| it.parse().unwrap()).collect()
    };
    let script = children(terminal.running.0.id())[0];
    let mut server = children(script)[0];
    while let [child] = children(server)[..] {
        server = child;
    }
    let send = |signal: &str, to: u32| {
        assert!(Command::new("kill").args([signal, &to.to_string()]).status().unwrap().success());
    };
    send("-HUP", server);
    terminal.wait_for("is in force");
    send("-KILL", script);
    until("the server has ended", || (!Path::new(&format!("/proc/{server}")).exists()).then_some(()));
}
