//! `vultrino config`: the configuration without a server.

use clap::Subcommand;
use serde_json::json;

use crate::{
    app,
    cli::{context::Context, failure::Failure},
};

/// Check the configuration
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(Check),
}

/// Check the configuration and all files that it names, as `serve` would read them
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
struct Check {
    /// Output as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  vultrino config check
  vultrino --config new.toml config check && mv new.toml config.toml

The exit code is 0 if `serve` would take it, 5 if the section [storage] is wrong, and 1 otherwise. It
needs no password. In a systemd unit: ExecStartPre=/usr/local/bin/vultrino config check";

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let Command::Check(args) = &args.command;
    let loaded = context.load_files(None)?;
    app::check(&loaded.config)?;
    let (file, policies) = (loaded.origin.file, loaded.config.policies.iter().count());
    if args.json {
        return context.output.json(&json!({ "file": file, "policies": policies }));
    }
    let policies = match policies {
        0 => "no policies".to_owned(),
        1 => "1 policy".to_owned(),
        many => format!("{many} policies"),
    };
    match file {
        Some(file) => context.output.line(format_args!("{} is valid, with {policies}", file.display())),
        None => context.output.line("There is no configuration file, and the default settings are valid"),
    }
}
