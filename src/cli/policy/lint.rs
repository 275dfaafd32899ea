//! `vultrino policy lint`: likely mistakes in policies.

use std::path::PathBuf;

use crate::{
    cli::{context::Context, failure::Failure},
    config::{Part, policies::read_file},
    policy,
};

/// Find likely mistakes in policies; exit code 1 if there are any
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Files with policies, instead of the configuration
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Output as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Warnings:
  shadowed       a rule that never decides: an earlier one does wherever it matches
  no_host        a rule that allows requests to any host, in a policy that names hosts
  never_matches  windows that leave no time
  star_in_host   a pattern such as https://api.example.com*
  always_denies  a rate with action = \"deny\"

Examples:
  vultrino policy lint
  vultrino policy lint policies/*.toml
  vultrino policy lint --json | jq -r '.[].kind' | sort | uniq -c";

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let mut concerns = Vec::new();
    if args.files.is_empty() {
        concerns = policy::lint(&context.load(Part::Whole)?.policies);
    }
    for file in &args.files {
        concerns.extend(policy::lint(&read_file(file)?));
    }
    if args.json {
        context.output.json(&concerns)?;
    } else {
        for concern in &concerns {
            context.output.line(format_args!("{}: {concern}", concern.kind.as_str()))?;
        }
    }
    match concerns.len() {
        0 => Ok(()),
        1 => Err(Failure::Found { what: "1 warning".to_owned(), help: None }),
        many => Err(Failure::Found { what: format!("{many} warnings"), help: None }),
    }
}
