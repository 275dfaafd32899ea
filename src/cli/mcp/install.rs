//! `vultrino mcp install`: tells an MCP client how to start the server that speaks for a running Vultrino.

#[cfg(unix)]
use std::os::unix::fs::PermissionsExt as _;
use std::{
    env,
    fs::{self, Permissions},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
};

use clap::ValueEnum as _;
use serde::Serialize;
use serde_json::json;

use crate::{
    app::bridge::Daemon,
    base::target::TargetError,
    cli::{
        context::Context,
        failure::Failure,
        mcp::{
            clients::{Client, Handover},
            document::{DocumentError, Done, set},
            entry::{Entry, Key},
            warn_of_password,
        },
        secret,
    },
    config::{Environment, Part, environment, save::save},
};

/// Add Vultrino to the configuration of an MCP client
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that a person types")]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Client to configure [default: list all with their files]
    client: Option<Client>,

    /// URL of the running Vultrino [default: as configured]
    #[arg(long, requires = "client", value_parser = parse_url)]
    url: Option<String>,

    /// Name of the entry
    #[arg(long, requires = "client", default_value = "vultrino", value_parser = parse_name)]
    name: String,

    /// File to change [default: the client's own]
    #[arg(long, value_name = "FILE", requires = "client", conflicts_with = "project")]
    file: Option<PathBuf>,

    /// Use the client's file in the current folder; it is shared, so no key is written
    #[arg(long, requires = "client")]
    project: bool,

    /// Read the API key from standard input and write it into the file
    #[arg(long, requires = "client", conflicts_with = "project")]
    key_stdin: bool,

    /// Replace another entry of this name
    #[arg(short, long, requires = "client")]
    force: bool,

    /// Print what a new file would contain, and write nothing
    #[arg(long, requires = "client", conflicts_with = "json")]
    print: bool,

    /// Output as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  vultrino mcp install                       list the clients
  vultrino mcp install claude-code --print   preview only

  With an API key of its own, written into the client's file:
    vultrino key create cursor --role agent --json | jq -r .key |
      vultrino mcp install cursor --key-stdin

  For all who work on a project, each with a key in VULTRINO_API_KEY:
    vultrino mcp install claude-code --project

The client then starts `vultrino mcp --url URL`, which needs an API key and nothing else. The key
is taken from VULTRINO_API_KEY or standard input. Without one, the entry has the client hand on
VULTRINO_API_KEY from its own environment, where it can. The storage password is never written: an
agent that can read it has every credential.

A file that gets a key is made readable by you alone. The old version is kept as a backup, and other
entries stay as they are.";

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let Some(client) = args.client else { return list(args.json, context) };
    let file = file(client, args, &context.environment)?;
    let command = if args.project { "vultrino".to_owned() } else { own_path()? };
    let url = args.url.clone().map_or_else(|| configured_url(context), Ok)?;
    let entry = |key: &Key| {
        let entry = Entry::new(client.shape(), &command, &url, key);
        entry.map_err(|it| Failure::usage(it.to_string(), "`vultrino key create NAME --role ROLE` makes one"))
    };
    let is_given = args.key_stdin || context.environment.api_key.is_some();
    let shown = if is_given && !args.project { Key::Shown } else { Key::Environment };
    let snippet = set("", client.shape(), &args.name, &entry(&shown)?).map(|it| it.text);
    let snippet = snippet.map_err(|error| cannot_set(&file, &error, ""))?;
    if args.print {
        return context.output.raw(snippet.as_bytes());
    }
    warn_of_password(context);
    let key = match (&shown, args.key_stdin) {
        (Key::Shown, true) => Key::Written(secret::from_stdin("--key-stdin")?),
        (Key::Shown, false) => context.environment.api_key.take().map_or(Key::Environment, Key::Written),
        _ => Key::Environment,
    };
    let there = There::read(file)?;
    let change = set(&there.text, client.shape(), &args.name, &entry(&key)?);
    let change = change.map_err(|error| cannot_set(&there.file, &error, &snippet))?;
    if change.done == Done::Replaced && !args.force {
        return Err(Failure::Refused {
            what: format!("{} has another entry {} already", there.file.display(), args.name),
            help: Some("--force replaces it; --name NAME makes one beside it".to_owned()),
        });
    }
    let secret = matches!(key, Key::Written(_));
    let backup = if change.done == Done::Unchanged { None } else { there.write(&change.text, secret, context)? };
    let (client_id, action) = (client.id(), change.done);
    let report = Report { client: client_id, name: &args.name, file: &there.file, action, holds_key: secret, backup };
    if args.json {
        return context.output.json(&report);
    }
    tell(&report, context)?;
    match change.done {
        Done::Unchanged if secret && there.is_open() => context
            .output
            .warning(format_args!("it holds the API key, and others can read it: chmod 600 {}", there.file.display())),
        Done::Unchanged => (),
        Done::Added | Done::Replaced => remark(client, args.project, &there, &key, context),
    }
    Ok(())
}

/// What was done (`--json`).
#[derive(Serialize)]
struct Report<'a> {
    client: String,
    name: &'a str,
    file: &'a Path,
    action: Done,
    holds_key: bool,
    backup: Option<PathBuf>,
}

fn tell(report: &Report<'_>, context: &Context) -> Result<(), Failure> {
    let (name, file) = (report.name, report.file.display());
    context.output.line(match report.action {
        Done::Added => format!("Added {name} to {file}"),
        Done::Replaced => format!("Replaced {name} in {file}"),
        Done::Unchanged => format!("Nothing to do: {name} is in {file} already"),
    })?;
    if let Some(backup) = &report.backup {
        context.output.note(format_args!("What it was before is kept as {}", backup.display()));
    }
    Ok(())
}

/// How the server gets its key, for a person.
fn remark(client: Client, project: bool, there: &There, key: &Key, context: &Context) {
    let (name, variable) = (client.name(), environment::API_KEY);
    context.output.note(match (key, client.shape().handover) {
        (Key::Written(_), _) if there.is_open() => {
            "It holds the API key: others could read it, and no longer can (mode 0600)".to_owned()
        }
        (Key::Written(_), _) => "It holds the API key: only you can read it (mode 0600)".to_owned(),
        (_, Handover::Never) => format!(
            "It holds no API key, and {name} hands none on: where Vultrino asks for one, run this again with --force \
             and the key in {variable} or --key-stdin"
        ),
        _ if project => format!("Each user needs `vultrino` in PATH, and a key of their own in {variable}"),
        _ => format!(
            "It holds no API key: where Vultrino asks for one, start {name} with the key in {variable}, or run this \
             again with --force and --key-stdin"
        ),
    });
}

/// Which client looks where.
fn list(json: bool, context: &Context) -> Result<(), Failure> {
    let all = Client::value_variants().iter().map(|it| (it, it.file(&context.environment)));
    if json {
        let shown = all.map(|(it, file)| json!({"client": it.id(), "project_file": it.project_file(), "file": file}));
        return context.output.json(&shown.collect::<Vec<_>>());
    }
    let dash = || "-".to_owned();
    let path = |it: PathBuf| it.display().to_string();
    let rows: Vec<_> = all
        .map(|(it, file)| [it.id(), it.project_file().map_or_else(dash, str::to_owned), file.map_or_else(dash, path)])
        .collect();
    context.output.table(["Client", "With --project", "File"], &rows)
}

/// A client's file as it was found.
struct There {
    /// Itself, where its name is a link.
    file: PathBuf,
    text: String,
    permissions: Option<Permissions>,
}

impl There {
    fn read(file: PathBuf) -> Result<Self, Failure> {
        let file = match fs::canonicalize(&file) {
            Ok(it) => it,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !file.is_symlink() => {
                return Ok(Self { file, text: String::new(), permissions: None });
            }
            Err(source) => return Err(Failure::File { action: "follow", path: file, source }),
        };
        let read = || Ok((fs::read_to_string(&file)?, fs::metadata(&file)?.permissions()));
        match read() {
            Ok((text, permissions)) => Ok(Self { file, text, permissions: Some(permissions) }),
            Err(source) => Err(Failure::File { action: "read", path: file, source }),
        }
    }

    /// Puts the text in place of what was there, which is kept under the name that is returned.
    fn write(&self, text: &str, secret: bool, context: &Context) -> Result<Option<PathBuf>, Failure> {
        let failed = |source| Failure::File { action: "write", path: self.file.clone(), source };
        let kept = save(&self.file, text, context.clock.now()).map_err(failed)?;
        match &self.permissions {
            // It is for its owner's eyes now, as a new one is.
            Some(permissions) if !secret => fs::set_permissions(&self.file, permissions.clone()).map_err(failed)?,
            _ => (),
        }
        Ok(kept)
    }

    /// Whether others than its owner could read it.
    fn is_open(&self) -> bool {
        #[cfg(unix)]
        let open = self.permissions.as_ref().is_some_and(|it| it.mode() & 0o077 != 0);
        #[cfg(not(unix))]
        let open = false;
        open
    }
}

fn cannot_set(file: &Path, error: &DocumentError, snippet: &str) -> Failure {
    Failure::Refused {
        what: format!("{} is left as it is: {error}", file.display()),
        help: Some(format!("put that right, or add this to it by hand:\n{}", snippet.trim_end())),
    }
}

fn file(client: Client, args: &Args, environment: &Environment) -> Result<PathBuf, Failure> {
    let name = client.name();
    match (&args.file, args.project) {
        (Some(file), _) => Ok(file.clone()),
        (None, true) => client.project_file().map(PathBuf::from).ok_or_else(|| {
            Failure::usage(format!("{name} has no file in the folder of a project"), "leave --project out")
        }),
        (None, false) => client.file(environment).ok_or_else(|| {
            Failure::usage(format!("HOME is not set, so the file of {name} is not known"), "name the file with --file")
        }),
    }
}

fn own_path() -> Result<String, Failure> {
    let path = env::current_exe();
    let path = path.map_err(|source| Failure::File { action: "find", path: "this program".into(), source })?;
    path.into_os_string().into_string().map_err(|path| {
        Failure::usage(
            format!("the path of this program cannot be written as text: {}", path.display()),
            "put it where every name is UTF-8",
        )
    })
}

fn configured_url(context: &Context) -> Result<String, Failure> {
    let bind = context.load(Part::Listener)?.server.bind;
    let ip = match bind.ip() {
        IpAddr::V4(it) if it.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(it) if it.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        it => it,
    };
    Ok(format!("http://{}", SocketAddr::new(ip, bind.port())))
}

/// As it was typed.
fn parse_url(text: &str) -> Result<String, TargetError> {
    Daemon::parse(text).map(|_| text.to_owned())
}

/// What all clients take as a name.
fn parse_name(text: &str) -> Result<String, &'static str> {
    let plain = |it: u8| it.is_ascii_alphanumeric() || it == b'-' || it == b'_';
    match text.len() {
        1..=64 if text.bytes().all(plain) => Ok(text.to_owned()),
        _ => Err("1 to 64 letters, digits, '-' and '_'"),
    }
}
