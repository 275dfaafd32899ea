//! `vultrino request`: one request with a credential, by the person who holds the storage password.

use std::{fs, io::Read, path::PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::Method;
use serde_json::{Map, Value, json};

use crate::{
    app,
    base::{fields::Known, head::AnswerHead, host::AuthorityPattern, target::Target},
    cli::{
        context::{Context, Opened},
        failure::Failure,
    },
    config::Part,
    exchange::header_list::HeaderList,
    identity::Principal,
    manage::credentials,
};

/// Make an authenticated HTTP request
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Credential and URL; only the URL with -c
    #[arg(value_name = "[ALIAS] URL", num_args = 1..=2, required = true)]
    words: Vec<String>,

    /// Credential to use
    #[arg(short, long, value_name = "ALIAS")]
    credential: Option<String>,

    /// HTTP method
    #[arg(short = 'X', long, default_value = "GET")]
    method: Method,

    /// Additional headers (can be repeated)
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,

    /// Request body, sent byte for byte; @FILE reads it from a file, @- from standard input
    #[arg(short, long)]
    data: Option<String>,

    /// Output response as JSON: status, headers, body
    #[arg(long, conflicts_with = "quiet")]
    json: bool,

    /// Print the body only
    #[arg(short, long)]
    quiet: bool,
}

const EXAMPLES: &str = "\
Examples:
  vultrino request github-api https://api.github.com/user
  vultrino request -c github-api --json https://api.github.com/user | jq .status
  vultrino request stripe-api -X POST -H 'Content-Type: application/json' -d '{\"amount\": 1000}' \\
    https://api.stripe.com/v1/charges
  vultrino request uploads -X PUT -d @picture.png https://uploads.example/picture";

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    app::harden().map_err(app::AppError::from)?;
    let (alias, url) = aim(args)?;
    let target = Target::parse_near(&args.method, &url, None)
        .map_err(|error| Failure::usage(format!("the URL cannot be used: {error}"), "write it as https://host/path"))?;
    let headers = args.headers.iter().map(|it| header(it)).collect::<Result<Vec<_>, _>>()?;
    let body = args.data.as_deref().map_or(Ok(Vec::new()), body)?;
    let opened = context.open_with(Part::Whole)?;
    bind_first_use(&opened, &alias, &target, context)?;
    let request = app::request::Request { alias, method: args.method.clone(), target, headers, body };
    if args.json { as_json(&opened, request, context) } else { streamed(&opened, request, args, context) }
}

/// Both forms: `request ALIAS URL` and `request -c ALIAS URL`.
fn aim(args: &Args) -> Result<(String, String), Failure> {
    match (&args.credential, args.words.as_slice()) {
        (Some(alias), [url]) | (None, [alias, url]) => Ok((alias.clone(), url.clone())),
        (None, _) => Err(Failure::usage("no credential is named", "write `vultrino request ALIAS URL`")),
        (Some(_), _) => Err(Failure::usage("the credential is named twice", "write `vultrino request -c ALIAS URL`")),
    }
}

fn header(text: &str) -> Result<(String, String), Failure> {
    let wrong = || Failure::usage("one of the -H values is not a header", "write it as 'Name: value'");
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    let value = value.trim();
    http::HeaderName::from_bytes(name.as_bytes()).or(Err(wrong()))?;
    http::HeaderValue::from_str(value).or(Err(wrong()))?;
    match Known::of(name.as_bytes()) {
        Known::Host | Known::ContentLength | Known::TransferEncoding | Known::Connection => {
            Err(Failure::usage(format!("the header {name} is written by Vultrino"), "leave it out"))
        }
        _ => Ok((name.to_owned(), value.to_owned())),
    }
}

fn body(data: &str) -> Result<Vec<u8>, Failure> {
    match data.strip_prefix('@') {
        None => Ok(data.as_bytes().to_vec()),
        Some("-") => {
            let mut bytes = Vec::new();
            std::io::stdin().lock().read_to_end(&mut bytes).map_err(Failure::Input)?;
            Ok(bytes)
        }
        Some(path) => {
            fs::read(path).map_err(|source| Failure::File { action: "read", path: PathBuf::from(path), source })
        }
    }
}

/// A person who holds the storage password and types a URL says by that where the credential belongs (D-06).
fn bind_first_use(opened: &Opened, alias: &str, target: &Target, context: &Context) -> Result<(), Failure> {
    let records = opened.store.load()?;
    let stored = credentials::get(&Principal::Local, &records, alias)?;
    if stored.facts.bindings.is_empty() {
        let origin = &target.origin;
        let pattern = AuthorityPattern::exactly(origin.scheme, &origin.authority);
        context.output.note(format_args!("{alias} is now bound to {pattern}; it will be used nowhere else"));
        opened.change(|desk, caller| credentials::bind(desk, caller, alias, &[pattern]))?;
    }
    Ok(())
}

fn streamed(opened: &Opened, request: app::request::Request, args: &Args, context: &Context) -> Result<(), Failure> {
    let output = &context.output;
    let mut printed = Ok(());
    app::request::run(
        &opened.config,
        &opened.store,
        request,
        |head| {
            if !args.quiet {
                output.note(format_args!("HTTP {} {}", head.status, String::from_utf8_lossy(&head.reason)));
            }
        },
        |data| {
            if printed.is_ok() {
                printed = output.raw(data);
            }
        },
    )?;
    printed
}

fn as_json(opened: &Opened, request: app::request::Request, context: &Context) -> Result<(), Failure> {
    let (mut answer, mut body) = (Map::new(), Vec::new());
    let Opened { config, store, .. } = opened;
    app::request::run(config, store, request, |head| answer = describe(head), |data| body.extend_from_slice(data))?;
    match String::from_utf8(body) {
        Ok(text) => answer.insert("body".into(), json!(text)),
        Err(error) => {
            answer.insert("body_encoding".into(), json!("base64"));
            answer.insert("body".into(), json!(STANDARD.encode(error.as_bytes())))
        }
    };
    context.output.json(&answer)
}

fn describe(head: &AnswerHead) -> Map<String, Value> {
    let mut answer = Map::new();
    answer.insert("status".into(), json!(head.status));
    let HeaderList { by_name, each } = HeaderList::of(&head.fields);
    answer.insert("headers".into(), json!(by_name));
    if let Some(each) = each {
        answer.insert("header_list".into(), json!(each));
    }
    answer
}
