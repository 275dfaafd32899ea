//! `vultrino audit`: what was done, and whether the log that tells it is as it was written.
//!
//! All but `verify` read the log alone, and need no password.

mod chart;
mod export;
mod filter;
mod paint;
mod progress;
mod report;
mod show;
mod tail;
mod verify;

use clap::Subcommand;

use crate::cli::{context::Context, failure::Failure};

/// Search, verify and export the audit log
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Tail(tail::Args),
    Show(show::Args),
    Verify(verify::Args),
    Export(export::Args),
    Report(report::Args),
}

const EXAMPLES: &str = "\
Examples:
  vultrino audit tail -f
  vultrino audit tail --credential 'github-*' --outcome denied --since 24h
  vultrino audit report --since 7d
  vultrino audit verify";

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    match &args.command {
        Command::Tail(args) => tail::run(args, context),
        Command::Show(args) => show::run(args, context),
        Command::Verify(args) => verify::run(args, context),
        Command::Export(args) => export::run(args, context),
        Command::Report(args) => report::run(args, context),
    }
}
