//! `vultrino serve`: the proxy itself.

use std::{net::SocketAddr, sync::Arc};

use crate::{
    app::{self, EventLog, Rollback},
    cli::{context::Context, failure::Failure, mcp, output::Output, watch},
    config::{
        mcp::Transport,
        server::{Mode, parse_bind},
    },
    identity::ApiKey,
};

/// Start the HTTP proxy server
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Bind address [default: 127.0.0.1:7878]
    #[arg(short, long, value_name = "ADDR", value_parser = parse_bind)]
    bind: Option<SocketAddr>,

    /// Start as MCP server: on standard input and output, or as [mcp] transport says
    #[arg(long, conflicts_with = "accept_rollback")]
    mcp: bool,

    /// Start with a store that was rolled back, such as a restored backup
    #[arg(long)]
    accept_rollback: bool,

    /// Show no requests on the terminal
    #[arg(short, long)]
    quiet: bool,
}

const EXAMPLES: &str = "\
Examples:
  vultrino serve
  vultrino serve --bind 127.0.0.1:8080
  vultrino serve --mcp               the same as `vultrino mcp`; see its help

On a terminal it shows each request: time (UTC), method, status, host and path, credential,
caller and duration; of one that was refused or broke off, the reason instead of the credential.

In local mode any program on this machine can use every credential, so it listens on loopback
only. With mode = \"server\" in the section [server] of the configuration, callers need an API
key (`vultrino key create`), and it listens on any address. A changed configuration is read
again within a second, or on SIGHUP.

Then, in another terminal, with a credential named github-api:
  curl -H 'X-Vultrino-Credential: github-api' http://127.0.0.1:7878/https://api.github.com/user
  curl --proxy http://127.0.0.1:7878 --cacert \"$(vultrino ca path)\" https://api.github.com/user";

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    app::harden().map_err(app::AppError::from)?;
    let loaded = context.load_files(args.bind)?;
    if args.mcp {
        mcp::expect_enabled(&loaded.config)?;
        if loaded.config.mcp.transport == Transport::Stdio {
            return mcp::over_stdio(loaded, args.bind, context);
        }
    }
    let (store, password) = context.unlock(&loaded.config)?;
    drop(password);
    let rollback = if args.accept_rollback { Rollback::Accept } else { Rollback::Refuse };
    let output = Output::new(context.environment.no_color, false);
    let observer = if output.is_on_terminal() && !args.quiet {
        watch::start(output).map_err(app::AppError::from)?
    } else {
        Arc::new(EventLog)
    };
    let server = app::Server::start(loaded, store, rollback, Some(observer))?;
    announce(&server, &context.output)?;
    Ok(server.until_signal(Box::new(|| context.load_again(args.bind)))?)
}

/// Where it listens, what callers need there, and what a person should think about.
fn announce(server: &app::Server, output: &Output) -> Result<(), Failure> {
    let (bound, config) = (server.bound(), server.config());
    output.line(format_args!("Listening on http://{bound}"))?;
    if let Some(socket) = &config.server.socket {
        output.line(format_args!("Listening on {}", socket.display()))?;
    }
    match (config.server.mode, config.server.is_keyless()) {
        (Mode::Local, true) => output.note(
            "Local mode: any program on this machine can use every credential. To require keys: [server] local_auth = \"key\"",
        ),
        (Mode::Local, false) => output.note("Local mode: callers need an API key, except through the socket"),
        (Mode::Server, _) => output.note("Server mode: callers need an API key"),
    }
    if !config.server.is_keyless() {
        warn_of_keys(&server.keys(), output);
    }
    if config.server.mode == Mode::Server && !bound.ip().to_canonical().is_loopback() {
        output.warning(format_args!(
            "{bound} can be reached from other machines, and keys and answers travel there without TLS; put a reverse \
             proxy that speaks TLS in front, or let only a network that you trust reach it"
        ));
    }
    Ok(())
}

/// Where callers need a key: that there is none, those that are refused, and those that nobody with a key or the storage
/// password may have created.
fn warn_of_keys(keys: &[ApiKey], output: &Output) {
    let line = |it: &&ApiKey| format!("\n  {}  {}", it.prefix, it.name);
    let listed = |list: &[&ApiKey]| list.iter().map(line).collect::<String>();
    let (keyless, valid): (Vec<_>, Vec<_>) = keys.iter().partition(|it| it.is_keyless());
    if valid.is_empty() {
        output.warning(
            "there is no API key yet, so every request is refused; these make one:\n  \
             vultrino role create ROLE --permissions read,execute\n  vultrino key create NAME --role ROLE",
        );
    }
    if !keyless.is_empty() {
        output.warning(format_args!(
            "these API keys were created by callers without one and are refused here; `vultrino key revoke` removes \
             them:{}",
            listed(&keyless)
        ));
    }
    let unknown: Vec<_> = valid.into_iter().filter(|it| it.minted_by.is_none()).collect();
    if !unknown.is_empty() {
        output.warning(format_args!(
            "an earlier version created these API keys and did not record for whom: if local mode was in use then, any \
             program on this machine may have; revoke those that you do not know with `vultrino key revoke`:{}",
            listed(&unknown)
        ));
    }
}
