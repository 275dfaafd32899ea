//! Credentials come, are shown, bound, and go.

use serde_json::json;

use crate::cli::home::{Home, Ran};

#[test]
fn a_credential_is_added_listed_shown_and_deleted() {
    let home = Home::set_up();
    home.run(&["list"]).ok().says("No credentials yet");
    let added = home.add("internal", &["--description", "The internal one", "--host", "api.internal.example"]).ok();
    assert_eq!(added.out, "Added credential: internal\nBound to api.internal.example\n");

    let list = home.run(&["list"]).ok().out;
    let lines: Vec<Vec<&str>> = list.lines().map(|it| it.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["Alias", "Type", "Created", "Hosts", "Description"]);
    assert_eq!(lines[1][..2], ["internal", "api_key"]);
    assert_eq!(lines[1][3..], ["api.internal.example", "The", "internal", "one"]);
    assert!(list.is_ascii(), "no frame and no colour in a pipe: {list}");

    for command in ["get", "info"] {
        let shown = home.run(&[command, "internal"]).ok().out;
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0..2], ["Alias: internal", "Type: api_key"]);
        assert!(lines[2].starts_with("Created: 20") && lines[2].ends_with('Z'), "{shown}");
        assert_eq!(lines[3], "Description: The internal one");
    }
    let deleted = home.run(&["delete", "internal", "--force"]).ok();
    assert_eq!(deleted.out, "Deleted credential: internal\n");
    assert_eq!(home.json(&["list", "--json"]), json!([]));
}

#[test]
fn json_has_the_names_of_the_api() {
    let home = Home::set_up();
    let metadata = r#"{"header_name":"X-API-Key","team":"a"}"#;
    home.add("search", &["--host", "a.example", "--host", "*.b.example", "--no-auto", "--metadata", metadata]).ok();
    let one = home.json(&["get", "search", "--json"]);
    assert_eq!(home.json(&["list", "--json"]), json!([one]));
    assert_eq!(one["alias"], "search");
    assert_eq!(one["type"], "api_key");
    assert_eq!(one["description"], json!(null));
    assert_eq!(one["hosts"], json!(["a.example", "*.b.example"]));
    assert_eq!(one["auto"], false);
    assert_eq!(one["metadata"], json!({"header_name": "X-API-Key", "team": "a"}));
    assert_eq!(one["id"].as_str().unwrap().len(), 36);
    assert_eq!(one["created_at"], one["updated_at"]);
    assert_eq!(home.json(&["bind", "search", "c.example", "--json"])["hosts"].as_array().unwrap().len(), 3);
}

#[test]
fn known_tokens_bind_themselves_and_say_so() {
    let home = Home::set_up();
    let added = home.run_with_input(&["add", "-a", "github", "-k", "-"], "ghp_0123456789").ok();
    assert!(added.out.contains("Bound to api.github.com, uploads.github.com: "), "{}", added.out);
    assert!(added.out.contains("GitHub"), "{}", added.out);
    let elsewhere = ["add", "-a", "enterprise", "-k", "-", "--host", "github.example.com"];
    home.run_with_input(&elsewhere, "ghp_0123456789").ok();
    assert_eq!(home.json(&["get", "enterprise", "--json"])["hosts"], json!(["github.example.com"]));
}

#[test]
fn an_unbound_credential_comes_with_the_one_command_that_binds_it() {
    let home = Home::set_up();
    let added = home.add("internal", &[]).ok();
    assert!(added.out.contains("\n  vultrino bind internal HOST\n"), "{}", added.out);
    assert!(home.run(&["get", "internal"]).ok().out.contains("vultrino bind internal HOST"));
    let bound = home.run(&["bind", "internal", "https://api.example.com/", "api.example.com:*"]).ok();
    assert_eq!(bound.out, "internal is bound to api.example.com, api.example.com:*\n");
    home.run(&["bind", "internal"]).fails_with(2).says("<HOST>");
    home.run(&["unbind", "internal", "other.example"]).fails_with(3).says("is not bound to other.example");
    let left = home.run(&["unbind", "internal", "api.example.com:*"]).ok();
    assert_eq!(left.out, "internal is bound to api.example.com\n");
    let none = home.run(&["unbind", "internal", "api.example.com"]).ok();
    assert_eq!(none.out, "internal is bound to no host; nothing can use it\n");
}

#[test]
fn basic_auth_takes_a_name_and_a_password() {
    let home = Home::set_up();
    let add = ["add", "-a", "jira", "-t", "basic_auth", "-u", "ada@example.com", "-p", "-", "--host", "jira.example"];
    home.run_with_input(&add, "secret\n").ok();
    assert_eq!(home.json(&["get", "jira", "--json"])["type"], "basic_auth");
    let with_colon = ["add", "-a", "x", "-t", "basic_auth", "-u", "a:b", "-p", "-"];
    home.run_with_input(&with_colon, "secret").fails_with(2).says("colon");
}

#[test]
fn the_alias_may_come_first_and_the_header_has_an_option() {
    let home = Home::set_up();
    home.run_with_input(&["add", "wiki", "-k", "-", "--header", "Authorization=Token"], "plain").ok();
    let prefixed = json!({"header_name": "Authorization", "header_prefix": "Token "});
    assert_eq!(home.json(&["get", "wiki", "--json"])["metadata"], prefixed);
    let bare = ["add", "search", "-k", "-", "--header", "X-API-Key", "--metadata", r#"{"team":"a"}"#];
    home.run_with_input(&bare, "plain").ok();
    assert_eq!(home.json(&["get", "search", "--json"])["metadata"], json!({"header_name": "X-API-Key", "team": "a"}));
}

#[test]
fn a_key_after_host_is_refused_and_not_repeated() {
    let home = Home::set_up();
    home.add("x", &[]).ok();
    let jwt = format!("{}.canary42.{}", "e".repeat(70), "f".repeat(70));
    for (arguments, said) in [
        (&["add", "y", "-k", "-", "--host", "ghp_canary42"][..], "this looks like a key"),
        (&["bind", "x", "sk-ant-canary42"], "this looks like a key"),
        (&["bind", "x", "ghs_canary42.of.dots"], "this looks like a key"),
        (&["bind", "x", &jwt], "not a host name"),
        (&["bind", "x", "a+canary42=="], "not a host name"),
    ] {
        let ran = home.run_with_input(arguments, "").fails_with(2).says(said);
        assert!(!ran.err.contains("canary42"), "{}", ran.err);
    }
    home.run(&["bind", "x", "127.1"]).fails_with(2).says("invalid value for '[HOST]...'");
}

#[test]
fn an_alias_is_taken_whatever_its_case() {
    let home = Home::set_up();
    home.add("github", &[]).ok();
    for alias in ["github", "GitHub"] {
        home.add(alias, &[]).fails_with(1).says("a credential named `github` exists already");
    }
    assert_eq!(home.json(&["list", "--json"]).as_array().unwrap().len(), 1);
}

#[test]
fn arguments_that_make_no_sense_are_told_with_code_2() {
    let home = Home::set_up();
    for (arguments, said) in [
        (&["add", "--alias", "no blanks", "-k", "-"][..], "not an alias"),
        (&["add", "-a", "../x", "-k", "-"], "not an alias"),
        (&["add", "-a", "x", "-k", "-", "--metadata", "{"], "not valid JSON"),
        (&["add", "-a", "x", "-k", "-", "--metadata", "[]"], "must be a JSON object"),
        (&["add", "-a", "x", "-k", "-", "--metadata", r#"{"header_name":"Host"}"#], "cannot be `Host`"),
        (&["add", "-a", "x", "-k", "-", "--host", "a b"], "not a host name"),
        (&["add", "-a", "x", "-k", "-", "--host", "127.1"], "plain decimal form"),
        (&["add", "-a", "x", "-t", "oauth2", "-k", "-"], "not built yet"),
        (&["add", "-a", "x", "-t", "token", "-k", "-"], "unknown credential type"),
        (&["add", "-a", "x", "-k", "-", "--username", "u"], "Invalid credential format"),
        (&["add", "-a", "x", "-t", "basic_auth", "-k", "-"], "Invalid credential format"),
        (&["add", "-a", "x"], "--key - and the value on standard input"),
        (&["add", "-a", "x", "-t", "basic_auth", "-p", "-"], "--username is missing"),
        (&["add", "-k", "-"], "<ALIAS"),
        (&["add", "x", "-a", "x", "-k", "-"], "cannot be used with"),
        (&["add", "x", "-k", "-", "--host", "https://api.example.com/v1"], "not to a path"),
        (&["add", "x", "-k", "-", "--host", "api.example.com/v1"], "not to a path"),
        (&["add", "x", "-k", "-", "--metadata", r#"{"header-name":"X-API-Key"}"#], "write `header_name`"),
        (&["add", "x", "-k", "-", "--metadata", r#"{"headerName":"X-API-Key"}"#], "write `header_name`"),
        (&["add", "x", "-k", "-", "--header", "Host"], "cannot be `Host`"),
        (&["add", "x", "-k", "-", "--header", "X=a\nb"], "printable ASCII"),
        (&["add", "x", "-k", "-", "--header", "X", "--metadata", r#"{"header_name":"Y"}"#], "named twice"),
        (&["add", "x", "-t", "basic_auth", "-u", "u", "-p", "-", "--header", "X"], "Invalid credential format"),
        (&["bind", "x"], "<HOST>"),
        (&["nonsense"], "nonsense"),
        (&["list", "--nonsense"], "--nonsense"),
        (&[], "Usage:"),
    ] {
        let ran = home.run_with_input(arguments, "");
        assert_eq!(ran.code, 2, "{arguments:?} {ran:#?}");
        assert!(ran.err.contains(said), "{arguments:?} {ran:#?}");
    }
    assert_eq!(home.json(&["list", "--json"]), json!([]));
}

#[test]
fn keys_that_cannot_be_sent_are_refused() {
    let home = Home::set_up();
    for key in ["a\rb", "a\nb", "a\0b", "\u{1}", "ключ", "", "\n"] {
        home.run_with_input(&["add", "-a", "x", "-k", "-"], key).fails_with(2);
    }
    assert_eq!(home.json(&["list", "--json"]), json!([]));
}

#[test]
fn each_key_that_cannot_be_sent_is_told_why() {
    let home = Home::set_up();
    let why = [(" key", "a blank"), ("key ", "a blank"), ("a\nb", "a line end"), ("a\u{1}b", "a control character")];
    for (key, said) in why {
        home.run_with_input(&["add", "x", "-k", "-"], key).fails_with(2).says(said);
    }
}

#[test]
fn what_is_not_there_is_told_with_code_3() {
    let home = Home::set_up();
    home.add("github", &[]).ok();
    for arguments in
        [&["get", "nope"][..], &["delete", "nope", "--force"], &["bind", "nope", "a.b"], &["get", "GITHUB"]]
    {
        home.run(arguments).fails_with(3).says("Credential not found: ").says("vultrino list");
    }
}

#[test]
fn deleting_asks_and_believes_the_answer() {
    let home = Home::set_up();
    home.add("old-api-key", &[]).ok();
    let asked = home.run(&["delete", "old-api-key"]).fails_with(2);
    asked.says("Are you sure you want to delete 'old-api-key'? [y/N]").says("--force");
    for no in ["n\n", "\n", "nope\n"] {
        home.run_with_input(&["delete", "old-api-key"], no).fails_with(1).says("'old-api-key' was kept");
    }
    let deleted = home.run_with_input(&["remove", "old-api-key"], "y\n").ok();
    assert_eq!(deleted.out, "Deleted credential: old-api-key\n");
    home.run(&["get", "old-api-key"]).fails_with(3);
}

#[test]
fn help_version_and_completions_are_there() {
    let home = Home::empty();
    let version = home.run(&["--version"]).ok().out;
    assert_eq!(version, format!("vultrino {}\n", env!("CARGO_PKG_VERSION")));
    let commands = [
        "init",
        "add",
        "list",
        "get",
        "delete",
        "bind",
        "unbind",
        "demo",
        "serve",
        "request",
        "ca",
        "admin",
        "password",
        "completions",
    ];
    let help = home.run(&["--help"]).ok().out;
    for command in commands {
        assert!(help.contains(&format!("\n  {command} ")), "{command}");
        assert!(home.run(&[command, "-h"]).ok().out.contains("Usage: vultrino "), "{command}");
    }
    for (shell, word) in
        [("bash", "complete -o"), ("zsh", "#compdef"), ("fish", "complete --"), ("powershell", "Register-")]
    {
        assert!(home.run(&["completions", shell]).ok().out.contains(word), "{shell}");
    }
    home.run(&["completions", "tcsh"]).fails_with(2);
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let home = Home::set_up();
    let mut command = home.command(&["completions", "bash"]);
    let mut child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ran = Ran::from(child.wait_with_output().unwrap()).ok();
    assert_eq!(ran.err, "");
}
