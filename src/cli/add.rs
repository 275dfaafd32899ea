//! `vultrino add`: stores a credential.

use clap::ArgAction;

use crate::{
    base::host::AuthorityPattern,
    catalog,
    cli::{
        ask,
        context::Context,
        failure::Failure,
        host::{HostParser, parse_host},
        secret::{SecretArgument, given_or_asked},
        show::{Shown, hosts},
    },
    credential::{Alias, Kind, Material, Metadata},
    manage::{
        ManageError,
        credentials::{self, Added, New},
    },
};

/// Add a new credential
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Name for programs to use: letters, digits, '.', '_' and '-'
    #[arg(value_name = "ALIAS", required_unless_present = "alias_option")]
    alias: Option<Alias>,

    /// Same as ALIAS, as an option
    #[arg(short = 'a', long = "alias", value_name = "ALIAS", conflicts_with = "alias")]
    alias_option: Option<Alias>,

    #[arg(short = 't', long = "type", value_name = "TYPE", default_value = "api_key")]
    #[arg(help = "Credential type: api_key or basic_auth")]
    kind: Kind,

    /// API key or secret value; '-' reads it from standard input [default: ask]
    #[arg(short, long)]
    key: Option<SecretArgument>,

    /// Username (for basic auth)
    #[arg(short, long)]
    username: Option<String>,

    /// Password (for basic auth); '-' reads it from standard input [default: ask]
    #[arg(short, long)]
    password: Option<SecretArgument>,

    /// Host to bind it to; repeat for more [default: by the key's shape]
    #[arg(long = "host", value_name = "HOST", value_parser = HostParser, action = ArgAction::Append)]
    hosts: Vec<AuthorityPattern>,

    /// Never choose it by host: requests must name it
    #[arg(long)]
    no_auto: bool,

    /// Optional description
    #[arg(long, value_name = "DESC")]
    description: Option<String>,

    /// Header that carries the key, and what precedes the key there [default: Authorization=Bearer]
    #[arg(long, value_name = "NAME[=PREFIX]")]
    header: Option<String>,

    #[arg(
        long,
        value_name = "JSON",
        help = "Notes as a JSON object; \"header_name\" and \"header_prefix\" are the same as --header"
    )]
    metadata: Option<Metadata>,

    /// Output as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  Ask for the key, and bind it to GitHub by its shape (ghp_…):
    vultrino add github-api

  Pipe the key in from a password manager:
    pass show stripe | vultrino add stripe-live --key -

  A user name and a password:
    vultrino add jira --type basic_auth --username ada@example.com \\
      --host jira.example.com --description \"Ada's own account\"

  A key that is sent as `X-API-Key: KEY`, and one as `Authorization: Token KEY`:
    vultrino add search --host api.example.com --header X-API-Key
    vultrino add wiki --host wiki.example.com --header Authorization=Token

How hosts are written: `vultrino bind --help`";

pub(crate) fn run(args: Args, context: &mut Context) -> Result<(), Failure> {
    let metadata = metadata(&args)?;
    let Args { alias, alias_option, kind, key, username, password, hosts, no_auto, description, json, .. } = args;
    let Some(alias) = alias.or(alias_option) else {
        return Err(Failure::usage("the alias is missing", "write `vultrino add ALIAS`"));
    };
    match kind {
        Kind::ApiKey => {
            refuse_other(kind, "--username", username.is_some())?;
            refuse_other(kind, "--password", password.is_some())?;
        }
        Kind::BasicAuth => refuse_other(kind, "--key", key.is_some())?,
    }
    for (option, given) in [("--key", &key), ("--password", &password)] {
        if let Some(it) = given {
            it.warn(option, &context.output);
        }
    }
    // A wrong storage password should cost nobody a key that was typed before it.
    let opened = context.open()?;
    let material = match kind {
        Kind::ApiKey => {
            let key = given_or_asked(key, "--key", "API key:", context)?;
            Material::api_key(key).map_err(ManageError::from)?
        }
        Kind::BasicAuth => {
            let username = given_or_typed(username, context)?;
            let password = given_or_asked(password, "--password", "Password:", context)?;
            Material::basic_auth(username.into(), password).map_err(ManageError::from)?
        }
    };
    let bindings = if hosts.is_empty() { asked_hosts(&material, context)? } else { hosts };
    let new = New { alias, material, description, metadata, bindings, auto: !no_auto };
    let added = opened.change(|desk, caller| credentials::add(desk, caller, new))?;
    if json { context.output.json(&Shown::from(&added.credential)) } else { tell(&added, context) }
}

/// The notes, with what `--header` says among them.
fn metadata(args: &Args) -> Result<Metadata, Failure> {
    let metadata = args.metadata.clone().unwrap_or_default();
    let Some(header) = &args.header else { return Ok(metadata) };
    refuse_other(args.kind, "--header", args.kind != Kind::ApiKey)?;
    if metadata.header_name().is_some() {
        return Err(Failure::usage("the header is named twice", "leave `header_name` out of --metadata"));
    }
    let (name, prefix) = header.split_once('=').map_or((header.as_str(), None), |(name, it)| (name, Some(it)));
    let prefix = prefix.map(str::trim).filter(|it| !it.is_empty());
    Ok(metadata.with_header(name, prefix).map_err(ManageError::from)?)
}

fn tell(added: &Added, context: &Context) -> Result<(), Failure> {
    let Added { credential, recognised } = added;
    context.output.line(format_args!("Added credential: {}", credential.alias))?;
    let bound = hosts(&credential.bindings, ", ");
    match recognised {
        Some(entry) => context.output.line(format_args!("Bound to {bound}: the key looks like one of {}", entry.title)),
        None if bound.is_empty() => context.output.line(format_args!(
            "It is bound to no host yet, so nothing can use it. To bind it:\n  vultrino bind {} HOST",
            credential.alias
        )),
        None => context.output.line(format_args!("Bound to {bound}")),
    }
}

fn refuse_other(kind: Kind, option: &str, given: bool) -> Result<(), Failure> {
    if !given {
        return Ok(());
    }
    let help = match kind {
        Kind::ApiKey => "an api_key has --key alone; for a user name and a password add --type basic_auth",
        Kind::BasicAuth => "basic_auth has --username and --password; for one key leave --type out",
    };
    Err(Failure::usage(format!("Invalid credential format: {option} does not belong to type {kind}"), help))
}

fn given_or_typed(username: Option<String>, context: &Context) -> Result<String, Failure> {
    match username {
        Some(it) => Ok(it),
        None if ask::somebody_is_there() => ask::line(&context.output, "Username:"),
        None => {
            Err(Failure::usage("--username is missing, and there is no terminal to ask on", "give --username NAME"))
        }
    }
}

/// Asks where the credential belongs when nothing else tells it and somebody is there.
fn asked_hosts(material: &Material, context: &Context) -> Result<Vec<AuthorityPattern>, Failure> {
    let known = matches!(material, Material::ApiKey { key } if catalog::recognise(key).is_some());
    if known || !ask::somebody_is_there() {
        return Ok(Vec::new());
    }
    loop {
        let answer = ask::line(&context.output, "Host that it is for, such as api.example.com (empty: decide later):")?;
        let parsed: Result<Vec<_>, _> = answer.split([' ', ',']).filter(|it| !it.is_empty()).map(parse_host).collect();
        match parsed {
            Ok(hosts) => return Ok(hosts),
            Err(error) => context.output.note(error),
        }
    }
}
