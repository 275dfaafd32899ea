//! `vultrino delete`: removes a credential, after asking.

use crate::{
    cli::{ask, context::Context, failure::Failure, show::Shown},
    identity::Principal,
    manage::credentials,
};

/// Remove a credential from storage
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Alias of the credential
    alias: String,

    /// Skip confirmation prompt
    #[arg(short, long)]
    force: bool,

    /// Output as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  vultrino delete old-api-key
  vultrino delete old-api-key --force      in a script: do not ask";

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let opened = context.open()?;
    let alias = &args.alias;
    credentials::get(&Principal::Local, &opened.store.load()?, alias)?;
    if !args.force {
        let question = format!("Are you sure you want to delete '{alias}'?");
        if !ask::confirm(&context.output, &question, "add --force to delete without a question")? {
            return Err(Failure::Refused { what: format!("'{alias}' was kept"), help: None });
        }
    }
    let deleted = opened.change(|desk, caller| credentials::delete(desk, caller, alias))?;
    if args.json {
        return context.output.json(&Shown::from(&deleted));
    }
    context.output.line(format_args!("Deleted credential: {alias}"))
}
