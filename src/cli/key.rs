//! `vultrino key`: the keys by which a running Vultrino knows its callers. A key is shown once, when it is created.

use std::{borrow::Cow, collections::HashMap};

use clap::Subcommand;
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    base::id::Id,
    cli::{
        context::Context,
        failure::Failure,
        show::{day, time},
    },
    identity::{ApiKey, PREFIX, Principal},
    manage::{
        ManageError, expiry,
        keys::{self, Listed, New},
    },
};

/// Manage API keys for programmatic access
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Create(Create),
    List(List),
    Revoke(Revoke),
}

/// Create a new API key
#[derive(Debug, clap::Args)]
#[command(after_help = CREATE_EXAMPLES)]
struct Create {
    /// Label shown in lists and in the audit log
    name: String,

    /// Role to assign (required)
    #[arg(short, long)]
    role: String,

    /// Expiration: 24h, 30d, 2w, 1y, 2026-12-31 or never
    #[arg(short, long, value_name = "DURATION", default_value = "never")]
    expires: String,

    /// Output as JSON
    #[arg(long)]
    json: bool,
}

/// List all API keys
#[derive(Debug, clap::Args)]
#[command(after_help = LIST_EXAMPLES)]
struct List {
    /// Output as JSON
    #[arg(long)]
    json: bool,
}

/// Revoke an API key
#[derive(Debug, clap::Args)]
#[command(after_help = REVOKE_EXAMPLES)]
struct Revoke {
    /// Id of the key, the key itself, or its prefix: at least 4 characters after vk_
    #[arg(value_name = "PREFIX_OR_ID")]
    key: String,

    /// Output as JSON
    #[arg(long)]
    json: bool,
}

const CREATE_EXAMPLES: &str = "\
Examples:
  vultrino key create my-app --role github-executor
  vultrino key create temp-key --role readonly --expires 7d
  VULTRINO_API_KEY=$(vultrino key create ci --role ci-deploy -e 24h --json | jq -r .key)

The key is shown once; only its hash is stored. A date means 23:59:59 UTC of that
day; years are calendar years.";

const LIST_EXAMPLES: &str = "\
Examples:
  vultrino key list
  vultrino key list --json | jq -r '.[] | select(.expired) | .id'";

const REVOKE_EXAMPLES: &str = "\
Examples:
  vultrino key revoke vk_a1b2c3d4

Revokes without asking; the next request with the key is refused. A prefix of
several keys revokes none and lists them.";

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    match &args.command {
        Command::Create(args) => create(args, context),
        Command::List(args) => list(args, context),
        Command::Revoke(args) => revoke(args, context),
    }
}

fn create(args: &Create, context: &mut Context) -> Result<(), Failure> {
    let expires_at = expiry::parse(&args.expires, context.clock.now()).map_err(ManageError::from)?;
    let new = New { name: args.name.clone(), role: args.role.clone(), expires_at };
    let (created, secret) = context.open()?.change(|desk, caller| keys::create(desk, caller, &new))?;
    let secret = String::from_utf8_lossy(secret.expose());
    if args.json {
        let (id, name, key_prefix) = (created.id, &*created.name, &*created.prefix);
        let expires_at = created.expires_at.map(time);
        return context.output.json(&Created {
            id,
            key: secret,
            name,
            key_prefix,
            role_id: created.role_id,
            expires_at,
        });
    }
    context.output.line(format_args!("Created API key: {secret}"))?;
    context.output.line("\nIMPORTANT: Save this key now. It won't be shown again.")
}

fn list(args: &List, context: &mut Context) -> Result<(), Failure> {
    let records = context.open()?.store.load()?;
    let all = keys::list(&Principal::Local, &records)?;
    let now = context.clock.now();
    if args.json {
        return context.output.json(&all.iter().map(|it| Shown::of(it, now)).collect::<Vec<_>>());
    }
    if all.is_empty() {
        context.output.note("No API keys yet; `vultrino key create NAME --role ROLE` creates one.");
        return Ok(());
    }
    let short = Shortened::of(&all);
    let rows: Vec<_> = all.iter().map(|it| row(it, &short, now)).collect();
    context.output.table(["Prefix", "Name", "Role", "Expires", "Last Used"], &rows)
}

fn revoke(args: &Revoke, context: &mut Context) -> Result<(), Failure> {
    let revoked = context.open()?.change(|desk, caller| keys::revoke(desk, caller, &args.key))?;
    if args.json {
        return context.output.json(&Shown::of(&Listed { key: &revoked, role: None }, context.clock.now()));
    }
    context.output.line(format_args!("Revoked API key: {}", revoked.prefix))
}

fn row(it: &Listed<'_>, short: &Shortened<'_>, now: Timestamp) -> [String; 5] {
    let Listed { key, role } = it;
    let expires = match key.expires_at {
        None => "never".to_owned(),
        Some(at) if key.is_expired(now) => format!("{} (expired)", day(at)),
        Some(at) => day(at),
    };
    [
        short.prefix(key),
        key.name.clone(),
        role.map_or_else(|| "(deleted)".to_owned(), |it| it.name.clone()),
        expires,
        key.last_used_at.map_or_else(|| "never".to_owned(), day),
    ]
}

/// How the keys of one list are shortened: to four characters, unless others begin with the same.
struct Shortened<'a>(HashMap<&'a str, usize>);

impl<'a> Shortened<'a> {
    fn of(all: &[Listed<'a>]) -> Self {
        let mut counts = HashMap::new();
        for it in all {
            *counts.entry(begin(it.key)).or_default() += 1;
        }
        Self(counts)
    }

    fn prefix(&self, key: &ApiKey) -> String {
        let begin = begin(key);
        let shown = if self.0.get(begin) == Some(&1) { begin } else { &key.prefix };
        format!("{shown}...")
    }
}

fn begin(key: &ApiKey) -> &str {
    key.prefix.get(..PREFIX.len() + 4).unwrap_or(&key.prefix)
}

/// A new key for programs, with the names of the API.
#[derive(Serialize)]
struct Created<'a> {
    id: Id,
    key: Cow<'a, str>,
    name: &'a str,
    key_prefix: &'a str,
    role_id: Id,
    expires_at: Option<String>,
}

/// A key for programs (`--json`), with the names of the API.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    id: Id,
    name: &'a str,
    key_prefix: &'a str,
    role_id: Id,
    /// Missing where it was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'a str>,
    expires_at: Option<String>,
    expired: bool,
    last_used_at: Option<String>,
    created_at: String,
}

impl<'a> Shown<'a> {
    fn of(it: &Listed<'a>, now: Timestamp) -> Self {
        let key = it.key;
        Self {
            id: key.id,
            name: &key.name,
            key_prefix: &key.prefix,
            role_id: key.role_id,
            role: it.role.map(|it| &*it.name),
            expires_at: key.expires_at.map(time),
            expired: key.is_expired(now),
            last_used_at: key.last_used_at.map(time),
            created_at: time(key.created_at),
        }
    }
}
