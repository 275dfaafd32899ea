//! Policies in the configuration: what is wrong is told at its place, and `include` brings in more.

use crate::cli::home::{Home, Ran};

const POLICY: &str = "[[policies]]\nname = \"a\"\ncredential_pattern = \"github-*\"\n";

/// Each: what follows the three lines of a policy, the place, and what must be said.
const REFUSED: &[(&str, &str, &[&str])] = &[
    ("defualt_action = \"deny\"", "4:1", &["unknown key `policies.defualt_action`", "did you mean `default_action`?"]),
    ("default_action = \"dney\"", "4:18", &["`policies.default_action` cannot be `dney`", "did you mean `deny`?"]),
    ("default_action = \"prompt\"", "4:18", &["`prompt` is not built yet"]),
    ("evaluation = \"first\"", "4:14", &["cannot be `first`", "did you mean `first_match`?"]),
    ("rules = [{ action = \"allow\" }]", "4:10", &["missing field `condition`"]),
    ("[[policies]]\nname = \"a\"\ncredential_pattern = \"*\"", "5:8", &["two policies have the name \"a\""]),
    ("[[policies]]\nname = \"b/c\"\ncredential_pattern = \"*\"", "5:8", &["a policy's name has 1 to 64 letters"]),
    ("[[policies]]\nname = \"b\"\ncredential_pattern = \"[\"", "6:22", &["a pattern has letters, digits"]),
    ("[[policies]]\nname = \"b\"", "4:1", &["missing field `credential_pattern`"]),
];

/// The same for the condition of a rule, which begins in line 6 at column 13.
const CONDITIONS: &[(&str, &str, &[&str])] = &[
    ("{ url_mtach = \"https://h/*\" }", "6:15", &["cannot be `url_mtach`", "did you mean `url_match`?"]),
    ("{ url_match = \"h/*\" }", "6:27", &["a URL pattern begins with https:// or http://"]),
    ("{ url_match = \"https://h/{a\" }", "6:27", &["braces hold alternatives"]),
    ("{ url_match = \"*\", method_match = [\"GET\"] }", "6:13", &["a condition is one thing; join several"]),
    ("{}", "6:13", &["the condition is empty"]),
    ("{ method_match = [] }", "6:30", &["`method_match` names no method"]),
    ("{ method_match = [\"GE T\"] }", "6:30", &["`GE T` is not an HTTP method"]),
    ("{ time_window = { start = \"09:00\", end = \"09:00\" } }", "6:29", &["`start` and `end` are the same time"]),
    ("{ time_window = { start = \"9\", end = \"10:00\" } }", "6:39", &["`9` is not a time of day"]),
    ("{ time_window = { start = \"09:00\", end = \"10:00\", tz = \"X/Y\" } }", "6:68", &["`X/Y` is not a time zone"]),
    ("{ time_window = { start = \"09:00\", end = \"10:00\", days = [\"monday\"] } }", "6:71", &["did you mean `mon`?"]),
    ("{ rate_limit = { max = 0, window_secs = 60 } }", "6:28", &["`max` is 0, which allows nothing"]),
    ("{ rate_limit = { max = 1, window_secs = 0 } }", "6:28", &["`window_secs` is at least 1"]),
    ("{ rate_limit = { max = 1, window = 60 } }", "6:39", &["did you mean `window_secs`?"]),
    ("{ rate_limit = { max = 1, window_secs = 6, per = \"user\" } }", "6:62", &["cannot be `user`", "credential, key"]),
    ("{ and = [] }", "6:21", &["this list joins no conditions"]),
    ("{ and = [\n  { not = { method_mtach = [] } },\n] }", "7:13", &["cannot be `method_mtach`"]),
];

#[track_caller]
fn refused(home: &Home, text: &str, place: &str, expected: &[&str]) {
    home.write("config.toml", text);
    let ran: Ran = home.run(&["--config", "config.toml", "config", "check"]).fails_with(1);
    let unwrapped = ran.err.replace("\n  │ ", " ");
    for part in expected.iter().copied().chain([format!("config.toml:{place}]").as_str()]) {
        assert!(unwrapped.contains(part), "no {part:?} for {text}\n{}", ran.err);
    }
}

#[test]
fn whatever_is_wrong_in_a_policy_is_underlined() {
    let home = Home::empty();
    for (more, place, expected) in REFUSED {
        refused(&home, &format!("{POLICY}{more}\n"), place, expected);
    }
    for (condition, place, expected) in CONDITIONS {
        let text = format!("{POLICY}[[policies.rules]]\naction = \"allow\"\ncondition = {condition}\n");
        refused(&home, &text, place, expected);
    }
}

#[test]
fn conditions_nest_32_deep_and_no_deeper() {
    let home = Home::empty();
    let nested = |depth: usize| {
        let (open, close) = ("{ not = ".repeat(depth), " }".repeat(depth));
        format!(
            "{POLICY}[[policies.rules]]\naction = \"allow\"\ncondition = {open}{{ method_match = [\"GET\"] }}{close}\n"
        )
    };
    home.write("config.toml", &nested(32));
    home.run(&["--config", "config.toml", "config", "check"]).ok();
    refused(&home, &nested(33), "6:269", &["nested more than 32 deep"]);
    home.write("config.toml", &nested(10_000));
    home.run(&["--config", "config.toml", "config", "check"])
        .fails_with(1)
        .says("this is not TOML")
        .says("config.toml:6:");
}

#[test]
fn include_brings_in_the_files_that_it_names_in_their_order() {
    let home = Home::empty();
    let config = home.write(
        "etc/config.toml",
        "[policy]\ninclude = [\"policies/*.toml\", \"none-*.toml\", \"one.toml\", \"policies/10-a.toml\"]\n",
    );
    let policy = |name: &str| format!("[[policies]]\nname = \"{name}\"\ncredential_pattern = \"*\"\n");
    home.write("etc/one.toml", &policy("one"));
    home.write("etc/policies/20-b.toml", &policy("b"));
    home.write("etc/policies/10-a.toml", &policy("a"));
    home.write("etc/policies/.hidden.toml", "no");
    home.write("etc/policies/notes.txt", "no");
    let config = config.to_str().unwrap();
    let shown = home.json(&["--config", config, "policy", "explain", "--json"]);
    let names: Vec<_> = shown.as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names, ["a", "b", "one"]);

    home.write("etc/policies/30-c.toml", "[[policies]]\nname = \"b\"\ncredential_pattern = \"*\"\n");
    let ran = home.run(&["--config", config, "config", "check"]).fails_with(1);
    assert!(ran.err.contains("two policies have the name \"b\"") && ran.err.contains("30-c.toml:2:8"), "{ran:#?}");
    home.write("etc/policies/30-c.toml", "[server]\nbind = \"127.0.0.1:1\"\n");
    let ran = home.run(&["--config", config, "config", "check"]).fails_with(1);
    assert!(ran.err.contains("unknown key `server`") && ran.err.contains("30-c.toml:1:2"), "{ran:#?}");
}

#[test]
fn an_include_that_cannot_be_is_underlined() {
    let home = Home::empty();
    for (text, expected) in [
        ("[policy]\ninclude = [\"one.toml\"]\n", "one.toml does not exist"),
        ("[policy]\ninclude = [\"none/*.toml\"]\n", "none does not exist"),
        ("[policy]\ninclude = [\".\"]\n", "is no file"),
        ("[policy]\ninclude = [\"*/a.toml\"]\n", "has a `*` before its last part"),
        ("[policy]\ninclude = [\"\"]\n", "this path is empty"),
        ("[policy]\ninclude = [\"~ada/x.toml\"]\n", "`~ada` is not expanded"),
    ] {
        refused(&home, text, "2:11", &[expected]);
    }
    refused(&home, "[policy]\nincludes = []\n", "2:1", &["did you mean `include`?"]);
}
