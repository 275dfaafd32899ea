//! What `vultrino bench` measures, what it sends for that, and what it says when it cannot.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    Appliance, Origin,
    appliance::{ALIAS, BEARER, KEY},
    process::{Output, run},
    template::vultrino,
};

/// Runs it against a running server, on the same configuration.
fn bench(appliance: &Appliance, origin: &Origin, more: &[&str], key: Option<&str>) -> Output {
    let (url, proxy) = (origin.url("/measured"), appliance.address().to_string());
    let arguments = ["bench", "--url", &url, "--proxy", &proxy, "--requests", "8", "--connections", "2"];
    let mut command = appliance.command(&[&arguments, more].concat());
    command.envs(key.map(|it| ("VULTRINO_API_KEY", it)));
    run(&mut command, "")
}

fn rows(stdout: &str) -> Vec<Value> {
    serde_json::from_str(stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"))
}

#[test]
fn without_a_url_it_measures_a_proxy_and_an_origin_of_its_own() {
    let home = TempDir::new().unwrap();
    fs::write(home.path().join("config.toml"), "no = \"configuration\"").unwrap();
    let arguments = ["bench", "--requests", "20", "--connections", "4", "--json"];
    let stdout = run(vultrino(home.path()).args(arguments), "").expect_success();
    let rows = rows(&stdout);
    let seen: Vec<_> =
        rows.iter().map(|it| (it["way"].as_str().unwrap(), it["connections"].as_u64().unwrap())).collect();
    let ways = ["direct", "path style", "intercepted"];
    assert_eq!(seen, [1, 4].into_iter().flat_map(|n| ways.map(|way| (way, n))).collect::<Vec<_>>());
    for row in &rows {
        let connections = row["connections"].as_u64().unwrap();
        assert_eq!(row["requests"], 20 - connections, "{row}");
        assert_eq!(row["statuses"], json!([200]), "{row}");
        assert!(row["p50_us"].as_u64() > Some(0) && row["p50_us"].as_u64() <= row["p99_us"].as_u64(), "{row}");
        assert!(row["requests_per_second"].as_f64() > Some(0.0), "{row}");
        assert_eq!(row["added_us"].is_i64(), connections == 1 && row["way"] != "direct", "{row}");
    }
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "it leaves nothing behind");
}

#[test]
fn a_program_gets_plain_columns() {
    let home = TempDir::new().unwrap();
    let output = run(vultrino(home.path()).args(["bench", "--requests", "2", "--connections", "1"]), "");
    let stdout = output.expect_success();
    let lines: Vec<Vec<&str>> = stdout.lines().map(|it| it.split_ascii_whitespace().collect()).collect();
    assert_eq!(lines[0], ["Way", "Conns", "Req/s", "p50", "p99", "Added", "Status"]);
    assert_eq!(lines.iter().skip(1).map(|it| it[0]).collect::<Vec<_>>(), ["direct", "path", "intercepted"]);
    assert!(!stdout.contains('\x1b'), "{stdout}");
}

#[test]
fn with_a_url_it_sends_no_more_than_it_says_and_the_credential_only_through_the_proxy() {
    let (appliance, origin) = (Appliance::start(), Origin::https());
    let output = bench(&appliance, &origin, &["--json"], None);
    let warned = format!("warning: this sends up to 48 real requests to {}", origin.authority());
    assert!(output.stderr.contains(&warned), "{output:#?}");
    assert!(!output.stderr.contains(KEY));
    let rows = rows(&output.expect_success());
    let ways: Vec<_> = rows.iter().map(|it| it["way"].as_str().unwrap()).collect();
    assert_eq!(ways, ["direct", "absolute form", "intercepted"].repeat(2));
    let requests = origin.requests();
    assert_eq!(requests.len(), 48);
    assert!(requests.iter().all(|it| it.method() == "GET" && it.target() == "/measured"));
    let with = requests.iter().filter(|it| it.values("authorization") == [BEARER]).count();
    let without = requests.iter().filter(|it| it.values("authorization").is_empty()).count();
    assert_eq!((with, without), (32, 16));
    appliance.audit("a line for each request", |lines| {
        let of_it = lines.iter().filter(|it| it.get("url").ends_with("/measured")).collect::<Vec<_>>();
        (of_it.len() == 32).then(|| assert!(of_it.iter().all(|it| it.get("credential") == ALIAS)))
    });
}

#[test]
fn a_server_that_asks_for_a_key_gets_the_one_of_the_environment() {
    let appliance = Appliance::builder().server().role("measures", "execute", "").key("bench", "measures").start();
    let origin = Origin::https();
    let key = appliance.key("bench").to_owned();
    let output = bench(&appliance, &origin, &["--credential", ALIAS], Some(&key));
    assert!(!output.stderr.contains(&key) && !output.stdout.contains(&key), "{output:#?}");
    output.expect_success();
    let without = bench(&appliance, &origin, &["--credential", ALIAS], None);
    assert_eq!(without.status.code(), Some(2), "{without:#?}");
    assert!(without.stderr.contains("set VULTRINO_API_KEY"), "{without:#?}");
    let wrong = bench(&appliance, &origin, &["--credential", ALIAS], Some("vk_00000000000000000000000000000000"));
    assert_eq!(wrong.status.code(), Some(4), "{wrong:#?}");
    assert!(wrong.stderr.contains("the proxy refused the request with status 401"), "{wrong:#?}");
}

#[test]
fn what_the_proxy_refuses_is_no_measurement() {
    let (appliance, origin) = (Appliance::start(), Origin::https());
    let output = bench(&appliance, &origin, &["--credential", "nobody"], None);
    assert_eq!(output.status.code(), Some(1), "{output:#?}");
    assert!(output.stdout.is_empty() && output.stderr.contains("the proxy refused the request"), "{output:#?}");
}

#[test]
fn it_measures_nothing_but_servers_of_this_machine_that_are_there() {
    let (mut appliance, origin) = (Appliance::start(), Origin::https());
    let url = origin.url("/");
    for (arguments, status, says) in [
        (
            &["bench", "--url", &url, "--proxy", "192.0.2.1:7878"][..],
            2,
            "192.0.2.1:7878 is not this machine's loopback",
        ),
        (&["bench", "--url", &url], 2, "say with --proxy where it listens"),
        (&["bench", "--url", "http://localhost/"], 2, "write it as https://host/path"),
        (&["bench", "--proxy", "127.0.0.1:1"], 2, "--url"),
        (&["bench", "--connections", "4", "--requests", "7"], 2, "at least twice as many"),
        (&["bench", "--seconds", "61"], 2, "61 is not in 1..=60"),
    ] {
        let output = appliance.cli(arguments);
        assert_eq!(output.status.code(), Some(status), "{output:#?}");
        assert!(output.stderr.contains(says), "{output:#?}");
    }
    appliance.kill();
    let output = bench(&appliance, &origin, &[], None);
    assert_eq!(output.status.code(), Some(1), "{output:#?}");
    assert!(output.stderr.contains("start it with `vultrino serve`"), "{output:#?}");
    assert_eq!(origin.requests().len(), 8, "those that went directly, before");
}
