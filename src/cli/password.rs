//! `vultrino password`: the storage password.

use std::sync::Arc;

use clap::Subcommand;

use crate::{
    cli::{
        ask,
        context::{Context, Opened},
        failure::Failure,
        secret::from_stdin,
    },
    config::Part,
    manage,
};

/// Manage the storage password
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Change(Change),
}

/// Change the storage password
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
struct Change {
    /// Read the new password from standard input
    #[arg(long)]
    new_password_stdin: bool,
}

const EXAMPLES: &str = "\
Examples:
  vultrino password change
  pass show vultrino-new | vultrino password change --new-password-stdin

The old password comes from VULTRINO_PASSWORD and its like, or is asked for.
Backups of the store still open with the password of their time.";

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let Command::Change(args) = &args.command;
    if !args.new_password_stdin && !ask::somebody_is_there() {
        return Err(Failure::usage(
            "the new password is missing, and there is no terminal to ask on",
            "pipe it in with --new-password-stdin",
        ));
    }
    let config = context.load(Part::Store)?;
    // Who does not have the old one need not think of a new one.
    let (store, old) = context.unlock(&config)?;
    let new = if args.new_password_stdin {
        from_stdin("--new-password-stdin")?
    } else {
        ask::new_secret(&context.output, "Choose a new storage password:")?
    };
    let opened = Opened { config, store: Arc::new(store), clock: context.clock };
    opened.change(|desk, caller| manage::password::change(desk, caller, &old, &new))?;
    context.output.line("Changed the storage password")
}
