//! `vultrino policy test`: the verdict on one request, without making it.

use http::Method;

use crate::{
    cli::{context::Context, failure::Failure, policy::question::Asked},
    config::Part,
};

/// Show the verdict on a request without sending it
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Credential of the request
    #[arg(short, long, value_name = "ALIAS")]
    credential: String,

    /// URL of the request
    #[arg(short, long)]
    url: String,

    /// HTTP method
    #[arg(short = 'X', long, default_value = "GET")]
    method: Method,

    /// Time of the request [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<String>,

    /// Output as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
The exit code is 0 for both verdicts. Nothing is counted, and no rate is taken as used up.

Examples:
  vultrino policy test --credential github-api --url https://api.github.com/user --method GET
  vultrino policy test -c database-main -u https://db.example.com/ --at 2026-03-29T02:30+01:00
  vultrino policy test -c github-api -u https://api.github.com/user --json | jq -r .result";

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let asked = Asked::new(&args.credential, &args.url, &args.method, args.at.as_deref(), context)?;
    let config = context.load(Part::Whole)?;
    let answer = asked.examine(&config, context)?;
    if args.json {
        return context.output.json(&answer);
    }
    let result = context.output.verdict(answer.result, 0);
    context.output.line(format_args!("Result: {result} ({})", answer.summary))
}
