//! The lines of the log: their form, and what they say of changes.

use std::fs;

use serde_json::{Value, json};

use crate::{
    access::server,
    support::{
        Appliance, Credential,
        appliance::{ALIAS, Builder, KEY},
    },
};

/// The environment that systemd gives: the stream that standard error is.
const UNDER_SYSTEMD: &str = "JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec \"$@\"";

fn under_systemd(builder: Builder, script: &str) -> Appliance {
    builder.through(&["sh", "-c", script, "sh"]).start()
}

/// Has the server log a warning, an error of several lines and a change.
fn log_much(appliance: &Appliance) {
    appliance.set("logging.level", "\"debug\"");
    appliance.expect_printed("logging.level");
    appliance.set("limits.header_bytes", "\"many\"");
    appliance.expect_printed("the configuration cannot be taken");
}

fn logged(appliance: &Appliance) -> Vec<String> {
    let text = appliance.printed();
    text.lines().filter(|it| it.contains("the configuration") || it.contains("settings have")).map(Into::into).collect()
}

#[test]
fn under_systemd_lines_have_a_priority_and_no_time() {
    let appliance = under_systemd(Appliance::builder(), UNDER_SYSTEMD);
    log_much(&appliance);
    let lines = logged(&appliance);
    let begins = |start: &str| lines.iter().any(|it| it.starts_with(start));
    assert!(begins("<6>vultrino::") && begins("<4>vultrino::") && begins("<3>vultrino::"), "{lines:#?}");
    assert!(lines.iter().all(|it| it.starts_with('<') && !it.contains('\x1b')), "{lines:#?}");
}

#[test]
fn another_stream_than_that_of_systemd_gets_text_unless_told_otherwise() {
    let appliance = under_systemd(Appliance::builder(), "JOURNAL_STREAM=1:1 exec \"$@\"");
    log_much(&appliance);
    let lines = logged(&appliance);
    assert!(lines.len() >= 3 && lines.iter().all(|it| it.starts_with("20") && it.contains("Z ")), "{lines:#?}");
    let appliance = Appliance::builder().set("logging.format", "\"journal\"").start();
    log_much(&appliance);
    assert!(logged(&appliance).iter().all(|it| it.starts_with('<')));
    let appliance = under_systemd(Appliance::builder().set("logging.format", "\"text\""), UNDER_SYSTEMD);
    log_much(&appliance);
    assert!(logged(&appliance).iter().all(|it| it.starts_with("20")));
}

#[test]
fn json_is_an_object_a_line() {
    let appliance = Appliance::builder().set("logging.format", "\"json\"").start();
    log_much(&appliance);
    let lines = logged(&appliance);
    let read: Vec<Value> = lines.iter().map(|it| serde_json::from_str(it).unwrap()).collect();
    for (level, text) in [("INFO", "was read anew"), ("WARN", "these settings"), ("ERROR", "cannot be taken")] {
        let line = read.iter().find(|it| it["level"] == level).unwrap_or_else(|| panic!("{level} in {lines:#?}"));
        assert!(line["message"].as_str().unwrap().contains(text), "{line}");
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z') && line["target"].is_string(), "{line}");
    }
    assert!(read.iter().any(|it| it["settings"] == "logging.level"), "{lines:#?}");
}

#[test]
fn changes_are_logged_with_what_changed_and_by_whom() {
    let appliance = server().role("admins", "admin,read,write", "").key("ada", "admins").start();
    appliance.add(&Credential::key("added", "canary-1", &["added.example"]));
    appliance.expect_printed("changed=credential added added");
    appliance.cli(&["bind", "added", "--host", "more.example"]).expect_success();
    appliance.expect_printed("changed=credential added changed");
    let mut api = appliance.api(appliance.key("ada"));
    let new = json!({ "name": "fresh", "permissions": ["read"] });
    assert_eq!(api.post("/v1/roles", &new).status(), 201);
    appliance.expect_printed("principal=ada action=\"role_create\"");
    appliance.expect_printed("changed=role fresh added");
    let key = appliance.mint("others", &["--permissions", "read"]);
    appliance.expect_printed(&format!("key {} (of-a-test) added", &key[..11]));
    appliance.cli(&["delete", "added", "--force"]).expect_success();
    appliance.expect_printed("changed=credential added removed");
    appliance.set("rate_limits.proxy", "77");
    appliance.expect_printed("changed=[rate_limits] changed");
    let policy = format!(
        "\n[[policies]]\nname = \"fresh-policy\"\ncredential_pattern = \"{ALIAS}\"\ndefault_action = \"deny\"\n"
    );
    let file = appliance.home().join("config.toml");
    fs::write(&file, fs::read_to_string(&file).unwrap() + &policy).unwrap();
    appliance.expect_printed("changed=policy fresh-policy added");
    let printed = appliance.printed();
    assert!(!printed.contains("canary") && !printed.contains(KEY) && !printed.contains(&key), "{printed}");
}
