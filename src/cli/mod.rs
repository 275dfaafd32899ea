//! The command line: a file per command, each reading its arguments, calling `manage` or `app`, and showing the result.
//!
//! `output.rs` is the only file of the program that prints, `failure.rs` the only one that knows exit codes, `ask.rs`
//! the only one that asks a person. Not here: what a change means (`manage`), what is set (`config`).

mod add;
mod admin;
mod arguments;
mod ask;
mod audit;
mod bench;
mod bind;
mod ca;
mod completions;
mod config;
mod context;
mod delete;
mod demo;
mod desk;
mod failure;
mod get;
mod host;
mod init;
mod key;
mod list;
mod log_format;
mod logging;
mod mcp;
mod output;
mod password;
mod policy;
mod request;
mod role;
mod secret;
mod serve;
mod show;
mod unbind;
mod watch;

use std::process::ExitCode;

use clap::Parser;

use crate::config::Environment;
use arguments::{Arguments, Command};
use context::Context;
use failure::Failure;

/// Does what the command line asks for.
pub fn run(mut environment: Environment) -> ExitCode {
    if let Some(shell) = environment.complete.take() {
        return completions::complete(&shell, environment);
    }
    let given = std::mem::take(&mut environment.arguments);
    let json = given.iter().take_while(|it| *it != "--").any(|it| it == "--json");
    let arguments = match Arguments::try_parse_from(given) {
        Ok(it) => it,
        Err(answer) => return output::usage(&answer, json),
    };
    let mut context = Context::new(environment, &arguments, json);
    match dispatch(arguments.command, &mut context) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            context.output.failure(&failure);
            failure.exit_code()
        }
    }
}

fn dispatch(command: Command, context: &mut Context) -> Result<(), Failure> {
    match command {
        Command::Init(it) => init::run(&it, context),
        Command::Add(it) => add::run(it, context),
        Command::List(it) => list::run(&it, context),
        Command::Get(it) => get::run(&it, context),
        Command::Delete(it) => delete::run(&it, context),
        Command::Bind(it) => bind::run(&it, context),
        Command::Unbind(it) => unbind::run(&it, context),
        Command::Demo(it) => demo::run(&it, context),
        Command::Bench(it) => bench::run(&it, context),
        Command::Serve(it) => serve::run(&it, context),
        Command::Mcp(it) => mcp::run(it, context),
        Command::Request(it) => request::run(&it, context),
        Command::Role(it) => role::run(it, context),
        Command::Key(it) => key::run(&it, context),
        Command::Ca(it) => ca::run(&it, context),
        Command::Audit(it) => audit::run(&it, context),
        Command::Admin(it) => admin::run(&it, context),
        Command::Policy(it) => policy::run(&it, context),
        Command::Config(it) => config::run(&it, context),
        Command::Password(it) => password::run(&it, context),
        Command::Completions(it) => completions::run(&it, context),
    }
}
