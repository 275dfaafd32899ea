//! `vultrino role`: what the keys of a role may do, and with which credentials.

use clap::{ArgAction, ArgGroup, Subcommand};
use serde::Serialize;

use crate::{
    base::{
        glob::{Glob, GlobError},
        id::Id,
    },
    cli::{ask, context::Context, failure::Failure, show::time},
    identity::{Permission, Permissions, Principal, Role},
    manage::{
        Description,
        roles::{self, New},
    },
};

/// Manage RBAC roles
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Create(Create),
    List(List),
    #[command(visible_alias = "info")]
    Get(Get),
    Update(Update),
    Delete(Delete),
}

/// Create a new role
#[derive(Debug, clap::Args)]
#[command(after_help = CREATE_EXAMPLES)]
struct Create {
    /// Its name: letters, digits, '.', '_' and '-'
    name: String,

    /// Comma-separated: read,write,update,delete,execute,admin
    #[arg(short, long, value_name = "PERMS")]
    permissions: Permissions,

    /// Credential patterns (glob): "github-*,stripe-*" [default: all credentials]
    #[arg(short, long, value_parser = parse_scopes, action = ArgAction::Append)]
    scopes: Vec<Scopes>,

    /// Role description
    #[arg(short, long, value_name = "DESC")]
    description: Option<String>,

    /// Output as JSON
    #[arg(long)]
    json: bool,
}

/// List all roles
#[derive(Debug, clap::Args)]
#[command(after_help = LIST_EXAMPLES)]
struct List {
    /// Output as JSON
    #[arg(long)]
    json: bool,
}

/// Get role details
#[derive(Debug, clap::Args)]
#[command(after_help = GET_EXAMPLES)]
struct Get {
    /// Its name or id
    name: String,

    /// Output as JSON
    #[arg(long)]
    json: bool,
}

/// Change a role; its keys have the new rights at once
#[derive(Debug, clap::Args)]
#[command(after_help = UPDATE_EXAMPLES, group(ArgGroup::new("change").required(true).multiple(true)))]
struct Update {
    /// Its name or id
    name: String,

    /// New permissions, comma-separated
    #[arg(short, long, value_name = "PERMS", group = "change")]
    permissions: Option<Permissions>,

    /// New credential patterns; "*" is all
    #[arg(short, long, value_parser = parse_scopes, action = ArgAction::Append, group = "change")]
    scopes: Vec<Scopes>,

    /// Role description; an empty one removes it
    #[arg(short, long, value_name = "DESC", group = "change")]
    description: Option<String>,

    /// Output as JSON
    #[arg(long)]
    json: bool,
}

/// Delete a role
#[derive(Debug, clap::Args)]
#[command(after_help = DELETE_EXAMPLES)]
struct Delete {
    /// Its name or id
    name: String,

    /// Do not ask on a terminal
    #[arg(short, long)]
    force: bool,

    /// Output as JSON
    #[arg(long)]
    json: bool,
}

const CREATE_EXAMPLES: &str = "\
Examples:
  vultrino role create readonly --permissions read
  vultrino role create github-executor --permissions read,execute --scopes \"github-*\" \\
    --description \"Execute requests with GitHub credentials\"

Permissions:
  read     list credentials (never their values)
  write    create new credentials
  update   modify existing credentials
  delete   remove credentials
  execute  use credentials for requests
  admin    manage roles and keys

Scopes are patterns over aliases: * is any characters, {a,b} one of several. Case
does not matter.";

const LIST_EXAMPLES: &str = "\
Examples:
  vultrino role list
  vultrino role list --json | jq -r '.[].name'";

const GET_EXAMPLES: &str = "\
Examples:
  vultrino role get github-executor";

const UPDATE_EXAMPLES: &str = "\
Examples:
  vultrino role update github-executor --permissions execute
  vultrino role update github-executor --scopes \"github-api,github-ci-*\"

Options that are left out keep their value; each one given replaces its old value.";

const DELETE_EXAMPLES: &str = "\
Examples:
  vultrino role delete old-role

Its API keys stay in `vultrino key list`, but no longer work.";

pub(crate) fn run(args: Args, context: &mut Context) -> Result<(), Failure> {
    match args.command {
        Command::Create(args) => create(args, context),
        Command::List(args) => list(&args, context),
        Command::Get(args) => get(&args, context),
        Command::Update(args) => update(args, context),
        Command::Delete(args) => delete(&args, context),
    }
}

fn create(args: Create, context: &mut Context) -> Result<(), Failure> {
    let Create { name, permissions, scopes, description, json } = args;
    let scopes = scopes.into_iter().flat_map(|it| it.0).collect();
    let new = New { name, description, permissions, scopes };
    let role = context.open()?.change(|desk, caller| roles::create(desk, caller, new))?;
    if json {
        return context.output.json(&Shown::from(&role));
    }
    context.output.line(format_args!("Created role: {}", role.name))
}

fn list(args: &List, context: &mut Context) -> Result<(), Failure> {
    let records = context.open()?.store.load()?;
    let all = roles::list(&Principal::Local, &records)?;
    if args.json {
        return context.output.json(&all.into_iter().map(Shown::from).collect::<Vec<_>>());
    }
    if all.is_empty() {
        context.output.note("No roles yet; `vultrino role create NAME --permissions read,execute` creates one.");
        return Ok(());
    }
    // With blanks between them, a narrow terminal need not break words.
    let between = if context.output.is_framed() { ", " } else { "," };
    let permissions = |it: &Role| it.permissions.to_string().replace(',', between);
    let rows: Vec<_> = all.into_iter().map(|it| [it.name.clone(), permissions(it), scopes(it, between)]).collect();
    context.output.table(["Name", "Permissions", "Scopes"], &rows)
}

fn get(args: &Get, context: &mut Context) -> Result<(), Failure> {
    let records = context.open()?.store.load()?;
    let role = roles::get(&Principal::Local, &records, &args.name)?;
    let output = &context.output;
    if args.json {
        return output.json(&Shown::from(role));
    }
    let permissions: Vec<_> = role.permissions.iter().map(Permission::as_str).collect();
    output.line(format_args!("Name: {}", role.name))?;
    output.line(format_args!("Permissions: {}", permissions.join(", ")))?;
    output.line(format_args!("Scopes: {}", scopes(role, ", ")))?;
    output.line(format_args!("Created: {}", time(role.created_at)))?;
    match &role.description {
        Some(text) => output.line(format_args!("Description: {text}")),
        None => Ok(()),
    }
}

fn update(args: Update, context: &mut Context) -> Result<(), Failure> {
    let Update { name, permissions, scopes, description, json } = args;
    let description = match description {
        None => Description::Keep,
        Some(text) if text.is_empty() => Description::Clear,
        Some(text) => Description::Set(text),
    };
    let scopes: Vec<Glob> = scopes.into_iter().flat_map(|it| it.0).collect();
    let update = roles::Update { description, permissions, scopes: (!scopes.is_empty()).then_some(scopes) };
    let role = context.open()?.change(|desk, caller| roles::update(desk, caller, &name, &update))?;
    if json {
        return context.output.json(&Shown::from(&role));
    }
    context.output.line(format_args!("Updated role: {}", role.name))
}

fn delete(args: &Delete, context: &mut Context) -> Result<(), Failure> {
    let opened = context.open()?;
    let records = opened.store.load()?;
    let Role { id, name, .. } = roles::get(&Principal::Local, &records, &args.name)?;
    // Scripts are not asked: nothing that a person typed in is lost.
    if !args.force && ask::somebody_types() {
        let keys = records.keys.iter().filter(|it| it.facts.role_id == *id).count();
        let warning = match keys {
            0 => String::new(),
            1 => " 1 API key of it will stop working.".to_owned(),
            many => format!(" {many} API keys of it will stop working."),
        };
        let question = format!("Are you sure you want to delete the role '{name}'?{warning}");
        if !ask::confirm(&context.output, &question, "add --force to delete without a question")? {
            return Err(Failure::Refused { what: format!("the role '{name}' was kept"), help: None });
        }
    }
    let role = opened.change(|desk, caller| roles::delete(desk, caller, &id.to_string()))?;
    if args.json {
        return context.output.json(&Shown::from(&role));
    }
    context.output.line(format_args!("Deleted role: {}", role.name))
}

/// What one `--scopes` says.
#[derive(Clone, Debug)]
struct Scopes(Vec<Glob>);

fn parse_scopes(text: &str) -> Result<Scopes, GlobError> {
    roles::parse_scopes(text).map(Scopes)
}

/// A role for programs (`--json`), with the names of the API.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    id: Id,
    name: &'a str,
    description: Option<&'a str>,
    permissions: Permissions,
    credential_scopes: &'a [Glob],
    created_at: String,
}

impl<'a> From<&'a Role> for Shown<'a> {
    fn from(it: &'a Role) -> Self {
        Self {
            id: it.id,
            name: &it.name,
            description: it.description.as_deref(),
            permissions: it.permissions,
            credential_scopes: &it.credential_scopes,
            created_at: time(it.created_at),
        }
    }
}

fn scopes(role: &Role, between: &str) -> String {
    match role.credential_scopes.as_slice() {
        [] => "(all)".to_owned(),
        some => some.iter().map(Glob::as_str).collect::<Vec<_>>().join(between),
    }
}
