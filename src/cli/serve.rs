//! `vultrino serve`: the proxy itself.

use std::net::SocketAddr;

use crate::{
    app::{self, Rollback},
    cli::{context::Context, failure::Failure},
    config::server::parse_bind,
};

/// Start the HTTP proxy server
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Bind address [default: 127.0.0.1:7878]
    #[arg(short, long, value_name = "ADDR", value_parser = parse_bind)]
    bind: Option<SocketAddr>,

    /// Start with a store that is older than it was, such as a backup that was put back
    #[arg(long)]
    accept_rollback: bool,
}

const EXAMPLES: &str = "\
Examples:
  vultrino serve
  vultrino serve --bind 127.0.0.1:8080

Then, in another terminal, with a credential of the alias github-api:
  curl -H 'X-Vultrino-Credential: github-api' http://127.0.0.1:7878/https://api.github.com/user
  curl --proxy http://127.0.0.1:7878 --cacert \"$(vultrino ca path)\" https://api.github.com/user";

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    app::harden().map_err(app::AppError::from)?;
    let loaded = context.load_files(args.bind)?;
    let password = context.password_of(&loaded.config)?;
    let store = Context::unlock(&loaded.config, &password)?;
    drop(password);
    let rollback = if args.accept_rollback { Rollback::Accept } else { Rollback::Refuse };
    let server = app::Server::start(loaded, store, rollback)?;
    context.output.line(format_args!("Listening on http://{}", server.bound()))?;
    Ok(server.until_signal(Box::new(|| context.load_again(args.bind)))?)
}
