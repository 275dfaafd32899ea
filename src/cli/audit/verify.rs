//! `vultrino audit verify`: whether every record is as it was written, and none is missing.

use std::path::PathBuf;

use serde_json::json;

use crate::{
    app::trail::of_audit,
    audit::{
        self,
        head::Head,
        verify::{Expected, Fault, Finding, Verified, verify},
    },
    cli::{
        audit::{filter::unreadable, progress::Progress},
        context::{Context, Opened},
        failure::Failure,
    },
};

/// Verify that no record was changed, moved or removed
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// First record to verify, if older ones are known to be broken or were removed on purpose
    #[arg(long, value_name = "SEQ", default_value_t = 0, hide_default_value = true)]
    from: u64,

    /// Output as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  vultrino audit verify
  vultrino audit verify --json | jq .ok

It needs the storage password: the store holds the key of the chain and the position
of its end. It exits with 1 if a record is not as it was written, and names the first.";

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let Opened { config, store, .. } = context.open()?;
    let audit::Config { file, journal_dir, chain, anchor, .. } = of_audit(&config, &store, &store.load()?);
    let mut head = Head::new(&journal_dir, chain.clone());
    let known = head.look().map_err(unreadable(head.path()))?;
    let is_head_whole = known.is_some() && !head.is_damaged();
    let expected = Expected { key: chain, head: known.map(|it| it.anchor), anchor, is_head_whole, from: args.from };
    let mut progress = Progress::new(&context.output);
    let verified = verify(&file, &expected, |at, total| progress.at(at, total));
    drop(progress);
    match verified.map_err(unreadable(&file))? {
        Ok(verified) if args.from > end(&verified, &expected) => Err(Failure::usage(
            format!("there is no record {} yet; the last one is {}", args.from, end(&verified, &expected)),
            "choose a lower number for --from",
        )),
        Ok(verified) if args.json => context.output.json(&as_json(&verified)),
        Ok(verified) => tell(&verified, context),
        Err(finding) => {
            if args.json {
                context.output.json(&found(&finding))?;
            }
            Err(Failure::Found { what: sentence(&finding), help: Some(help(&finding)) })
        }
    }
}

/// The last record that anything knows of; a log without any may be asked for all of them.
fn end(verified: &Verified, expected: &Expected) -> u64 {
    let known = [expected.head, expected.anchor].into_iter().flatten().map(|it| it.sequence);
    known.chain([verified.newest, 1]).max().unwrap_or(1)
}

fn tell(it: &Verified, context: &Context) -> Result<(), Failure> {
    let files = match it.files.len() {
        1 => "1 file".to_owned(),
        many => format!("{many} files"),
    };
    let verified = match it.records {
        0 => format!("No record to verify in {files}"),
        1 => format!("Verified 1 record, number {}, in {files}", it.first),
        many => format!("Verified {many} records, {} to {}, in {files}", it.first, it.last),
    };
    context.output.line(verified)?;
    if it.first > 1 {
        context.output.note(format_args!("Not verified: record {} and all before", it.first - 1));
    }
    if it.foreign > 0 {
        context.output.note(format_args!("Lines of another store before the first record: {}", it.foreign));
    }
    for file in &it.unread {
        context.output.note(format_args!("Compressed, so not read: {}", file.display()));
    }
    Ok(())
}

fn as_json(it: &Verified) -> serde_json::Value {
    json!({
        "ok": true,
        "records": it.records,
        "first": it.first,
        "last": it.last,
        "files": shown(&it.files),
        "unread": shown(&it.unread),
        "foreign_lines": it.foreign,
    })
}

fn found(finding: &Finding) -> serde_json::Value {
    let (file, line) = finding.place.as_ref().map(|(file, line)| (file.display().to_string(), line)).unzip();
    json!({
        "ok": false,
        "sequence": finding.sequence,
        "fault": finding.fault.code(),
        "message": finding.to_string(),
        "file": file,
        "line": line,
        "verified": finding.verified,
    })
}

fn shown(files: &[PathBuf]) -> Vec<String> {
    files.iter().map(|it| it.display().to_string()).collect()
}

fn sentence(finding: &Finding) -> String {
    match &finding.place {
        Some((file, line)) => format!("{finding}: {}, line {line}", file.display()),
        None => finding.to_string(),
    }
}

fn help(finding: &Finding) -> String {
    if let Fault::Begins { last } = finding.fault {
        return format!("if they were rotated away on purpose, say where to begin: --from {}", last + 1);
    }
    let verified = match finding.verified {
        0 => "no record before it is verified".to_owned(),
        1 => "the record before it is as it was written".to_owned(),
        many => format!("{many} records before it are as they were written"),
    };
    match finding.fault {
        Fault::Head => "the next change rebuilds it from the log; find out who wrote to journal/chain".to_owned(),
        Fault::CutOff { .. } => format!("{verified}; a log that was rotated must lie beside the log, uncompressed"),
        _ => format!("{verified}; --from SEQ verifies what comes after a place that is known to be broken"),
    }
}
