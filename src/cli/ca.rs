//! `vultrino ca`: the certificate that clients must trust.

use std::{fs, io, path::PathBuf};

use clap::Subcommand;

use crate::{
    ca::to_pem,
    cli::{
        context::{Context, Opened},
        failure::Failure,
    },
    config::Config,
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
struct Export {}

/// Print where the CA certificate lies
#[derive(Debug, clap::Args)]
#[command(after_help = PATH_EXAMPLES)]
struct Path {}

const EXPORT_EXAMPLES: &str = "\
Examples:
  vultrino ca export > vultrino-ca.pem
  vultrino ca export | openssl x509 -noout -text";

const PATH_EXAMPLES: &str = "\
Examples:
  curl --proxy http://127.0.0.1:7878 --cacert \"$(vultrino ca path)\" https://api.github.com/user
  export NODE_EXTRA_CA_CERTS=\"$(vultrino ca path)\"";

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let config = context.load(None)?;
    let pem = match read(&config)? {
        Some(pem) => pem,
        None => restored(context)?,
    };
    match args.command {
        Command::Export(Export {}) => context.output.raw(pem.as_bytes()),
        Command::Path(Path {}) => context.output.line(certificate(&config).display()),
    }
}

/// Beside the store itself, also where its path is a link.
pub(crate) fn certificate(config: &Config) -> PathBuf {
    let store = &config.storage.path;
    setup::certificate_path(&fs::canonicalize(store).unwrap_or_else(|_| store.clone()))
}

fn read(config: &Config) -> Result<Option<String>, Failure> {
    let path = certificate(config);
    match fs::read_to_string(&path) {
        Ok(pem) => Ok(Some(pem)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Failure::File { action: "read", path, source }),
    }
}

/// The store has the certificate too: a backup of it alone is enough.
fn restored(context: &mut Context) -> Result<String, Failure> {
    let Opened { store, .. } = context.open()?;
    let ca = store.load()?.ca.ok_or_else(|| Failure::Refused {
        what: format!("the store {} has no certificate authority", store.path().display()),
        help: Some("restore a backup of the store, or begin with `vultrino init --force --wipe`".to_owned()),
    })?;
    let pem = to_pem(&ca.facts.der);
    setup::publish_certificate(store.path(), &pem)?;
    Ok(pem)
}
