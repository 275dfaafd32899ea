//! `vultrino audit show`: one record, a field a line.

use crate::{
    audit::{
        event::Event,
        read::{Filter, page},
    },
    cli::{audit::filter::unreadable, context::Context, failure::Failure},
    config::Part,
};

/// Show one record, a field a line
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The id= of the record, 16 digits; or its seq=
    #[arg(value_name = "ID", value_parser = parse_id)]
    id: String,

    /// Output as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  vultrino audit show 0123456789abcdef
  vultrino audit show 812";

/// As it stands in a line.
fn parse_id(text: &str) -> Result<String, String> {
    let is_id = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    match text.parse::<u64>() {
        _ if is_id => Ok(format!(" id={} ", text.to_ascii_lowercase())),
        Ok(sequence) => Ok(format!(" seq={sequence} ")),
        Err(_) => Err("an id has 16 hexadecimal digits".to_owned()),
    }
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let config = context.load(Part::Store)?;
    let log = &config.logging.audit_file;
    let filter = Filter { text: Some(args.id.clone()), ..Filter::default() };
    let found = page(log, &filter, None, 1).map_err(unreadable(log))?.events.pop();
    let event = found.ok_or_else(|| Failure::Unknown {
        what: format!("no record has{}", args.id.trim_end()),
        help: format!("it may be in a compressed file; {} and what was rotated was read", log.display()),
    })?;
    if args.json { context.output.json(&event) } else { tell(&event, context) }
}

fn tell(event: &Event, context: &Context) -> Result<(), Failure> {
    for (name, value) in event.pairs() {
        // What others chose may hold the codes of a terminal.
        let value: String = value.map_or_else(|| "-".to_owned(), |it| it.escape_debug().collect());
        context.output.line(format_args!("{name:<10}  {value}"))?;
    }
    Ok(())
}
