//! The two text formats of `/metrics`, and who gets which.

use std::{collections::BTreeMap, fs::File, path::Path, process::Command};

use crate::support::{
    Appliance,
    scrape::{Scrape, ask_plainly},
    skip,
};

const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[test]
fn open_metrics_is_for_those_who_ask_for_it() {
    let appliance = Appliance::start();
    // The third is what Prometheus sends.
    for (accept, kind) in [
        ("*/*", CLASSIC),
        ("text/plain", CLASSIC),
        (
            "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            OPEN_METRICS,
        ),
        ("application/OpenMetrics-Text", OPEN_METRICS),
        ("application/openmetrics-text;q=0", CLASSIC),
        ("application/openmetrics-text;q=0.2, text/plain", CLASSIC),
        ("application/openmetrics-text;q=x", CLASSIC),
        ("text/html, application/json", CLASSIC),
    ] {
        let answer = ask_plainly(&appliance, &format!("Accept: {accept}\r\n"));
        assert_eq!((answer.status(), answer.values("content-type")), (200, vec![kind]), "{accept}");
        assert_eq!(answer.values("vary"), ["Accept"]);
        assert_eq!(answer.text().ends_with("# EOF\n"), kind == OPEN_METRICS, "{accept}");
    }
    assert_eq!(ask_plainly(&appliance, "").values("content-type"), [CLASSIC]);
}

#[test]
fn the_classic_format_names_each_metric_as_its_samples_do() {
    let appliance = Appliance::start();
    let text = ask_plainly(&appliance, "").text();
    let (mut kinds, mut described) = (BTreeMap::new(), None);
    let mut samples = Vec::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert!(!help.is_empty() && !kinds.contains_key(name), "{line}");
            described = Some(name);
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(Some(name), described, "{line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            kinds.insert(name, kind);
        } else {
            let family = described.unwrap();
            let name = line.split(['{', ' ']).next().unwrap();
            let ending = name.strip_prefix(family).unwrap_or_else(|| panic!("{line} under {family}"));
            let endings: &[_] = if kinds[family] == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(endings.contains(&ending), "{line} under {family}");
            samples.push(line.rsplit_once(' ').unwrap().0);
        }
    }
    assert_eq!(kinds["vultrino_build_info"], "gauge");
    let open = Scrape::of(&appliance).text;
    let of_open: Vec<_> =
        open.lines().filter(|it| !it.starts_with('#')).map(|it| it.rsplit_once(' ').unwrap().0).collect();
    assert_eq!(samples, of_open, "both formats have the same samples");
}

#[test]
fn the_linter_of_prometheus_finds_nothing_in_the_classic_format() {
    let linter = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/target/clients/go/promlint"));
    if !linter.is_file() {
        return skip::note(
            "the_linter_of_prometheus_finds_nothing_in_the_classic_format",
            "promlint is not here; `make test` builds it, where Go is",
        );
    }
    let appliance = Appliance::start();
    let page = appliance.home().join("metrics.txt");
    std::fs::write(&page, ask_plainly(&appliance, "").text()).unwrap();
    let found = Command::new(linter).stdin(File::open(page).unwrap()).output().unwrap();
    assert!(found.status.success() && found.stdout.is_empty(), "{found:?}");
}
