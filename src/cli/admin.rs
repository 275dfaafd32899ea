//! `vultrino admin`: the administrator of the web pages.

use clap::Subcommand;
use serde_json::json;

use crate::{
    base::secret::Secret,
    cli::{ask, context::Context, failure::Failure, secret::from_stdin},
    config::{environment, password},
    manage,
};

/// Manage the administrator of the web UI
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    SetPassword(SetPassword),
}

/// Set the administrator's password
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
struct SetPassword {
    /// New name of the administrator
    #[arg(long, value_name = "NAME")]
    username: Option<String>,

    /// Read the new password from standard input
    #[arg(long)]
    admin_password_stdin: bool,

    /// Output as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  vultrino admin set-password
  pass show vultrino-admin | vultrino admin set-password --admin-password-stdin

The new password may also come from VULTRINO_ADMIN_PASSWORD. The storage
password is needed too.";

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let Command::SetPassword(args) = &args.command;
    // The storage password first: who does not have it need not think of another one.
    let opened = context.open()?;
    let password = new_password(args.admin_password_stdin, context)?;
    opened.change(|desk, caller| manage::admin::set(desk, caller, args.username.as_deref(), &password))?;
    if args.json {
        return context.output.json(&json!({ "success": true }));
    }
    context.output.line("Changed the admin password")
}

/// The administrator's new password: standard input, the environment, or asked for.
pub(crate) fn new_password(on_stdin: bool, context: &mut Context) -> Result<Secret, Failure> {
    if on_stdin {
        return from_stdin("--admin-password-stdin");
    }
    match password::admin_password(&mut context.environment)? {
        Some(password) => Ok(password),
        None if ask::somebody_is_there() => ask::new_secret(&context.output, "Enter admin password:"),
        None => Err(Failure::usage(
            "the admin password is missing, and there is no terminal to ask on",
            format!("set {}, or pipe it in with --admin-password-stdin", environment::ADMIN_PASSWORD),
        )),
    }
}
