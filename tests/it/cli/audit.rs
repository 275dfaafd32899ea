//! `vultrino audit`: the log is asked, exported, counted and verified.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::PathBuf,
};

use serde_json::Value;

use crate::cli::home::{Home, PASSWORD, Ran, Running, piped};

fn log(home: &Home) -> PathBuf {
    home.path(".local/share/vultrino/audit.log")
}

/// Seven records: five changes of two credentials, one of them refused, and two requests that were refused.
fn used() -> Home {
    let home = Home::set_up();
    home.add("github", &["--host", "a.example"]).ok();
    home.add("github", &[]).fails_with(1);
    home.add("gitlab", &["--host", "b.example"]).ok();
    home.run(&["request", "github", "https://b.example/x?token=s3cret"]).fails_with(4);
    home.run(&["request", "gitlab", "https://a.example/"]).fails_with(4);
    home.run(&["bind", "github", "c.example"]).ok();
    home.run(&["get", "github", "--show-secret", "--force"]).ok();
    home
}

/// As somebody who may read the log and knows no password.
fn ask(home: &Home, arguments: &[&str]) -> Ran {
    let mut command = home.command(&[&["audit"], arguments].concat());
    command.env_remove("VULTRINO_PASSWORD");
    Ran::of(&mut command)
}

#[test]
fn tail_shows_the_last_lines_as_they_are() {
    let home = used();
    let text = fs::read_to_string(log(&home)).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 7);
    assert_eq!(ask(&home, &["tail"]).ok().out, text);
    assert_eq!(ask(&home, &["tail", "-n", "2"]).ok().out, format!("{}\n{}\n", lines[5], lines[6]));
    assert_eq!(ask(&home, &["tail", "-n", "0"]).ok().out, "");
    let count = |arguments: &[&str]| ask(&home, &[&["tail"], arguments].concat()).ok().out.lines().count();
    assert_eq!(count(&["--credential", "git*"]), 7);
    assert_eq!(count(&["--credential", "{gitlab,other}"]), 2);
    assert_eq!(count(&["--outcome", "denied"]), 3);
    assert_eq!(count(&["--door", "cli"]), 2);
    assert_eq!(count(&["--action", "credential_reveal"]), 1);
    assert_eq!(count(&["--reason", "host_not_bound", "--credential", "github"]), 1);
    assert_eq!(count(&["--text", "token="]), 1);
    assert_eq!(count(&["--since", "1h", "--until", "2100-01-01"]), 7);
    assert_eq!(count(&["--until", "1h"]), 0);
    let json = ask(&home, &["tail", "-n", "1", "--json"]).ok().out;
    let record: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&record["action"], &record["seq"], &record["url"]),
        (&"credential_reveal".into(), &7.into(), &Value::Null)
    );
    assert!(!text.contains("s3cret"));
}

#[test]
fn tail_follows_the_log_over_a_rotation() {
    let home = used();
    let mut command = home.command(&["audit", "tail", "-n", "1", "-f"]);
    let mut following = Running(piped(&mut command).spawn().unwrap());
    let mut said = BufReader::new(following.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.next().unwrap().contains(" credential_reveal "));
    home.run(&["bind", "gitlab", "d.example"]).ok();
    assert!(said.next().unwrap().contains(" seq=8 "));
    fs::rename(log(&home), home.path(".local/share/vultrino/audit.log.1")).unwrap();
    home.run(&["unbind", "gitlab", "d.example"]).ok();
    assert!(said.next().unwrap().contains(" credential_unbind "));
}

#[test]
fn one_record_is_shown_by_its_id_or_number() {
    let home = used();
    let shown = ask(&home, &["show", "4"]).ok().out;
    assert!(shown.contains("\nurl         https://b.example/x?token=\n"), "{shown}");
    let record: Value = serde_json::from_str(&ask(&home, &["show", "4", "--json"]).ok().out).unwrap();
    let id = record["id"].as_str().unwrap();
    assert_eq!(ask(&home, &["show", id]).ok().out, shown);
    ask(&home, &["show", "99"]).fails_with(3).says("no record has seq=99");
    ask(&home, &["show", "xyz"]).fails_with(2);
}

#[test]
fn records_are_exported_for_other_programs() {
    let home = used();
    let jsonl = ask(&home, &["export"]).ok().out;
    let records: Vec<Value> = jsonl.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    let json: Vec<Value> = serde_json::from_str(&ask(&home, &["export", "--format", "json"]).ok().out).unwrap();
    assert_eq!((records.len(), &records), (7, &json));
    assert_eq!(ask(&home, &["export", "--format", "json", "--until", "1h"]).ok().out, "[]\n");
    let csv = ask(&home, &["export", "--format", "csv", "--outcome", "denied"]).ok().out;
    let rows: Vec<&str> = csv.split("\r\n").collect();
    assert!(rows[0].starts_with("seq,id,time,door,action,credential,"), "{csv}");
    assert!(rows.len() == 5 && rows[4].is_empty() && rows[2].contains(",https://b.example/x?token=,"), "{csv}");
}

#[test]
fn a_name_that_is_a_formula_is_none_in_a_spreadsheet() {
    let home = used();
    let text = fs::read_to_string(log(&home)).unwrap().replace("name=local", "name==cmd()|\\x27\\x20!A1");
    fs::write(log(&home), text).unwrap();
    let csv = ask(&home, &["export", "--format", "csv"]).ok().out;
    assert!(csv.contains(",'=cmd()|' !A1,") && !csv.contains(",=cmd"), "{csv}");
}

#[test]
fn a_report_counts_requests_refusals_and_hosts() {
    let home = used();
    let report: Value = serde_json::from_str(&ask(&home, &["report", "--json", "--since", "1d"]).ok().out).unwrap();
    assert_eq!(report["requests"].as_array().unwrap().len(), 2);
    assert_eq!((&report["requests"][0]["credential"], &report["requests"][0]["denied"]), (&"github".into(), &1.into()));
    assert_eq!(report["denials"][0], serde_json::json!({"name": "host_not_bound", "count": 2}));
    assert_eq!(report["changes"], 5);
    // A change is one whoever makes it.
    let by_api = fs::read_to_string(log(&home)).unwrap().replace(" ADMIN ", " API ");
    fs::write(log(&home), by_api).unwrap();
    let again: Value = serde_json::from_str(&ask(&home, &["report", "--json", "--since", "1d"]).ok().out).unwrap();
    assert_eq!(again, report);
    let text = ask(&home, &["report"]).ok().out;
    assert!(text.contains("host_not_bound") && !text.contains('█') && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn verify_needs_the_password_and_finds_what_was_done() {
    let home = used();
    ask(&home, &["verify"]).fails_with(2).says("the storage password is missing");
    let verify = || home.run(&["audit", "verify"]);
    assert_eq!(verify().ok().out, "Verified 7 records, 1 to 7, in 1 file\n");
    let text = fs::read_to_string(log(&home)).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();

    fs::write(log(&home), text.replace("credential_reveal", "credential_deceit")).unwrap();
    verify().fails_with(1).says("record 7 is not as it was written").says("audit.log, line 7");
    fs::write(log(&home), [&lines[..3], &lines[4..]].concat().concat()).unwrap();
    verify().fails_with(1).says("record 4 is missing");
    let finding = home.run(&["audit", "verify", "--json"]).fails_with(1).out;
    let finding: Value = serde_json::from_str(&finding).unwrap();
    assert_eq!((&finding["ok"], &finding["sequence"], &finding["line"]), (&false.into(), &4.into(), &4.into()));
    fs::write(log(&home), lines[..5].concat()).unwrap();
    verify().fails_with(1).says("records 6 to 7 are cut off at the end");
    // Who can write the log can remove the head of the chain, too. The store knows.
    let head = home.path(".local/share/vultrino/journal/chain");
    let whole = fs::read(&head).unwrap();
    fs::remove_file(&head).unwrap();
    verify().fails_with(1).says("records 6 to 7 are cut off at the end");
    fs::remove_file(log(&home)).unwrap();
    verify().fails_with(1).says("records 1 to 7 are cut off at the end");
    fs::write(log(&home), &text).unwrap();
    let gone = "what remembers that the chain ends with record 7 is gone or not as it was written";
    verify().fails_with(1).says(gone);
    let noise = |at: usize| [&whole[..at], &[0x5a; 20], &whole[at + 20..]].concat();
    for at in [0, 40, 128] {
        fs::write(&head, noise(at)).unwrap();
        verify().fails_with(1).says(gone);
    }
    home.run(&["bind", "github", "d.example"]).ok().says("is made anew");
    verify().ok();
}

#[test]
fn a_log_whose_beginning_is_gone_is_verified_only_from_where_somebody_says() {
    let home = used();
    let text = fs::read_to_string(log(&home)).unwrap();
    let rest = |from: usize| text.split_inclusive('\n').skip(from).collect::<String>();
    let verify = |more: &[&str]| home.run(&[&["audit", "verify"], more].concat());
    fs::write(log(&home), rest(3)).unwrap();
    verify(&[]).fails_with(1).says("records 1 to 3 are missing").says("say where to begin: --from 4");
    assert_eq!(verify(&["--from", "4"]).ok().out, "Verified 3 records, 5 to 7, in 1 file\n");
    verify(&["--from", "3"]).fails_with(1).says("record 3 is missing");
    verify(&["--from", "8"]).fails_with(2).says("there is no record 8 yet; the last one is 7");
    fs::write(log(&home), rest(1)).unwrap();
    verify(&[]).fails_with(1).says("record 1 is missing");
    fs::write(log(&home), text.replacen(" ADMIN ", " CLI ", 1)).unwrap();
    verify(&[]).fails_with(1).says("record 1 is not as it was written").says("audit.log, line 1");
}

#[test]
fn a_new_store_begins_a_new_chain_in_the_old_log() {
    let home = used();
    home.init(&["--force", "--wipe", "--yes"]).ok();
    home.add("fresh", &[]).ok();
    let verified = home.run(&["audit", "verify"]).ok();
    assert_eq!(verified.out, "Verified 1 record, number 1, in 1 file\n");
    let verified = verified.says("Lines of another store before the first record: 7");
    assert!(!verified.err.contains(PASSWORD));
}

#[test]
fn a_filter_that_fits_nothing_is_refused() {
    let home = used();
    for command in ["tail", "export", "report"] {
        let wrong = |arguments: &[&str]| ask(&home, &[&[command], arguments].concat()).fails_with(2);
        wrong(&["--door", "bogus"]).says("[possible values: path, forward, connect, tunnel, api, mcp, cli, admin]");
        wrong(&["--outcome", "bogus"]).says("[possible values: ok, denied, client_abort");
        wrong(&["--since", "2026-12-01", "--until", "2026-11-01"]).says("nothing lies between them");
        wrong(&["--since", "1h", "--until", "1h"]).says("--since is the earlier one");
    }
    assert_eq!(ask(&home, &["tail", "--door", "ADMIN"]).ok().out.lines().count(), 5);
}
