//! `vultrino bind`: allows a credential against more hosts.

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

/// Bind a credential to hosts
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Alias of the credential
    alias: String,

    /// Hosts to add
    #[arg(required_unless_present = "more_hosts", value_name = "HOST", value_parser = HostParser)]
    hosts: Vec<AuthorityPattern>,

    /// Same as HOST, as an option
    #[arg(long = "host", value_name = "HOST", value_parser = HostParser)]
    more_hosts: Vec<AuthorityPattern>,

    /// Output as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  vultrino bind internal-api api.example.com         https, its usual port
  vultrino bind internal-api api.example.com:8443    https, this port
  vultrino bind internal-api 'api.example.com:*'     https, any port
  vultrino bind internal-api '*.example.com'         exactly one label before example.com
  vultrino bind internal-api http://10.1.2.3         plaintext is permitted

A credential is sent to the hosts that it is bound to, and to no others.";

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let more = [&args.hosts[..], &args.more_hosts[..]].concat();
    let credential = context.open()?.change(|desk, caller| credentials::bind(desk, caller, &args.alias, &more))?;
    if args.json {
        return context.output.json(&Shown::from(&credential));
    }
    context.output.line(format_args!("{} is bound to {}", credential.alias, hosts(&credential.bindings, ", ")))
}
