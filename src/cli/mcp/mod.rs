//! `vultrino mcp`: the Model Context Protocol over standard input and output, and what tells clients of it.

mod clients;
mod document;
mod entry;
mod install;

use std::net::SocketAddr;

use clap::Subcommand;

use crate::{
    app::{self, bridge},
    base::secret::Secret,
    cli::{context::Context, failure::Failure},
    config::{Config, Loaded, environment, server::Mode},
    identity::PresentedKey,
    mcp::Identity,
};

/// Serve AI agents over MCP
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,

    /// URL of a running Vultrino to forward everything to; needs neither the storage password nor the store
    #[arg(long, value_name = "URL", value_parser = bridge::Daemon::parse)]
    url: Option<bridge::Daemon>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Install(install::Args),
}

const EXAMPLES: &str = "\
Examples:
  vultrino mcp install claude-code
  vultrino mcp --url http://127.0.0.1:7878
  vultrino mcp

Speaks MCP on standard input and output, for an agent's program that starts it. The agent's API
key is in VULTRINO_API_KEY; it decides which tools and credentials there are.

With --url the work is done by a Vultrino that runs as another user, and the agent has its key and
nothing else. This is the way to keep secrets from the agent. Without --url this process opens the
store itself and needs the storage password. Whoever starts it holds the password then: an agent
that can read its own configuration can read every secret.";

pub(crate) fn run(args: Args, context: &mut Context) -> Result<(), Failure> {
    if let Some(Command::Install(args)) = &args.command {
        return install::run(args, context);
    }
    app::harden().map_err(app::AppError::from)?;
    if let Some(daemon) = args.url {
        context.start_log_alone();
        warn_of_password(context);
        let key = context.environment.api_key.take();
        if let Some(key) = &key {
            key_of(key)?;
        }
        if key.is_some() && daemon.is_in_clear() {
            context.output.warning(format_args!(
                "the API key travels to {daemon} without TLS, for everybody on the way to read; use https"
            ));
        }
        return Ok(bridge::run(daemon, key)?);
    }
    let loaded = context.load_files(None)?;
    expect_enabled(&loaded.config)?;
    over_stdio(loaded, None, context)
}

/// An agent that starts with the password needs no API key to read every secret.
fn warn_of_password(context: &Context) {
    let is_set = [
        (environment::PASSWORD, context.environment.password.is_some()),
        (environment::PASSWORD_FILE, context.environment.password_file.is_some()),
    ];
    for (variable, _) in is_set.into_iter().filter(|(_, is_set)| *is_set) {
        context.output.warning(format_args!(
            "{variable} is set here: an agent that is started from here can read every secret; start it without this \
             variable"
        ));
    }
}

/// Opens the store, and serves until standard input ends.
pub(crate) fn over_stdio(loaded: Loaded, bind: Option<SocketAddr>, context: &mut Context) -> Result<(), Failure> {
    let identity = identity(context, &loaded.config)?;
    let (store, password) = context.unlock(&loaded.config)?;
    drop(password);
    Ok(app::stdio::run(loaded, store, identity, Box::new(|| context.load_again(bind)))?)
}

pub(crate) fn expect_enabled(config: &Config) -> Result<(), Failure> {
    if config.mcp.enabled {
        return Ok(());
    }
    Err(Failure::usage("MCP is switched off", "set `enabled = true` in the section [mcp] of the configuration"))
}

/// Whoever has shown the storage password may do all, on a machine of one's own. Elsewhere that has to be meant, and where
/// a key was meant, too.
fn identity(context: &mut Context, config: &Config) -> Result<Identity, Failure> {
    let blank = context.environment.blank_api_key;
    match context.environment.api_key.take() {
        Some(key) => key_of(&key).map(|it| Identity::of_key(it, config.server.is_keyless())),
        None if config.server.mode == Mode::Local && !blank => Ok(Identity::local()),
        None if blank => Err(Failure::usage(format!("{} is set, and empty", environment::API_KEY), fix())),
        None => Err(Failure::usage("in server mode an agent needs an API key", fix())),
    }
}

/// What looks like a key.
fn key_of(text: &Secret) -> Result<PresentedKey, Failure> {
    PresentedKey::of(text).ok_or_else(|| Failure::usage(format!("{} holds no API key", environment::API_KEY), fix()))
}

fn fix() -> String {
    let name = environment::API_KEY;
    format!("set {name} to a key from `vultrino key create`; not every client expands ${{{name}}}")
}
