//! `vultrino bind`: allows a credential against more hosts.

use crate::{
    base::host::{AuthorityPattern, HostError},
    cli::{
        context::Context,
        failure::Failure,
        show::{Shown, hosts},
    },
    manage::credentials,
};

/// Allow a credential against a host
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Which credential
    alias: String,

    /// Hosts that it may be used against from now on
    #[arg(required_unless_present = "more_hosts", value_name = "HOST", value_parser = parse_host)]
    hosts: Vec<AuthorityPattern>,

    /// The same, as `vultrino add` takes it
    #[arg(long = "host", value_name = "HOST", value_parser = parse_host)]
    more_hosts: Vec<AuthorityPattern>,

    /// Output as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  vultrino bind internal-api api.example.com         https, its usual port
  vultrino bind internal-api api.example.com:8443    https, this port
  vultrino bind internal-api 'api.example.com:*'     https, any port
  vultrino bind internal-api '*.example.com'         exactly one label before example.com
  vultrino bind internal-api http://10.1.2.3         plaintext is permitted

A credential is used against the hosts that it is bound to and nowhere else,
whoever asks.";

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let more = [&args.hosts[..], &args.more_hosts[..]].concat();
    let credential = context.open()?.change(|desk, caller| credentials::bind(desk, caller, &args.alias, &more))?;
    if args.json {
        return context.output.json(&Shown::from(&credential));
    }
    context.output.line(format_args!("{} is bound to {}", credential.alias, hosts(&credential.bindings, ", ")))
}

/// Reads a host as people have it at hand: a URL that was copied loses its path.
pub(crate) fn parse_host(text: &str) -> Result<AuthorityPattern, HostError> {
    let end = text.find("://").and_then(|at| Some(at + 3 + text[at + 3..].find(['/', '?', '#'])?));
    text[..end.unwrap_or(text.len())].parse()
}

#[cfg(test)]
mod tests {
    use crate::cli::bind::parse_host;

    #[test]
    fn a_copied_url_names_its_host() {
        for (text, host) in [
            ("https://api.github.com/user?x=1", "api.github.com"),
            ("https://api.github.com", "api.github.com"),
            ("http://h:8080/", "http://h:8080"),
            ("api.github.com:*", "api.github.com:*"),
        ] {
            assert_eq!(parse_host(text).unwrap().to_string(), host);
        }
        assert!(parse_host("api.github.com/user").is_err());
        assert!(parse_host("https://user@host/").is_err());
    }
}
