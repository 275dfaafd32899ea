//! `vultrino audit tail`: the last records, and those that come.

use std::{ops::ControlFlow, thread, time::Duration};

use crate::{
    audit::{
        event::{Event, Fields},
        follow::Follower,
        read::Reader,
    },
    cli::{
        audit::{
            filter::{Filter, unreadable},
            paint::painted,
        },
        context::Context,
        failure::Failure,
    },
    config::Part,
};

/// How often the log is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Show the last records, oldest first
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Number of records
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 10)]
    count: usize,

    /// Keep printing new records, also over a rotation
    #[arg(short, long)]
    follow: bool,

    /// Output as JSON, a record a line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    filter: Filter,
}

const EXAMPLES: &str = "\
Examples:
  vultrino audit tail
  vultrino audit tail -f --credential github-api
  vultrino audit tail -n 100 --outcome denied --json | jq -r .reason | sort | uniq -c";

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let config = context.load(Part::Store)?;
    let log = &config.logging.audit_file;
    let filter = args.filter.at(context.clock)?;
    // Before the last ones are read: what is written meanwhile is not missed, and what was read is told apart by its
    // number.
    let mut follower = args.follow.then(|| Follower::from_end(log, &filter)).transpose().map_err(unreadable(log))?;
    let mut last = Vec::new();
    let mut newest = 0;
    if args.count > 0 {
        Reader::open(log)
            .map_err(unreadable(log))?
            .newest_first(&filter, |it| {
                newest = newest.max(it.sequence());
                last.push(shown(it, args.json, context));
                if last.len() < args.count { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })
            .map_err(unreadable(log))?;
    }
    for text in last.into_iter().rev() {
        context.output.line(text?)?;
    }
    let Some(follower) = &mut follower else { return Ok(()) };
    loop {
        let mut printed = Ok(());
        let look = follower.look(|it| {
            if it.sequence() > newest {
                printed = shown(it, args.json, context).and_then(|text| context.output.line(text));
            }
            if printed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        if look.map_err(unreadable(log))?.is_break() {
            return printed;
        }
        thread::sleep(LOOK);
    }
}

fn shown(fields: &Fields<'_>, json: bool, context: &Context) -> Result<String, Failure> {
    if json {
        return serde_json::to_string(&Event::from(fields)).map_err(|error| Failure::Output(error.into()));
    }
    Ok(if context.output.has_colour() { painted(fields.text) } else { fields.text.to_owned() })
}
