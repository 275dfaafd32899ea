//! `vultrino completions`: a script that completes our commands in a shell.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::{arguments::Arguments, context::Context, failure::Failure};

/// Generate shell completions
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// For which shell
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  vultrino completions bash > /etc/bash_completion.d/vultrino
  vultrino completions zsh > ~/.zfunc/_vultrino
  vultrino completions fish > ~/.config/fish/completions/vultrino.fish";

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "vultrino", &mut script);
    context.output.raw(&script)
}
