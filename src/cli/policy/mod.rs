//! `vultrino policy`: what the policies say, about one request, about themselves, and about those of the past.

mod explain;
mod lint;
mod question;
mod replay;
mod test;

use clap::Subcommand;

use crate::cli::{context::Context, failure::Failure};

/// Test, explain and check policies
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Test(test::Args),
    Lint(lint::Args),
    Explain(explain::Args),
    Replay(replay::Args),
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    match &args.command {
        Command::Test(it) => test::run(it, context),
        Command::Lint(it) => lint::run(it, context),
        Command::Explain(it) => explain::run(it, context),
        Command::Replay(it) => replay::run(it, context),
    }
}
