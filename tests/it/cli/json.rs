//! `--json`: every command that has it prints what the book says, and every failure is an object as well.

use std::{collections::BTreeSet, fs};

use serde_json::{Map, Value};

use crate::{
    cli::home::{CHEAP, Home, Ran},
    support::{Origin, certificates},
};

/// Commands in an order in which each finds what it needs, with what stands before `--json`. `KEY` is the id of a key, `URL`
/// that of an origin.
const COMMANDS: [(&str, &[&str]); 30] = [
    ("init", &[]),
    ("config check", &[]),
    ("add", &["one", "--key", "-", "--host", "localhost:*"]),
    ("list", &[]),
    ("get", &["one"]),
    ("bind", &["one", "b.example"]),
    ("unbind", &["one", "b.example"]),
    ("request", &["one", "URL"]),
    ("role create", &["r", "--permissions", "read,execute"]),
    ("role list", &[]),
    ("role get", &["r"]),
    ("role update", &["r", "--description", "text"]),
    ("key create", &["k", "--role", "r"]),
    ("key list", &[]),
    ("key revoke", &["KEY"]),
    ("role delete", &["r", "--force"]),
    ("policy test", &["-c", "one", "-u", "https://localhost/"]),
    ("policy explain", &["-c", "one", "-u", "https://localhost/"]),
    ("policy lint", &[]),
    ("policy replay", &[]),
    ("audit tail", &["-n", "1"]),
    ("audit show", &["1"]),
    ("audit report", &[]),
    ("audit verify", &[]),
    ("ca path", &[]),
    ("ca export", &[]),
    ("mcp install", &["cursor"]),
    ("bench", &["--requests", "4", "--connections", "2"]),
    ("admin set-password", &["--admin-password-stdin"]),
    ("delete", &["one", "--force"]),
];

/// As the book has them.
struct Shapes(Map<String, Value>);

impl Shapes {
    fn read() -> Self {
        let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/src/cli.md")).unwrap();
        let block = page.split("```text figure\n").last().unwrap().split("```").next().unwrap();
        Self(serde_json::from_str(block).unwrap())
    }

    fn expect(&self, name: &str, value: &Value) {
        assert!(self.fits(&self.0[name], value), "{name}: {value:#}");
    }

    fn fits(&self, shape: &Value, value: &Value) -> bool {
        match shape {
            Value::String(name) => match (name.trim_end_matches('?'), value) {
                (_, Value::Null) => name.ends_with('?'),
                ("text", it) => it.is_string(),
                ("number", it) => it.is_number(),
                ("bool", it) => it.is_boolean(),
                ("any", _) => true,
                (other, it) => self.fits(&self.0[other], it),
            },
            Value::Array(each) => value.as_array().is_some_and(|all| all.iter().all(|it| self.fits(&each[0], it))),
            Value::Object(fields) => value.as_object().is_some_and(|given| {
                let known = |key: &String| fields.contains_key(key) || fields.contains_key(&format!("{key}?"));
                let fits = |(key, shape): (&String, &Value)| match given.get(key.trim_end_matches('?')) {
                    Some(it) => self.fits(shape, it),
                    None => key.ends_with('?'),
                };
                given.keys().all(known) && fields.iter().all(fits)
            }),
            _ => false,
        }
    }
}

/// All commands, at whatever depth, whose help names `--json`.
fn with_json(home: &Home, words: &[&str], found: &mut BTreeSet<String>) {
    let help = home.run(&[words, &["--help"]].concat()).ok().out;
    if help.contains("      --json ") {
        found.insert(words.join(" "));
    }
    let listed = help.split_once("\nCommands:\n").map_or("", |(_, rest)| rest.split("\n\n").next().unwrap());
    for line in listed.lines().filter(|it| it.starts_with("  ") && !it.starts_with("   ")) {
        match line.split_whitespace().next() {
            Some("help") | None => (),
            Some(word) => with_json(home, &[words, &[word]].concat(), found),
        }
    }
}

#[test]
fn every_command_with_json_is_in_the_book_and_is_run_here() {
    let mut found = BTreeSet::new();
    with_json(&Home::empty(), &[], &mut found);
    let run: BTreeSet<String> = COMMANDS.iter().map(|(name, _)| (*name).to_owned()).collect();
    // The test of the shapes runs it last, for nothing opens the store with the old password then.
    assert_eq!(found, &run | &BTreeSet::from(["password change".to_owned()]));
    let shapes = Shapes::read().0;
    assert!(found.iter().all(|it| shapes.contains_key(it)));
}

#[test]
fn results_have_the_shapes_of_the_book() {
    let (home, shapes, origin) = (Home::empty(), Shapes::read(), Origin::https());
    let upstream = "[upstream]\nallow_private = [\"127.0.0.0/8\"]\nca_file = \"origins.pem\"\n";
    home.write(".config/vultrino/config.toml", &format!("{CHEAP}{upstream}"));
    home.write(".config/vultrino/origins.pem", certificates::trusted_ca());
    let mut key = String::new();
    for (name, arguments) in COMMANDS {
        let arguments = arguments.iter().map(|it| match *it {
            "KEY" => key.clone(),
            "URL" => origin.url("/x"),
            other => other.to_owned(),
        });
        let words: Vec<String> = name.split(' ').map(str::to_owned).chain(arguments).chain(["--json".into()]).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ran = home.run_with_input(&words, "plain-key-of-this-test\n").ok();
        let value: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{name}: {error} {ran:#?}"));
        shapes.expect(name, &value);
        if name == "key create" {
            value["id"].as_str().unwrap().clone_into(&mut key);
        }
    }
    let change = ["password", "change", "--new-password-stdin", "--json"];
    let ran = home.run_with_input(&change, "another password\n").ok();
    shapes.expect("password change", &serde_json::from_str(&ran.out).unwrap());
}

/// What every failure with `--json` is: one object on standard output, and the text for people on standard error.
#[track_caller]
fn fails(shapes: &Shapes, ran: Ran, code: i32, error: &str) {
    let ran = ran.fails_with(code);
    let value: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error} {ran:#?}"));
    shapes.expect("error", &value);
    assert_eq!(value["error"], error, "{ran:#?}");
    assert!(ran.err.contains("error"), "{ran:#?}");
}

#[test]
fn failures_are_objects_for_every_command() {
    let (home, shapes) = (Home::set_up(), Shapes::read());
    for (name, _) in COMMANDS {
        let words: Vec<&str> = name.split(' ').chain(["--json", "--no-such-option"]).collect();
        fails(&shapes, home.run(&words), 2, "invalid_request");
    }
    home.write("bad.toml", "[storage\n");
    for (name, arguments) in COMMANDS {
        // These need no configuration, or not with these arguments.
        if ["mcp install", "bench", "policy lint"].contains(&name) {
            continue;
        }
        let words = ["--config", "bad.toml"].into_iter().chain(name.split(' ')).chain(arguments.iter().copied());
        let words: Vec<&str> = words.map(|it| if it == "URL" { "https://localhost/" } else { it }).collect();
        let ran = home.run_with_input(&[&words[..], &["--json"]].concat(), "plain\n");
        fails(&shapes, ran, 1, "invalid_configuration");
    }
}

#[test]
fn each_kind_of_failure_has_its_code_and_its_exit_status() {
    let (home, shapes) = (Home::set_up(), Shapes::read());
    home.add("one", &["--host", "a.example"]).ok();
    for (arguments, code, error) in [
        (&["get", "nobody"][..], 3, "not_found"),
        (&["delete", "nobody", "--force"], 3, "not_found"),
        (&["bind", "nobody", "b.example"], 3, "not_found"),
        (&["unbind", "one", "b.example"], 3, "not_found"),
        (&["role", "get", "nobody"], 3, "not_found"),
        (&["role", "update", "nobody", "--description", "x"], 3, "not_found"),
        (&["role", "delete", "nobody", "--force"], 3, "not_found"),
        (&["key", "create", "k", "--role", "nobody"], 3, "not_found"),
        (&["key", "revoke", "vk_00000000"], 3, "not_found"),
        (&["audit", "show", "99"], 3, "not_found"),
        (&["request", "nobody", "https://a.example/"], 3, "not_found"),
        (&["request", "one", "https://b.example/"], 4, "forbidden"),
        (&["add", "one", "--key", "-"], 1, "conflict"),
        (&["delete", "one"], 2, "invalid_request"),
        (&["init"], 1, "failed"),
    ] {
        let ran = home.run_with_input(&[arguments, &["--json"]].concat(), if arguments[0] == "add" { "k" } else { "" });
        fails(&shapes, ran, code, error);
    }
    let mut wrong = home.command(&["list", "--json"]);
    fails(&shapes, Ran::of(wrong.env("VULTRINO_PASSWORD", "wrong password")), 5, "storage_error");
}

#[test]
fn what_a_check_finds_is_its_result_and_no_failure() {
    let (home, shapes) = (Home::empty(), Shapes::read());
    let policy = "[[policies]]\nname = \"p\"\ncredential_pattern = \"*\"\n\
                  rules = [{ condition = { url_match = \"https://a.example*\" }, action = \"allow\" }]\n";
    let file = home.write("p.toml", policy);
    let ran = home.run(&["policy", "lint", file.to_str().unwrap(), "--json"]).fails_with(1).says("1 warning");
    let found: Value = serde_json::from_str(&ran.out).unwrap();
    shapes.expect("policy lint", &found);
    assert_eq!(found.as_array().unwrap().len(), 1, "{found:#}");
}
