//! `vultrino demo`: the main job on made-up data, for a first look.

use crate::{
    app::demo::{ALIAS, Demo, Seen},
    cli::{context::Context, failure::Failure},
};

/// Show what Vultrino does, on made-up data in a temporary folder
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Exit after the table instead of serving until Ctrl-C
    #[arg(long)]
    once: bool,
}

const EXAMPLES: &str = "\
Examples:
  vultrino demo
  vultrino demo --once";

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let output = &context.output;
    output
        .note("Setting up a store, a CA, a made-up credential, an origin server and the proxy in a temporary folder…");
    let demo = Demo::start()?;
    let rows = demo.requests()?.into_iter().map(|Seen { way, sent, received, status }| {
        // A blank line after each, whichever cell is the longest.
        [format!("{way}\n{status}"), sent, received].map(|it| it + "\n")
    });
    output.table(["Way", "The client sent", "The origin server received"], &rows.collect::<Vec<_>>())?;
    output.line("The client named the credential or nothing at all; only the origin server saw its secret.")?;
    if args.once {
        return Ok(demo.stop()?);
    }
    let (proxy, url, ca) = (demo.proxy(), demo.origin_url(), demo.ca_file().display());
    output.line(format_args!(
        "\nTry it in another terminal:\n\n  \
         curl -H 'X-Vultrino-Credential: {ALIAS}' http://{proxy}/{url}/user\n  \
         curl --proxy http://{proxy} --cacert {ca} {url}/user\n\nCtrl-C ends the demonstration."
    ))?;
    Ok(demo.until_signal()?)
}
