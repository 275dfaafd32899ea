//! `vultrino init`: the configuration, the store with its administrator, and the certificate authority.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::json;

use crate::{
    base::secret::Secret,
    ca::{Root, to_pem},
    cli::{
        admin::new_password,
        ask,
        context::{Context, Opened},
        failure::Failure,
    },
    config::{
        Config, ConfigError, Flags, Part, load,
        sample::sample,
        save::{backup_name, save},
    },
    manage::{
        self,
        setup::{Setup, certificate_path, initialise},
    },
    store::FileStore,
};

/// Initialize a new Vultrino instance
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that a person types")]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Set up again; the configuration and stored credentials are kept. Also accept a storage password of fewer than 8
    /// characters
    #[arg(short, long)]
    force: bool,

    /// Replace the configuration with default settings; the old one is kept as a backup
    #[arg(long)]
    reset_config: bool,

    /// Start with an empty store; the old one is kept as a backup
    #[arg(long, requires = "force")]
    wipe: bool,

    /// Do not ask for confirmation of --wipe
    #[arg(long, requires = "wipe")]
    yes: bool,

    /// Name of the administrator of the web UI [default: admin, if a password is given]
    #[arg(long, value_name = "NAME")]
    admin_username: Option<String>,

    /// Read the administrator's password from standard input
    #[arg(long)]
    admin_password_stdin: bool,

    /// Output as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  vultrino init
  vultrino init --reset-config       when the configuration is beyond repair

  In a script, without questions:
    VULTRINO_PASSWORD_FILE=/run/secrets/vultrino vultrino init

The storage password may also come from VULTRINO_PASSWORD, or from the systemd
credential vultrino-password. An administrator is needed for the web UI only, and
can be set later with `vultrino admin set-password`.";

/// What there is before, and so what is to be done.
struct Plan {
    /// Where the configuration belongs.
    file: PathBuf,
    /// As far as it is known before the file is written.
    config: Config,
    /// Whether to write the file.
    write_config: bool,
    store: StorePlan,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum StorePlan {
    Make,
    Keep,
    /// Set the old one aside.
    MakeAnew,
}

/// What the storage password gives access to.
enum Access {
    /// The store that there is.
    Open(Arc<FileStore>),
    /// A store that is still to be made.
    New(Secret),
}

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let plan = plan(args, context)?;
    context.start_log(&plan.config);
    if plan.store == StorePlan::MakeAnew && !args.yes && !may_wipe(&plan.config, context)? {
        return Err(Failure::Refused {
            what: "the store was kept, and nothing else was changed".to_owned(),
            help: None,
        });
    }
    // Every question comes before the first change.
    let access = match plan.store {
        StorePlan::Keep => Access::Open(Arc::new(context.unlock(&plan.config)?.0)),
        StorePlan::Make | StorePlan::MakeAnew => Access::New(context.new_password(args.force)?),
    };
    let admin = administrator(args, context)?;
    match access {
        Access::Open(store) => {
            write_config(&plan, context)?;
            if let Some((username, password)) = &admin {
                let opened = Opened { config: plan.config.clone(), store, clock: context.clock };
                opened.change(|desk, caller| manage::admin::set(desk, caller, Some(username), password))?;
            }
        }
        Access::New(password) => {
            write_config(&plan, context)?;
            make_store(&plan, &password, admin.as_ref(), context)?;
        }
    }
    tell(&plan, args.json, context)
}

fn plan(args: &Args, context: &Context) -> Result<Plan, Failure> {
    let flags = context.flags(None);
    let file = load::file_to_write(&flags, &context.environment)?;
    let there = file.exists();
    let config = if there { current(&file, args.reset_config, context)? } else { None };
    let write_config = !there || args.reset_config;
    let config = config.map_or_else(|| load::load_defaults(&file, &flags, &context.environment), Ok)?;
    let store = match FileStore::exists(&config.storage.path) {
        false => StorePlan::Make,
        true if args.wipe => StorePlan::MakeAnew,
        true if args.force || args.reset_config => StorePlan::Keep,
        true => {
            return Err(Failure::Refused {
                what: format!("Vultrino is set up already: the store is {}", config.storage.path.display()),
                help: Some(
                    "`vultrino add ALIAS` stores a credential. To start with an empty store: `vultrino init --force \
                     --wipe`; to write the configuration with default settings: `vultrino init --reset-config`"
                        .to_owned(),
                ),
            });
        }
    };
    Ok(Plan { file, config, write_config, store })
}

/// What is set now. A file that is about to be replaced need not be valid.
fn current(file: &Path, reset: bool, context: &Context) -> Result<Option<Config>, Failure> {
    let flags = Flags { config: Some(file.to_owned()), bind: None };
    match load::load_part(Part::Listener, &flags, &context.environment) {
        Ok(loaded) => Ok(Some(loaded.config)),
        Err(error @ ConfigError::Invalid(_)) if reset => {
            context.output.warning(format_args!("the configuration was not valid ({error}); defaults take its place"));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn may_wipe(config: &Config, context: &Context) -> Result<bool, Failure> {
    let question = format!("Begin with an empty store in place of {}?", config.storage.path.display());
    ask::confirm(&context.output, &question, "add --yes to begin with an empty store")
}

/// Name and password of the administrator, where anything says that there shall be one.
fn administrator(args: &Args, context: &mut Context) -> Result<Option<(String, Secret)>, Failure> {
    let is_wanted =
        args.admin_username.is_some() || args.admin_password_stdin || context.environment.admin_password.is_some();
    if !is_wanted {
        return Ok(None);
    }
    let username = args.admin_username.clone().unwrap_or_else(|| manage::admin::DEFAULT_NAME.to_owned());
    Ok(Some((username, new_password(args.admin_password_stdin, context)?)))
}

fn write_config(plan: &Plan, context: &Context) -> Result<(), Failure> {
    if !plan.write_config {
        return Ok(());
    }
    let text = sample(&plan.config.storage.path, &context.environment);
    let failed = |source| Failure::File { action: "write", path: plan.file.clone(), source };
    if let Some(kept) = save(&plan.file, &text, context.clock.now()).map_err(failed)? {
        context.output.note(format_args!("The old configuration is kept as {}", kept.display()));
    }
    Ok(())
}

fn make_store(
    plan: &Plan,
    password: &Secret,
    admin: Option<&(String, Secret)>,
    context: &Context,
) -> Result<(), Failure> {
    let path = &plan.config.storage.path;
    let root = Root::generate(context.clock.now())?;
    let ca_pem = to_pem(&root.certificate_der);
    let setup = Setup {
        path,
        password,
        kdf: plan.config.storage.kdf,
        admin: admin.map(|(name, password)| (name.as_str(), password)),
        ca_certificate: root.certificate_der,
        ca_pem: &ca_pem,
        ca_key: root.key_pkcs8,
    };
    let aside = (plan.store == StorePlan::MakeAnew).then(|| backup_name(path, context.clock.now()));
    let moved = |from: &Path, to: &Path| {
        fs::rename(from, to).map_err(|source| Failure::File { action: "move", path: from.to_owned(), source })
    };
    if let Some(aside) = &aside {
        moved(path, aside)?;
        context.output.note(format_args!("The old store is kept as {}", aside.display()));
    }
    match initialise(context.clock, setup) {
        Ok(_) => Ok(()),
        Err(error) => {
            if let Some(aside) = &aside {
                moved(aside, path)?;
            }
            Err(error.into())
        }
    }
}

fn tell(plan: &Plan, json: bool, context: &Context) -> Result<(), Failure> {
    let store = &plan.config.storage.path;
    if json {
        let ca = certificate_path(store);
        return context.output.json(&json!({ "config": plan.file, "store": store, "ca_certificate": ca }));
    }
    let config = if plan.write_config { "Configuration:  " } else { "Configuration (kept):" };
    context.output.line(format_args!(
        "Vultrino is set up.\n\n  {config} {}\n  Store:           {}\n  CA certificate:  {}\n\n\
         Next:\n  vultrino add github-api     store a credential; asks for the key\n  \
         vultrino serve              let programs use it on http://{}",
        plan.file.display(),
        store.display(),
        certificate_path(store).display(),
        plan.config.server.bind,
    ))
}
