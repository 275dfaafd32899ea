//! `vultrino ca`: the certificate that clients must trust.

use std::{
    fs::{self, OpenOptions},
    path::PathBuf,
};

use clap::Subcommand;
use serde_json::json;

use crate::{
    app,
    base::trusted::open_own,
    cli::{
        context::{Context, Opened},
        failure::Failure,
    },
    config::{Config, Part},
    manage::setup,
};

/// Show the certificate authority that clients must trust
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Export(Export),
    Path(Path),
}

/// Print the CA certificate (PEM)
#[derive(Debug, clap::Args)]
#[command(after_help = EXPORT_EXAMPLES)]
struct Export {
    /// Output as JSON
    #[arg(long)]
    json: bool,
}

/// Print the path of the CA certificate
#[derive(Debug, clap::Args)]
#[command(after_help = PATH_EXAMPLES)]
struct Path {
    /// Output as JSON
    #[arg(long)]
    json: bool,
}

const EXPORT_EXAMPLES: &str = "\
Examples:
  vultrino ca export > vultrino-ca.pem
  vultrino ca export | openssl x509 -noout -text

The certificate comes from the store, so this needs the storage password.";

const PATH_EXAMPLES: &str = "\
Examples:
  curl --proxy http://127.0.0.1:7878 --cacert \"$(vultrino ca path)\" https://api.github.com/user
  export NODE_EXTRA_CA_CERTS=\"$(vultrino ca path)\"

If VULTRINO_PASSWORD or VULTRINO_PASSWORD_FILE is set, the file is compared with the
store, and replaced with a warning if it differs. Otherwise no password is asked for,
and a file that another user could change is refused.";

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    match args.command {
        Command::Export(Export { json }) => {
            let pem = restored(&context.open()?, context)?;
            if json {
                return context.output.json(&json!({ "certificate": pem }));
            }
            context.output.raw(pem.as_bytes())
        }
        Command::Path(Path { json }) => {
            let config = context.load(Part::Store)?;
            let path = certificate(&config);
            // It is asked for by every client that is started: nobody types the password for that.
            if context.has_password() || !path.exists() {
                restored(&context.open()?, context)?;
            }
            let opened = open_own(OpenOptions::new().read(true), &path);
            opened.map_err(|source| Failure::File { action: "trust", path: path.clone(), source })?;
            if json {
                return context.output.json(&json!({ "path": path }));
            }
            context.output.line(path.display())
        }
    }
}

/// Beside the store itself, links on the way resolved.
pub(crate) fn certificate(config: &Config) -> PathBuf {
    let store = &config.storage.path;
    setup::certificate_path(&fs::canonicalize(store).unwrap_or_else(|_| store.clone()))
}

/// The certificate that the store holds; `ca.pem` holds the same then.
fn restored(opened: &Opened, context: &Context) -> Result<String, Failure> {
    let Opened { store, .. } = opened;
    let ca = app::open_ca(store, &store.load()?)?;
    if setup::restore_certificate(store.path(), ca.pem())? {
        let path = setup::certificate_path(store.path());
        context.output.warning(format_args!("{}: {}", path.display(), setup::DIFFERENT));
    }
    Ok(ca.pem().to_owned())
}
