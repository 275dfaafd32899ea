//! Each row for a moment, on the `vultrino` that was built beside this program: `cargo test --workspace` builds both.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::process::Command;

use serde_json::Value;

/// For a moment and with few of everything: these are no figures.
const BRIEFLY: [&str; 9] = ["--seconds", "0.1", "--connections", "9", "--idle", "20", "--mib", "2", "--no-pin"];

/// Whether it was content, and what it said on stdout and stderr.
fn load(arguments: &[&str]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_vultrino-load")).args(BRIEFLY).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[test]
fn every_row_is_measured_without_an_error() {
    let (good, stdout, stderr) = load(&["--json"]);
    assert!(good, "{stdout}{stderr}");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 32);
    for row in rows {
        let name = row["row"].as_str().unwrap();
        let figures: Vec<f64> = row.as_object().unwrap().values().filter_map(Value::as_f64).collect();
        assert!(!figures.is_empty() && figures.iter().all(|it| it.is_finite()), "{name}: {row}");
        match name {
            "idle" => assert!(row["before_mib"].as_f64() > Some(1.0) && row["connections"] == 20, "{row}"),
            "start" => assert!(row["ms"].as_f64() > Some(1.0), "{row}"),
            _ => assert!(row["requests"].as_u64() > Some(0) && row["errors"] == 0, "{row}"),
        }
    }
    let resumed = |name: &str| rows.iter().find(|it| it["row"] == name).unwrap()["resumed_share"].as_f64();
    assert!(resumed("direct-resumed") > Some(0.5) && resumed("intercept-resumed") > Some(0.1), "{stdout}");
    assert_eq!(resumed("intercept-new"), None);
}

#[test]
fn a_pipe_gets_a_table_for_each_kind_of_figures() {
    let (good, stdout, stderr) = load(&["--rows", "direct-down,direct,direct-one"]);
    assert!(good, "{stdout}{stderr}");
    let tables: Vec<Vec<&str>> = stdout.split("\n\n").map(|table| table.lines().collect()).collect();
    let names = |table: &[&str]| -> Vec<String> {
        let columns = table[0].split('\t').count();
        assert!(table.iter().all(|line| line.split('\t').count() == columns), "{stdout}");
        table.iter().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
    };
    assert_eq!(
        tables.iter().map(|it| names(it)).collect::<Vec<_>>(),
        [vec!["row", "direct", "direct-one"], vec!["row", "direct-down"],]
    );
}

#[test]
fn a_program_that_is_no_vultrino_is_named() {
    let (good, _, stderr) = load(&["--rows", "path", "--vultrino", "/nowhere/vultrino"]);
    assert!(!good && stderr.contains("cannot run /nowhere/vultrino"), "{stderr}");
}
