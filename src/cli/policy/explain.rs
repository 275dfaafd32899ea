//! `vultrino policy explain`: every policy and every rule, in words, and with a request what each says about it.

use http::Method;

use crate::{
    cli::{context::Context, failure::Failure, output::Output, policy::question::Asked},
    config::Part,
    policy::{
        Examination, Policy,
        set::{Evaluation, PolicySet},
    },
};

/// Print every policy and rule, or with a request the verdict of each
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Credential of the request
    #[arg(short, long, value_name = "ALIAS", requires = "url")]
    credential: Option<String>,

    /// URL of the request
    #[arg(short, long, requires = "credential")]
    url: Option<String>,

    /// HTTP method
    #[arg(short = 'X', long, default_value = "GET", requires = "url")]
    method: Method,

    /// Time of the request [default: now]
    #[arg(long, value_name = "TIME", requires = "url")]
    at: Option<String>,

    /// Output as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  vultrino policy explain
  vultrino policy explain -c github-api -u https://api.github.com/repos/o/r -X DELETE
  vultrino policy explain --json | jq -r '.[].name'";

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let (Some(alias), Some(url)) = (&args.credential, &args.url) else {
        let config = context.load(Part::Whole)?;
        return tell_all(&config.policies, args.json, &context.output);
    };
    let asked = Asked::new(alias, url, &args.method, args.at.as_deref(), context)?;
    let config = context.load(Part::Whole)?;
    let answer = asked.examine(&config, context)?;
    if args.json { context.output.json(&answer) } else { tell(&answer, &context.output) }
}

fn tell_all(policies: &PolicySet, json: bool, output: &Output) -> Result<(), Failure> {
    if json {
        return output.json(&policies.iter().map(|it| &**it).collect::<Vec<&Policy>>());
    }
    if policies.is_empty() {
        output.note("No policies: a credential may be used for anything on the hosts that it is bound to.");
    }
    for (nth, policy) in policies.iter().enumerate() {
        if nth > 0 {
            output.line("")?;
        }
        output.line(format_args!("Policy \"{}\" for credentials {}", policy.name, policy.credential_pattern))?;
        for (number, rule) in policy.numbered() {
            output.line(format_args!("  {number:>3}  {}  {}", output.verdict(rule.action, 5), rule.condition))?;
        }
        output.line(format_args!("  else {}  {}", output.verdict(policy.default_action, 0), how(policy)))?;
    }
    Ok(())
}

fn how(policy: &Policy) -> &'static str {
    match policy.evaluation {
        Some(Evaluation::FirstMatch) => "(the first match decides)",
        _ => "(the first match of each kind decides)",
    }
}

fn tell(answer: &Examination, output: &Output) -> Result<(), Failure> {
    for finding in &answer.policies {
        output.line(format_args!(
            "Policy \"{}\": {} ({})",
            finding.policy,
            output.verdict(finding.result, 0),
            finding.because
        ))?;
        for rule in &finding.rules {
            let matched = if rule.matched { "matches" } else { "-" };
            let action = if rule.matched { output.verdict(rule.action, 5) } else { format!("{:<5}", rule.action) };
            output.line(format_args!("  {:>3}  {action}  {matched:<7}  {}", rule.number, rule.text))?;
        }
    }
    output.line(format_args!("Result: {} ({})", output.verdict(answer.result, 0), answer.summary))
}
