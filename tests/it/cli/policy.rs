//! `vultrino policy`: verdicts and concerns, told to people and to programs.

use crate::cli::home::Home;

const READ_ONLY: &str = r#"
[[policies]]
name = "github-readonly"
credential_pattern = "github-*"
default_action = "deny"
evaluation = "per_dimension"
rules = [
  { condition = { url_match = "https://api.github.com/*" }, action = "allow" },
  { condition = { method_match = ["GET", "HEAD"] }, action = "allow" },
  { condition = { time_window = { start = "09:00", end = "17:00", tz = "Europe/Berlin" } }, action = "allow" },
]
"#;

const CONFIG: &str = ".config/vultrino/config.toml";
const USER: &str = "https://api.github.com/user";
/// In summer, in Berlin.
const NOON: &str = "2026-06-01T12:00:00+02:00";

#[test]
fn the_verdict_is_one_line_and_both_are_a_success() {
    let home = Home::empty();
    home.write(CONFIG, READ_ONLY);
    let test = |method: &str, url: &str, at: &str| {
        let arguments = ["policy", "test", "--credential", "github-api", "--url", url, "--method", method, "--at", at];
        let ran = home.run(&arguments).ok();
        assert!(ran.err.contains("there is no credential store") && ran.err.contains("not checked"), "{ran:#?}");
        ran.out
    };
    assert_eq!(test("GET", USER, NOON), "Result: allow (matched rule 1: url_match)\n");
    assert_eq!(test("get", USER, "2026-06-01T09:00+02:00"), "Result: allow (matched rule 1: url_match)\n");
    assert_eq!(test("DELETE", USER, NOON), "Result: deny (default action)\n");
    assert_eq!(test("GET", USER, "2026-06-01T17:00:00+02:00"), "Result: deny (outside rule 3: time_window)\n");
}

#[test]
fn the_binding_of_a_stored_credential_counts_too() {
    let home = Home::set_up();
    home.write(CONFIG, &format!("{}{READ_ONLY}", crate::cli::home::CHEAP));
    home.add("github-api", &["--host", "api.github.com"]).ok();
    home.add("github-loose", &[]).ok();
    let test = |alias: &str, url: &str| home.json(&["policy", "test", "-c", alias, "-u", url, "--at", NOON, "--json"]);
    let allowed = test("github-api", USER);
    let expected = serde_json::json!({ "result": "allow", "binding": "bound", "policy": "github-readonly", "rule": 1 });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&allowed[key], value, "{allowed:#}");
    }
    assert_eq!(allowed["policies"][0]["rules"][2]["matched"], true);
    let elsewhere = test("github-api", "https://evil.example/");
    assert_eq!((&elsewhere["error"], &elsewhere["binding"]), (&"forbidden".into(), &"host_not_bound".into()));
    assert_eq!(test("github-loose", USER)["binding"], "unbound");
    home.run(&["policy", "test", "-c", "github-other", "-u", USER]).ok().says("there is no credential github-other");
    let mut keyless = home.command(&["policy", "test", "-c", "github-api", "-u", USER]);
    let ran = crate::cli::home::Ran::of(keyless.env_remove("VULTRINO_PASSWORD")).ok();
    assert!(ran.err.contains("the storage password is not set"), "{ran:#?}");
}

#[test]
fn what_cannot_be_asked_is_told() {
    let home = Home::empty();
    home.write(CONFIG, READ_ONLY);
    for (arguments, expected) in [
        (["-c", "a/b", "-u", USER], "not an alias"),
        (["-c", "a", "-u", "api.github.com/user"], "the URL must begin with http:// or https://"),
    ] {
        home.run(&[&["policy", "test"][..], &arguments].concat()).fails_with(2).says(expected);
    }
    home.run(&["policy", "test", "-c", "a", "-u", USER, "--at", "noon"]).fails_with(2).says("`noon` is not a time");
}

#[test]
fn explain_shows_every_rule_with_and_without_a_request() {
    let home = Home::empty();
    home.write(CONFIG, READ_ONLY);
    let all = home.run(&["policy", "explain"]).ok().out;
    for part in ["github-*", "1  allow  url_match https://api.github.com/*", "else deny"] {
        assert!(all.contains(part), "no {part:?} in {all}");
    }
    let one = home.run(&["policy", "explain", "-c", "github-api", "-u", USER, "-X", "PUT", "--at", NOON]).ok().out;
    for part in ["deny (default action)", "1  allow  matches  url_match", "2  allow  -        method_match"] {
        assert!(one.contains(part), "no {part:?} in {one}");
    }
    let ran = Home::empty().run(&["policy", "explain"]).ok();
    assert!(ran.out.is_empty() && ran.err.contains("No policies"), "{ran:#?}");
}

#[test]
fn lint_fails_where_something_is_hardly_meant() {
    let home = Home::empty();
    home.write(CONFIG, READ_ONLY);
    assert_eq!(home.run(&["policy", "lint"]).ok().out, "");
    home.write(CONFIG, &READ_ONLY.replace("evaluation = \"per_dimension\"\n", ""));
    assert_eq!(home.run(&["policy", "lint"]).ok().out, "", "the default need not be written down");
    let open = READ_ONLY.replace("default_action = \"deny\"", "default_action = \"allow\"");
    home.write(CONFIG, &open);
    let ran = home.run(&["policy", "lint"]).fails_with(1).says("error: 1 warning");
    assert!(ran.out.starts_with("no_host: policy \"github-readonly\": default_action allows"), "{ran:#?}");
    let odd = r#"[[policies]]
name = "odd"
credential_pattern = "*"
evaluation = "per_dimension"
rules = [
  { condition = { url_match = "https://api.github.com*" }, action = "allow" },
  { condition = { url_match = "https://api.github.com/" }, action = "deny" },
  { condition = { method_match = ["GET"] }, action = "allow" },
  { condition = { and = [
    { time_window = { start = "09:00", end = "10:00", tz = "UTC" } },
    { time_window = { start = "11:00", end = "12:00", tz = "UTC" } },
  ] }, action = "allow" },
  { condition = { rate_limit = { max = 1, window_secs = 1 } }, action = "deny" },
]
[[policies]]
name = "anywhere"
credential_pattern = "*"
default_action = "allow"
[[policies]]
name = "all-but-one-host"
credential_pattern = "*"
default_action = "allow"
rules = [{ condition = { url_match = "https://admin.example.com/*" }, action = "deny" }]
[[policies]]
name = "one-host"
credential_pattern = "*"
default_action = "allow"
rules = [{ condition = { url_match = "https://api.example.com{,/*}" }, action = "allow" }]
"#;
    let file = home.write("odd.toml", odd);
    let ran = home.run(&["policy", "lint", file.to_str().unwrap(), "--json"]).fails_with(1);
    let found: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let kinds: Vec<_> = found.as_array().unwrap().iter().map(|it| (it["rule"].as_u64(), it["kind"].as_str())).collect();
    let expected = [
        (Some(1), "star_in_host"),
        (Some(2), "shadowed"),
        (Some(4), "never_matches"),
        (Some(5), "always_denies"),
        (None, "no_host"),
    ];
    assert_eq!(kinds, expected.map(|(rule, kind)| (rule, Some(kind))));
}

#[test]
fn replay_tells_what_would_change() {
    let home = Home::empty();
    home.write(CONFIG, READ_ONLY);
    let line = |method: &str, url: &str, outcome: &str| {
        format!(
            "2026-06-01T10:00:00.000Z PATH http_request credential=github-api method={method} url={url} \
             source=127.0.0.1:5 key=- name=local status=200 {outcome} up=0 down=0 ms=1 id=0123456789abcdef\n"
        )
    };
    let log = [
        line("GET", "https://api.github.com/user?x=", "outcome=ok reason=-"),
        line("DELETE", "https://api.github.com/repos/o/r", "outcome=ok reason=-"),
        line("GET", "https://api.github.com/orgs", "outcome=denied reason=policy_denied"),
        line("GET", "https://api.github.com/orgs", "outcome=denied reason=host_not_bound"),
        "no line\n".to_owned(),
    ];
    let file = home.write("audit.log", &log.concat());
    let ran = home.run(&["policy", "replay", file.to_str().unwrap()]).ok();
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), 3, "{ran:#?}");
    assert!(lines[0].ends_with("/repos/o/r: allow -> deny (policy \"github-readonly\": default action)"), "{ran:#?}");
    assert!(lines[1].ends_with("https://api.github.com/orgs: deny -> allow"), "{ran:#?}");
    assert!(lines[2].starts_with("Judged 3: 1 that were allowed would be denied, 1 that"), "{ran:#?}");
    let told = home.json(&["policy", "replay", file.to_str().unwrap(), "--json"]);
    assert_eq!((told["judged"].as_u64(), told["skipped"].as_u64()), (Some(3), Some(1)));
    assert_eq!(told["changes"][0]["now"], "deny");
    home.run(&["policy", "replay"]).fails_with(1).says("audit.log");

    // What was rotated away belongs to it.
    home.write("audit.log.1", &log[1]);
    home.write("audit.log.2.gz", "");
    let ran = home.run(&["policy", "replay", file.to_str().unwrap()]).ok();
    assert!(ran.out.contains("Judged 4: 2 that were allowed would be denied"), "{ran:#?}");
    ran.says("audit.log.1, ").says("compressed, so not read: ").says("audit.log.2.gz");
    let other = home.write("notes", "no line\n");
    home.run(&["policy", "replay", other.to_str().unwrap()]).fails_with(1).says("is no audit log");
    home.run(&["policy", "replay", "/dev/null"]).ok();
}
