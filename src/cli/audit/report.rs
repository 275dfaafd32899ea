//! `vultrino audit report`: who used what how often, what was refused, and which hosts were reached.

use std::{collections::BTreeMap, ops::ControlFlow};

use serde::Serialize;

use crate::{
    audit::{event::Fields, read::Reader},
    cli::{
        audit::{
            chart::{Row, chart},
            filter::{Filter, unreadable},
            progress::Progress,
        },
        context::Context,
        failure::Failure,
    },
    config::Part,
};

/// Different things of one sort that are counted one by one: callers choose some of the names.
const MOST: usize = 50_000;

/// Where the rest is counted.
const OTHERS: &str = "(others)";

/// Count requests by credential and day, by refusal and by host
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Number of hosts
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,

    /// Output as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    filter: Filter,
}

const EXAMPLES: &str = "\
Examples:
  vultrino audit report --since 7d
  vultrino audit report --credential github-api --since 2026-11-01";

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let config = context.load(Part::Store)?;
    let log = &config.logging.audit_file;
    let filter = args.filter.at(context.clock)?;
    let reader = Reader::open(log).map_err(unreadable(log))?;
    let mut counts = Counts::default();
    let (total, mut progress) = (reader.length(), Progress::new(&context.output));
    let read = reader.oldest_first(
        &filter,
        |at| progress.at(at, total),
        |fields| {
            counts.add(fields);
            ControlFlow::Continue(())
        },
    );
    drop(progress);
    read.map_err(unreadable(log))?;
    let report = counts.into_report(args.top);
    if args.json {
        context.output.json(&report)?;
    } else {
        tell(&report, context)?;
    }
    for file in reader.unread() {
        context.output.warning(format_args!("compressed, so not read: {}", file.display()));
    }
    Ok(())
}

/// While reading.
#[derive(Default)]
struct Counts {
    /// By day and credential: requests, and those that were refused.
    requests: BTreeMap<(String, String), (u64, u64)>,
    denials: BTreeMap<String, u64>,
    hosts: BTreeMap<String, u64>,
    changes: u64,
}

impl Counts {
    fn add(&mut self, fields: &Fields<'_>) {
        match fields.action {
            "http_request" | "connect" | "api_refused" | "mcp_refused" => {}
            // An agent has looked, and nothing was done.
            "list_credentials" | "get_credential_info" | "read_resource" | "audit_read" => return,
            _ => {
                self.changes += 1;
                return;
            }
        }
        let (denied, count) = (fields.outcome == Some("denied"), fields.count());
        let day = fields.time.get(..10).unwrap_or_default();
        let credential = fields.credential.unwrap_or("-");
        let full = self.requests.len() >= MOST;
        let mut key = (day.to_owned(), credential.to_owned());
        if full && !self.requests.contains_key(&key) {
            key = (day.to_owned(), OTHERS.to_owned());
        }
        let (requests, refused) = self.requests.entry(key).or_default();
        *requests += count;
        *refused += if denied { count } else { 0 };
        if denied {
            add(&mut self.denials, fields.reason.unwrap_or("-"), count);
        } else if let Some(host) = fields.host() {
            add(&mut self.hosts, host, count);
        }
    }

    fn into_report(self, top: usize) -> Report {
        let requests = self.requests.into_iter().map(|((day, credential), (requests, denied))| Usage {
            day,
            credential,
            requests,
            denied,
        });
        Report {
            requests: requests.collect(),
            denials: most(self.denials, usize::MAX),
            hosts: most(self.hosts, top),
            changes: self.changes,
        }
    }
}

fn add(counts: &mut BTreeMap<String, u64>, name: &str, count: u64) {
    if let Some(sum) = counts.get_mut(name) {
        *sum += count;
        return;
    }
    let name = if counts.len() < MOST { name } else { OTHERS };
    *counts.entry(name.to_owned()).or_default() += count;
}

fn most(counts: BTreeMap<String, u64>, top: usize) -> Vec<Count> {
    let mut counts: Vec<Count> = counts.into_iter().map(|(name, count)| Count { name, count }).collect();
    counts.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
    counts.truncate(top);
    counts
}

#[derive(Serialize)]
struct Report {
    requests: Vec<Usage>,
    denials: Vec<Count>,
    hosts: Vec<Count>,
    changes: u64,
}

#[derive(Serialize)]
struct Usage {
    day: String,
    credential: String,
    requests: u64,
    denied: u64,
}

#[derive(Serialize)]
struct Count {
    name: String,
    count: u64,
}

fn tell(report: &Report, context: &Context) -> Result<(), Failure> {
    let output = &context.output;
    let bars = output.is_framed();
    let requests = report
        .requests
        .iter()
        .map(|it| Row { names: vec![it.day.clone(), it.credential.clone()], counts: vec![it.requests, it.denied] });
    let counted = |counts: &[Count]| -> Vec<Row> {
        counts.iter().map(|it| Row { names: vec![it.name.clone()], counts: vec![it.count] }).collect()
    };
    let requests: Vec<Row> = requests.collect();
    output.line(chart(&["DAY", "CREDENTIAL", "REQUESTS", "DENIED"], &requests, bars))?;
    output.line(format_args!("\n{}", chart(&["DENIED BECAUSE OF", "REQUESTS"], &counted(&report.denials), bars)))?;
    output.line(format_args!("\n{}", chart(&["HOST", "REQUESTS"], &counted(&report.hosts), bars)))?;
    output.line(format_args!("\nChanges and other acts of administration: {}", report.changes))
}
