//! `vultrino list`: all credentials, without a value.

use crate::{
    cli::{
        context::{Context, Opened},
        failure::Failure,
        output::Look,
        show::{Shown, day, hosts},
    },
    credential::Credential,
    identity::Principal,
    manage::credentials,
};

/// List all stored credentials
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Output as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  vultrino list
  vultrino list --json | jq '.[] | select(.type == \"api_key\") | .alias'

`vultrino get ALIAS` and --json show the id, too.";

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let Opened { store, .. } = context.open()?;
    let records = store.load()?;
    let all = credentials::list(&Principal::Local, &records)?;
    if args.json {
        return context.output.json(&all.into_iter().map(Shown::from).collect::<Vec<_>>());
    }
    if all.is_empty() {
        context.output.note("No credentials yet; `vultrino add ALIAS` stores one.");
        return Ok(());
    }
    let between = if context.output.is_framed() { "\n" } else { "," };
    let rows: Vec<_> = all.into_iter().map(|it| row(it, between)).collect();
    let look = Look { dotted: Some(3), ..Look::default() };
    context.output.table_with(look, ["Alias", "Type", "Created", "Hosts", "Description"], &rows)
}

fn row(it: &Credential, between: &str) -> [String; 5] {
    let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    [
        it.alias.to_string(),
        it.kind.to_string(),
        day(it.created_at),
        or_dash(hosts(&it.bindings, between)),
        or_dash(it.description.clone().unwrap_or_default()),
    ]
}
