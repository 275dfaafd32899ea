//! `vultrino audit export`: the records for other programs.

use std::ops::ControlFlow;

use clap::ValueEnum;

use crate::{
    audit::{
        event::{Event, Fields},
        read::Reader,
    },
    cli::{
        audit::{
            filter::{Filter, unreadable},
            progress::Progress,
        },
        context::Context,
        failure::Failure,
    },
    config::Part,
};

/// Written at once.
const BATCH: usize = 64 * 1024;

/// Write the records for other programs, oldest first
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// An object per line, one array, or a table without formulas
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,

    #[command(flatten)]
    filter: Filter,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    Jsonl,
    Json,
    Csv,
}

const EXAMPLES: &str = "\
Examples:
  vultrino audit export --since 2026-11-01 --until 2026-12-01 > november.jsonl
  vultrino audit export --format csv --outcome denied > denied.csv";

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let config = context.load(Part::Store)?;
    let log = &config.logging.audit_file;
    let filter = args.filter.at(context.clock)?;
    let reader = Reader::open(log).map_err(unreadable(log))?;
    let mut writer = Writer { format: args.format, text: Vec::new(), count: 0 };
    let mut failed = None;
    let (total, mut progress) = (reader.length(), Progress::new(&context.output));
    let read = reader.oldest_first(
        &filter,
        |at| progress.at(at, total),
        |fields| match writer.add(fields, context) {
            Ok(()) => ControlFlow::Continue(()),
            Err(failure) => {
                failed = Some(failure);
                ControlFlow::Break(())
            }
        },
    );
    drop(progress);
    read.map_err(unreadable(log))?;
    failed.map_or(Ok(()), Err)?;
    writer.end(context)?;
    for file in reader.unread() {
        context.output.warning(format_args!("compressed, so not read: {}", file.display()));
    }
    Ok(())
}

struct Writer {
    format: Format,
    text: Vec<u8>,
    count: u64,
}

impl Writer {
    fn add(&mut self, fields: &Fields<'_>, context: &Context) -> Result<(), Failure> {
        let event = Event::from(fields);
        let before: &[u8] = match (self.format, self.count) {
            (Format::Json, 0) => b"[\n",
            (Format::Json, _) => b",\n",
            _ => b"",
        };
        self.text.extend_from_slice(before);
        if self.format == Format::Csv {
            self.add_row(&event);
        } else {
            serde_json::to_writer(&mut self.text, &event).map_err(|error| Failure::Output(error.into()))?;
        }
        if self.format == Format::Jsonl {
            self.text.push(b'\n');
        }
        self.count += 1;
        if self.text.len() >= BATCH { self.flush(context) } else { Ok(()) }
    }

    fn add_row(&mut self, event: &Event) {
        let pairs = event.pairs();
        if self.count == 0 {
            let names = pairs.each_ref().map(|(name, _)| *name);
            self.text.extend_from_slice(names.join(",").as_bytes());
            self.text.extend_from_slice(b"\r\n");
        }
        for (at, (_, value)) in pairs.iter().enumerate() {
            if at > 0 {
                self.text.push(b',');
            }
            self.text.extend(value.as_deref().map(cell).unwrap_or_default().bytes());
        }
        self.text.extend_from_slice(b"\r\n");
    }

    fn end(&mut self, context: &Context) -> Result<(), Failure> {
        if self.format == Format::Json {
            self.text.extend_from_slice(if self.count == 0 { b"[]\n" } else { b"\n]\n" });
        }
        self.flush(context)
    }

    fn flush(&mut self, context: &Context) -> Result<(), Failure> {
        context.output.raw(&self.text)?;
        self.text.clear();
        Ok(())
    }
}

/// As in RFC 4180; and no spreadsheet takes it for a formula, whoever chose the text.
fn cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        format!("{guard}{text}")
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::audit::export::cell;

    #[test]
    fn a_cell_is_a_text_and_nothing_else() {
        for (text, expected) in [
            ("plain", "plain"),
            ("=cmd()", "'=cmd()"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@x", "'@x"),
            ("\t=1", "'\t=1"),
            ("a,b", "\"a,b\""),
            ("=a\"b\n", "\"'=a\"\"b\n\""),
            ("1=1", "1=1"),
        ] {
            assert_eq!(cell(text), expected);
        }
    }
}
