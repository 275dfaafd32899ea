//! The page, the rules and the dashboard name every metric there is, and none that is not.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::Value;
use yaml_rust2::{Yaml, YamlLoader};

use crate::{
    documents::block::{self, Purpose},
    support::{Appliance, scrape::Scrape},
};

const PAGE: &str = "docs/src/metrics.md";
const DASHBOARD: &str = "docs/grafana/vultrino.json";
/// Prometheus adds them to what it scrapes.
const LABELS_OF_PROMETHEUS: [&str; 2] = ["job", "instance"];
const METRIC_OF_PROMETHEUS: &str = "up";

#[test]
fn the_page_lists_every_metric_with_its_type_and_labels() {
    let scrape = Scrape::of(&Appliance::start());
    let mut there: BTreeSet<String> = BTreeSet::new();
    for (name, kind) in &scrape.kinds {
        let ending = match kind.as_str() {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let own =
            scrape.samples.iter().filter(|it| it.name == format!("{name}{ending}") || is_part(&it.name, name, kind));
        let labels: BTreeSet<String> =
            own.flat_map(|it| it.labels.keys()).filter(|it| *it != "le").map(|it| format!("`{it}`")).collect();
        let labels = labels.into_iter().collect::<Vec<_>>().join(", ");
        there.insert(format!("`{name}{ending}` {kind} {labels}"));
    }
    let page = read(PAGE);
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let listed: BTreeSet<String> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            assert_eq!(cells.len(), 5, "{row}");
            assert!(!cells[3].is_empty(), "{row}");
            format!("`{} {} {}", cells[0], cells[1], cells[2])
        })
        .collect();
    assert_eq!(listed, there);
}

#[test]
fn refusals_are_counted_by_the_codes_that_the_page_on_errors_lists() {
    let scrape = Scrape::of(&Appliance::start());
    let page = read("docs/src/errors.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| ")).filter(|it| is_status(it));
    let listed: BTreeSet<&str> = rows.map(|it| it.split('`').nth(1).unwrap()).collect();
    assert_eq!(scrape.values_of("code"), listed);
}

#[test]
fn every_query_of_page_rules_and_dashboard_finds_something() {
    let scrape = Scrape::of(&Appliance::start());
    let (mut queries, mut rules) = (Vec::new(), 0);
    for block in block::of(PAGE, &read(PAGE)) {
        match block.purpose().unwrap() {
            Purpose::Query => queries.push(block.text),
            Purpose::Yaml => {
                let before = queries.len();
                expressions(&YamlLoader::load_from_str(&block.text).unwrap()[0], &mut queries);
                rules += queries.len() - before;
            }
            _ => {}
        }
    }
    assert!(rules >= 5 && queries.len() > rules, "{queries:?}");
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|it| it["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "each panel has a number of its own");
    for panel in panels.iter().filter(|it| it["type"] != "row") {
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{panel}");
        queries.extend(targets.iter().map(|it| it["expr"].as_str().unwrap().to_owned()));
    }
    let wrong: Vec<String> =
        queries.iter().filter_map(|it| check(it, &scrape).err().map(|why| format!("{why} in {it}"))).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let shown: BTreeSet<String> = queries.iter().flat_map(|it| selectors(it)).map(|(name, _)| name).collect();
    let unseen: Vec<&str> =
        scrape.kinds.keys().map(|it| &**it).filter(|name| !shown.iter().any(|it| it.starts_with(name))).collect();
    assert!(unseen.is_empty(), "in no query: {unseen:?}");
}

#[test]
fn the_settings_for_prometheus_are_those_that_a_scrape_needs() {
    let blocks = block::of(PAGE, &read(PAGE));
    let settings = blocks.iter().find(|it| it.text.contains("scrape_configs")).unwrap();
    let settings = &YamlLoader::load_from_str(&settings.text).unwrap()[0];
    let job = &settings["scrape_configs"][0];
    assert_eq!(job["metrics_path"].as_str(), Some("/metrics"));
    assert_eq!(job["job_name"].as_str(), Some("vultrino"));
    assert!(job["authorization"]["credentials_file"].as_str().is_some_and(|it| it.starts_with('/')));
    assert_eq!(job["static_configs"][0]["targets"][0].as_str(), Some("127.0.0.1:7878"));
    let file = settings["rule_files"][0].as_str().unwrap();
    let rules = blocks.iter().find(|it| it.text.starts_with("groups:")).unwrap();
    assert!(read(PAGE).contains(&format!("In `{file}`")));
    for rule in YamlLoader::load_from_str(&rules.text).unwrap()[0]["groups"][0]["rules"].as_vec().unwrap() {
        assert!(rule["alert"].as_str().is_some() && rule["annotations"]["summary"].as_str().is_some(), "{rule:?}");
    }
}

fn is_status(row: &str) -> bool {
    row.split(" |").next().is_some_and(|it| it.len() == 3 && it.parse::<u16>().is_ok())
}

fn is_part(sample: &str, name: &str, kind: &str) -> bool {
    kind == "histogram" && ["_sum", "_count", "_bucket"].iter().any(|it| sample == format!("{name}{it}"))
}

/// Every metric that a query names is there, with those labels, and some series has those values.
fn check(query: &str, scrape: &Scrape) -> Result<(), String> {
    let balance = |open, close| query.matches(open).count() == query.matches(close).count();
    if !(balance('(', ')') && balance('[', ']') && balance('{', '}')) {
        return Err("unbalanced".to_owned());
    }
    let found = selectors(query);
    if found.is_empty() {
        return Err("no metric".to_owned());
    }
    for (name, matchers) in found {
        if name != METRIC_OF_PROMETHEUS && !scrape.names().contains(&*name) {
            return Err(format!("no metric {name}"));
        }
        for (label, values) in matchers.iter().filter(|(label, _)| !LABELS_OF_PROMETHEUS.contains(&&***label)) {
            for value in values.split('|') {
                if !scrape
                    .samples
                    .iter()
                    .any(|it| it.name == name && it.labels.get(label).is_some_and(|it| it == value))
                {
                    return Err(format!("no {name}{{{label}=\"{value}\"}}"));
                }
            }
        }
    }
    for grouped in query.split("by (").skip(1) {
        for label in grouped.split(')').next().unwrap_or_default().split(", ") {
            let known = scrape.samples.iter().any(|it| it.labels.contains_key(label));
            if !known && !LABELS_OF_PROMETHEUS.contains(&label) {
                return Err(format!("no label {label}"));
            }
        }
    }
    Ok(())
}

/// The metrics in a query, each with what it asks of labels.
fn selectors(query: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let mut found = Vec::new();
    let mut rest = query;
    while let Some(at) = ["vultrino_", "process_", "up{"].iter().filter_map(|it| rest.find(it)).min() {
        rest = &rest[at..];
        let end = rest.find(|c: char| !(c.is_ascii_lowercase() || c == '_')).unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        let matchers = behind.strip_prefix('{').and_then(|it| it.split_once('}')).map_or("", |(inside, _)| inside);
        let pair = |it: &str| {
            let (label, value) = it.split_once('=')?;
            Some((label.to_owned(), value.trim_start_matches('~').trim_matches('"').to_owned()))
        };
        found.push((name.to_owned(), matchers.split(", ").filter_map(pair).collect()));
        rest = &behind[matchers.len()..];
    }
    found
}

/// All that stands under `expr`, however deep.
fn expressions(yaml: &Yaml, found: &mut Vec<String>) {
    match yaml {
        Yaml::Hash(hash) => {
            for (key, value) in hash {
                match (key.as_str(), value.as_str()) {
                    (Some("expr"), Some(query)) => found.push(query.to_owned()),
                    _ => expressions(value, found),
                }
            }
        }
        Yaml::Array(all) => all.iter().for_each(|it| expressions(it, found)),
        _ => {}
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}
