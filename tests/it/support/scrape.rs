//! What `/metrics` says, read as strictly as a monitoring system may read it.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{Agent, Answer, Appliance};

/// Names and values of one sample's labels.
pub(crate) type Labels = BTreeMap<String, String>;

/// One scrape.
#[derive(Debug)]
pub(crate) struct Scrape {
    /// The type of each metric, by its name without what a sample's name ends in.
    pub kinds: BTreeMap<String, String>,
    pub samples: Vec<Sample>,
    pub text: String,
}

/// One line with a value.
#[derive(Debug)]
pub(crate) struct Sample {
    pub name: String,
    pub labels: Labels,
    pub value: f64,
}

/// Asks for the metrics as `OpenMetrics`, with these fields besides.
#[track_caller]
pub(crate) fn ask(appliance: &Appliance, fields: &str) -> Answer {
    ask_plainly(appliance, &format!("Accept: application/openmetrics-text\r\n{fields}"))
}

/// Asks for the metrics on a connection of its own, with these fields.
#[track_caller]
pub(crate) fn ask_plainly(appliance: &Appliance, fields: &str) -> Answer {
    let mut agent = Agent::dial(appliance.address());
    agent.send(format!("GET /metrics HTTP/1.1\r\nHost: {}\r\n{fields}\r\n", appliance.address()));
    agent.answer("GET")
}

impl Scrape {
    /// Of a server that wants no key.
    #[track_caller]
    pub(crate) fn of(appliance: &Appliance) -> Self {
        Self::read(&ask(appliance, ""))
    }

    /// Reads an answer.
    ///
    /// # Panics
    /// If it does not follow the grammar of `OpenMetrics`, as far as we use it.
    #[track_caller]
    pub(crate) fn read(answer: &Answer) -> Self {
        let text = answer.text();
        assert_eq!(answer.status(), 200, "{text}");
        let kind = answer.values("content-type");
        assert_eq!(kind, ["application/openmetrics-text; version=1.0.0; charset=utf-8"], "{text}");
        let lines = text.strip_suffix("# EOF\n").unwrap_or_else(|| panic!("no end: {text}"));
        let (mut kinds, mut samples) = (BTreeMap::new(), Vec::new());
        let mut described = String::new();
        for line in lines.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').unwrap();
                assert!(!help.is_empty() && !kinds.contains_key(name), "{line}");
                described = name.to_owned();
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                assert_eq!(name, described, "{line}");
                kinds.insert(name.to_owned(), kind.to_owned());
            } else {
                let sample = Sample::parse(line).unwrap_or_else(|| panic!("no sample: {line}"));
                assert!(endings(&kinds[&described]).contains(&sample.name.strip_prefix(&described).unwrap()), "{line}");
                samples.push(sample);
            }
        }
        let scrape = Self { kinds, samples, text };
        scrape.check_histograms();
        let once: BTreeSet<_> = scrape.samples.iter().map(|it| (&it.name, &it.labels)).collect();
        assert_eq!(once.len(), scrape.samples.len(), "twice in {}", scrape.text);
        scrape
    }

    /// The value of a sample with exactly these labels.
    #[track_caller]
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels: Labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let found = self.samples.iter().find(|it| it.name == name && it.labels == labels);
        found.unwrap_or_else(|| panic!("no {name} {labels:?} in {}", self.text)).value
    }

    /// The same, of something that is counted.
    #[track_caller]
    pub(crate) fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        whole(self.value(name, labels))
    }

    /// The sum of all samples of this name that have these labels among theirs.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let has = |it: &&Sample| labels.iter().all(|(key, value)| it.labels.get(*key).is_some_and(|it| it == value));
        self.samples.iter().filter(|it| it.name == name).filter(has).map(|it| whole(it.value)).sum()
    }

    /// Every name that a query may use.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        self.samples.iter().map(|it| &*it.name).collect()
    }

    /// Every value that a label has.
    pub(crate) fn values_of(&self, label: &str) -> BTreeSet<&str> {
        self.samples.iter().filter_map(|it| it.labels.get(label)).map(|it| &**it).collect()
    }

    #[track_caller]
    fn check_histograms(&self) {
        for (name, _) in self.kinds.iter().filter(|(_, kind)| *kind == "histogram") {
            let bucket = format!("{name}_bucket");
            let mut last: BTreeMap<Labels, (f64, f64)> = BTreeMap::new();
            for sample in self.samples.iter().filter(|it| it.name == bucket) {
                let mut labels = sample.labels.clone();
                let bound: f64 = labels.remove("le").unwrap().trim_start_matches('+').parse().unwrap();
                let before = last.insert(labels, (bound, sample.value)).unwrap_or_default();
                assert!(before.0 < bound && before.1 <= sample.value, "{sample:?}");
            }
            for (labels, (bound, count)) in last {
                let labels: Vec<(&str, &str)> = labels.iter().map(|(key, value)| (&**key, &**value)).collect();
                assert_eq!(whole(count), self.count(&format!("{name}_count"), &labels));
                assert!(bound.is_infinite(), "{name} {labels:?}");
            }
        }
    }
}

impl Sample {
    fn parse(line: &str) -> Option<Self> {
        let (series, value) = line.rsplit_once(' ')?;
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix("\"}")?.split("\",").map(label).collect::<Option<_>>()?),
            None => (series, Labels::new()),
        };
        let value = value.parse().ok().filter(|it: &f64| it.is_finite() && *it >= 0.0)?;
        is_name(name).then(|| Self { name: name.to_owned(), labels, value })
    }
}

/// No value of ours needs an escape, so none is understood.
fn label(pair: &str) -> Option<(String, String)> {
    let (name, value) = pair.split_once("=\"")?;
    let plain = |it: char| it.is_ascii_alphanumeric() || "_.+".contains(it);
    (is_name(name) && !value.is_empty() && value.chars().all(plain)).then(|| (name.to_owned(), value.to_owned()))
}

#[track_caller]
fn whole(value: f64) -> u64 {
    value.to_string().parse().unwrap_or_else(|_| panic!("{value} is no count"))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|it| it.is_ascii_lowercase() || it == b'_')
}

fn endings(kind: &str) -> &'static [&'static str] {
    match kind {
        "counter" => &["_total"],
        "gauge" => &[""],
        "histogram" => &["_sum", "_count", "_bucket"],
        "info" => &["_info"],
        _ => &[],
    }
}
