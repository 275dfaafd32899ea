//! `vultrino completions`: a script that completes our commands in a shell, and the answers that it asks for.

use std::{
    env,
    ffi::{OsStr, OsString},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use clap::{Command, CommandFactory};
use clap_complete::{
    Shell,
    engine::{ArgValueCompleter, CompletionCandidate, ValueCompleter},
    env::Shells,
};

use crate::{
    app::names::{Sort, listed},
    base::secret::Secret,
    cli::{arguments::Arguments, context::Context, failure::Failure, output::Output},
    config::{Environment, Flags, Part, environment, load::load_part},
};

/// Arguments that name something: the command, the argument, and what it names.
const NAMING: [(&[&str], &str, Sort); 17] = [
    (&["get"], "alias", Sort::Credentials),
    (&["delete"], "alias", Sort::Credentials),
    (&["bind"], "alias", Sort::Credentials),
    (&["unbind"], "alias", Sort::Credentials),
    (&["request"], "words", Sort::Credentials),
    (&["request"], "credential", Sort::Credentials),
    (&["bench"], "credential", Sort::Credentials),
    (&["policy", "test"], "credential", Sort::Credentials),
    (&["policy", "explain"], "credential", Sort::Credentials),
    (&["role", "get"], "name", Sort::Roles),
    (&["role", "update"], "name", Sort::Roles),
    (&["role", "delete"], "name", Sort::Roles),
    (&["key", "create"], "role", Sort::Roles),
    (&["key", "revoke"], "key", Sort::Keys),
    (&["audit", "tail"], "credential", Sort::Credentials),
    (&["audit", "report"], "credential", Sort::Credentials),
    (&["audit", "export"], "credential", Sort::Credentials),
];

/// Generate shell completions
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// For which shell
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  vultrino completions bash > ~/.local/share/bash-completion/completions/vultrino
  vultrino completions zsh > ~/.zfunc/_vultrino
  vultrino completions fish > ~/.config/fish/completions/vultrino.fish

Aliases, roles and keys come from the Vultrino that runs on this machine; if it needs an API key,
VULTRINO_API_KEY is sent. The storage password is never asked for.";

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let shells = Shells::builtins();
    let mut script = Vec::new();
    if let Some(shell) = shells.completer(&args.shell.to_string()) {
        let written = shell.write_registration(environment::COMPLETE, "vultrino", "vultrino", "vultrino", &mut script);
        written.map_err(Failure::Output)?;
    }
    context.output.raw(&script)
}

/// Completes the words behind `--`, for the script of this shell.
pub(crate) fn complete(shell: &str, mut environment: Environment) -> ExitCode {
    let words = std::mem::take(&mut environment.arguments).into_iter();
    let words: Vec<_> = words.skip_while(|it| it != "--").skip(1).collect();
    let output = Output::new(true, false);
    let shells = Shells::builtins();
    let Some(shell) = shells.completer(shell).filter(|_| !words.is_empty()) else { return ExitCode::FAILURE };
    let source = Arc::new(Source { config: config_in(&words), environment });
    let mut answer = Vec::new();
    let written = shell.write_complete(&mut command(&source), words, env::current_dir().ok().as_deref(), &mut answer);
    match written.map_err(Failure::Output).and_then(|()| output.raw(&answer)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Where names come from.
#[derive(Debug)]
struct Source {
    /// `--config` among the words.
    config: Option<PathBuf>,
    environment: Environment,
}

/// Names for one argument.
#[derive(Clone, Debug)]
struct Names {
    source: Arc<Source>,
    sort: Sort,
}

/// All commands, with names for those arguments that take one.
fn command(source: &Arc<Source>) -> Command {
    NAMING.iter().fold(Arguments::command(), |command, (path, argument, sort)| {
        let names = Names { source: Arc::clone(source), sort: *sort };
        naming(command, path, argument, names)
    })
}

fn naming(command: Command, path: &[&str], argument: &'static str, names: Names) -> Command {
    match path {
        // Unlike `mut_arg`, this keeps the order of the arguments without a name.
        [] => command
            .mut_args(|it| if it.get_id() == argument { it.add(ArgValueCompleter::new(names.clone())) } else { it }),
        [first, rest @ ..] => command.mut_subcommand(first, |it| naming(it, rest, argument, names)),
    }
}

/// `-c FILE` and the like, where they stand before the command.
fn config_in(words: &[OsString]) -> Option<PathBuf> {
    let first = words.get(1)?.to_str()?;
    match first.strip_prefix("--config=") {
        Some(file) => Some(file.into()),
        None if first == "-c" || first == "--config" => words.get(2).map(PathBuf::from),
        None => None,
    }
}

impl Source {
    /// The listener on this machine; keys are sent nowhere else.
    fn address(&self) -> Option<SocketAddr> {
        let flags = Flags { config: self.config.clone(), bind: None };
        let mut bind = load_part(Part::Listener, &flags, &self.environment).ok()?.config.server.bind;
        match bind.ip() {
            IpAddr::V4(it) if it.is_unspecified() => bind.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(it) if it.is_unspecified() => bind.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => (),
        }
        Some(bind).filter(|it| it.port() != 0 && it.ip().to_canonical().is_loopback())
    }

    fn key(&self) -> Option<&Secret> {
        self.environment.api_key.as_ref()
    }
}

impl ValueCompleter for Names {
    fn complete(&self, current: &OsStr) -> Vec<CompletionCandidate> {
        let (Some(current), Some(address)) = (current.to_str(), self.source.address()) else { return Vec::new() };
        let all = listed(address, self.source.key(), self.sort).into_iter();
        let fitting = all.filter(|it| it.name.starts_with(current));
        fitting.map(|it| CompletionCandidate::new(it.name).help(it.about.map(Into::into))).collect()
    }

    /// Behind an alias stands a URL.
    fn complete_at(&self, index: usize, current: &OsStr) -> Vec<CompletionCandidate> {
        if index == 0 { self.complete(current) } else { Vec::new() }
    }
}
