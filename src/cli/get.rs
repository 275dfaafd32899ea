//! `vultrino get`: what is known of one credential, and with `--show-secret` the one place where a value comes back.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use crate::{
    base::secret::Secret,
    cli::{
        context::Context,
        failure::Failure,
        show::{Shown, hosts, time},
    },
    credential::{Credential, Material},
    identity::Principal,
    manage::{credentials, reveal::reveal},
};

/// Get details about a specific credential
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Alias of the credential
    alias: String,

    /// Print the secret value, on a terminal only; recorded in the audit log
    #[arg(long)]
    show_secret: bool,

    /// Print the secret value to a file or a program, too
    #[arg(short, long, requires = "show_secret")]
    force: bool,

    /// Output as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  vultrino get github-api
  vultrino get github-api --json | jq -r '.hosts[]'
  vultrino get github-api --show-secret
  vultrino get github-api --show-secret --force --json | jq -r .data.key";

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    if args.show_secret && !args.force && !context.output.is_framed() {
        return Err(Failure::usage(
            "--show-secret prints to a terminal only, and standard output is none",
            "add --force to print the secret all the same",
        ));
    }
    let opened = context.open()?;
    let records = opened.store.load()?;
    let facts = &credentials::get(&Principal::Local, &records, &args.alias)?.facts;
    let shown = || opened.change(|desk, caller| reveal(desk, caller, &args.alias));
    let material = if args.show_secret { Some(shown()?) } else { None };
    if args.json {
        let data = material.as_ref().map(Data::from);
        return context.output.json(&WithData { facts: facts.into(), data });
    }
    tell(facts, context)?;
    material.map_or(Ok(()), |it| tell_secret(&it, context))
}

/// With the value, under the names that the API takes it by.
#[derive(Serialize)]
struct WithData<'a> {
    #[serde(flatten)]
    facts: Shown<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    ApiKey { key: Cow<'a, str> },
    BasicAuth { username: Cow<'a, str>, password: Cow<'a, str> },
}

impl<'a> From<&'a Material> for Data<'a> {
    fn from(material: &'a Material) -> Self {
        match material {
            Material::ApiKey { key } => Self::ApiKey { key: text(key) },
            Material::BasicAuth { username, password } => {
                Self::BasicAuth { username: text(username), password: text(password) }
            }
        }
    }
}

fn text(secret: &Secret) -> Cow<'_, str> {
    String::from_utf8_lossy(secret.expose())
}

fn tell_secret(material: &Material, context: &Context) -> Result<(), Failure> {
    match material {
        Material::ApiKey { key } => context.output.line(format_args!("Key: {}", text(key))),
        Material::BasicAuth { username, password } => {
            context.output.line(format_args!("Username: {}", text(username)))?;
            context.output.line(format_args!("Password: {}", text(password)))
        }
    }
}

fn tell(it: &Credential, context: &Context) -> Result<(), Failure> {
    let output = &context.output;
    output.line(format_args!("Alias: {}", it.alias))?;
    output.line(format_args!("Type: {}", it.kind))?;
    output.line(format_args!("Created: {}", time(it.created_at)))?;
    output.line(format_args!("Description: {}", it.description.as_deref().unwrap_or("-")))?;
    output.line(format_args!("ID: {}", it.id))?;
    match it.bindings.as_slice() {
        [] => output.line(format_args!("Hosts: none; to bind it: vultrino bind {} HOST", it.alias))?,
        bound => output.line(format_args!("Hosts: {}", hosts(bound, ", ")))?,
    }
    if !it.auto {
        output.line("Chosen by host alone: never")?;
    }
    if !it.metadata.is_empty() {
        output.line(format_args!("Metadata: {}", Value::Object(it.metadata.as_map().clone())))?;
    }
    Ok(())
}
