//! `vultrino unbind`: takes hosts away from a credential.

use crate::{
    base::host::AuthorityPattern,
    cli::{
        context::Context,
        failure::Failure,
        host::HostParser,
        show::{Shown, hosts},
    },
    manage::credentials,
};

/// Unbind a credential from hosts
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Alias of the credential
    alias: String,

    /// Hosts to remove, as `vultrino get ALIAS` shows them
    #[arg(required = true, value_name = "HOST", value_parser = HostParser)]
    hosts: Vec<AuthorityPattern>,

    /// Output as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  vultrino unbind internal-api api.example.com";

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let opened = context.open()?;
    let credential = opened.change(|desk, caller| credentials::unbind(desk, caller, &args.alias, &args.hosts))?;
    if args.json {
        return context.output.json(&Shown::from(&credential));
    }
    match credential.bindings.as_slice() {
        [] => context.output.line(format_args!("{} is bound to no host; nothing can use it", credential.alias)),
        left => context.output.line(format_args!("{} is bound to {}", credential.alias, hosts(left, ", "))),
    }
}
