//! The root of the command line: what stands before the command, and the list of commands.

use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand};

use crate::cli::{
    add, admin, audit, bench, bind, ca, completions, config, delete, demo, get, init, key, list, mcp, password, policy,
    request, role, serve, unbind,
};

/// Uses credentials for programs that must never see them
#[derive(Debug, Parser)]
#[command(name = "vultrino", version, propagate_version = false, max_term_width = 100, after_help = FIRST_STEPS)]
pub(crate) struct Arguments {
    /// Path to config file
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Enable verbose output; twice for more
    #[arg(short, long, global = true, action = ArgAction::Count, display_order = 900)]
    pub(crate) verbose: u8,

    #[command(subcommand)]
    pub(crate) command: Command,
}

const FIRST_STEPS: &str = "\
First steps:
  vultrino init                      set up the store, once
  vultrino add github-api            store a credential; asks for the key
  vultrino request github-api https://api.github.com/user
  vultrino serve                     let programs use it, on port 7878

Environment:
  VULTRINO_PASSWORD       storage password
  VULTRINO_PASSWORD_FILE  path to a file that holds it
  VULTRINO_CONFIG         path to config file
  VULTRINO_DATA_DIR       folder of the store, the CA certificate and the audit log
  RUST_LOG                log level (trace, debug, info, warn, error)

Exit codes:
  0 success              1 general error        2 invalid arguments
  3 not found            4 permission denied    5 storage error";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(init::Args),
    Add(add::Args),
    List(list::Args),
    #[command(visible_alias = "info")]
    Get(get::Args),
    #[command(visible_alias = "remove")]
    Delete(delete::Args),
    Bind(bind::Args),
    Unbind(unbind::Args),
    Demo(demo::Args),
    Bench(bench::Args),
    Serve(serve::Args),
    Mcp(mcp::Args),
    #[command(visible_alias = "req")]
    Request(request::Args),
    Role(role::Args),
    Key(key::Args),
    Policy(policy::Args),
    Ca(ca::Args),
    Audit(audit::Args),
    Config(config::Args),
    Admin(admin::Args),
    Password(password::Args),
    Completions(completions::Args),
}
