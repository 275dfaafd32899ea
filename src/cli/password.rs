//! `vultrino password`: the storage password.

use std::sync::Arc;

use clap::Subcommand;
use serde_json::json;

use crate::{
    base::secret::Secret,
    cli::{
        ask,
        context::{Context, Opened},
        failure::Failure,
        output::Output,
        secret::from_stdin,
    },
    config::Part,
    manage,
};

/// Characters of a storage password that need no `--force`.
const SHORTEST: usize = 8;
const TOO_SHORT: &str = "the storage password has fewer than 8 characters";

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

    /// Accept a password of fewer than 8 characters
    #[arg(short, long)]
    force: bool,

    /// Output as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  vultrino password change
  pass show vultrino-new | vultrino password change --new-password-stdin

The old password comes from VULTRINO_PASSWORD or VULTRINO_PASSWORD_FILE, or is asked for.
Older backups of the store still open with the old password.";

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
        checked(from_stdin("--new-password-stdin")?, args.force, &context.output)?
    } else {
        asked("Choose a new storage password:", args.force, &context.output)?
    };
    let opened = Opened { config, store: Arc::new(store), clock: context.clock };
    opened.change(|desk, caller| manage::password::change(desk, caller, &old, &new))?;
    if args.json {
        return context.output.json(&json!({ "success": true }));
    }
    context.output.line("Changed the storage password")
}

/// Asks for a password to be, until it is long enough; with `force` any will do.
pub(crate) fn asked(question: &str, force: bool, output: &Output) -> Result<Secret, Failure> {
    loop {
        let password = ask::new_secret(output, question)?;
        if force || password.characters() >= SHORTEST {
            return checked(password, force, output);
        }
        output.note(format_args!("{TOO_SHORT}; please choose a longer one."));
    }
}

/// A password to be that nobody can be asked about.
///
/// # Errors
/// It is short, and `force` does not say that it is meant.
pub(crate) fn checked(password: Secret, force: bool, output: &Output) -> Result<Secret, Failure> {
    if password.characters() < SHORTEST {
        if !force {
            return Err(Failure::usage(TOO_SHORT, "choose a longer one, or add --force"));
        }
        output.warning(format_args!("{TOO_SHORT}: anyone with a copy of the store can guess it"));
    }
    Ok(password)
}
