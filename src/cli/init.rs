//! `vultrino init`: the configuration, the store with its administrator, and the certificate authority.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

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
    /// Overwrite existing configuration and ask for the admin credentials again; stored credentials are kept
    #[arg(short, long)]
    force: bool,

    /// Begin with an empty store; the old one is kept beside it
    #[arg(long, requires = "force")]
    wipe: bool,

    /// Answer the question of --wipe with yes
    #[arg(long, requires = "wipe")]
    yes: bool,

    /// Name of the administrator of the web UI [default: ask]
    #[arg(long, value_name = "NAME")]
    admin_username: Option<String>,

    /// Read the administrator's password from standard input
    #[arg(long)]
    admin_password_stdin: bool,
}

const EXAMPLES: &str = "\
Examples:
  vultrino init

  In a script, without questions:
    export VULTRINO_PASSWORD=… VULTRINO_ADMIN_PASSWORD=…
    vultrino init --admin-username admin

The storage password may also come from the file that VULTRINO_PASSWORD_FILE
names, or from the systemd credential vultrino-password.";

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
        StorePlan::Make | StorePlan::MakeAnew => Access::New(context.new_password()?),
    };
    let username = admin_username(args.admin_username.as_deref(), context)?;
    let admin_password = new_password(args.admin_password_stdin, context)?;
    match access {
        Access::Open(store) => {
            write_config(&plan, context)?;
            let opened = Opened { config: plan.config.clone(), store, clock: context.clock };
            opened.change(|desk, caller| manage::admin::set(desk, caller, Some(&username), &admin_password))?;
        }
        Access::New(password) => {
            write_config(&plan, context)?;
            make_store(&plan, &password, (&username, &admin_password), context)?;
        }
    }
    tell(&plan, context)
}

fn plan(args: &Args, context: &Context) -> Result<Plan, Failure> {
    let flags = context.flags(None);
    let file = load::file_to_write(&flags, &context.environment)?;
    let there = file.exists();
    let config = if there { current(&file, args.force, context)? } else { None };
    let write_config = !there || args.force;
    let config = config.map_or_else(|| load::load_defaults(&file, &flags, &context.environment), Ok)?;
    let store = match FileStore::exists(&config.storage.path) {
        false => StorePlan::Make,
        true if args.wipe => StorePlan::MakeAnew,
        true if args.force => StorePlan::Keep,
        true => {
            return Err(Failure::Refused {
                what: format!("Vultrino is set up already: the store is {}", config.storage.path.display()),
                help: Some(
                    "`vultrino init --force` writes the configuration anew and sets the admin credentials; \
                     what is stored is kept"
                        .to_owned(),
                ),
            });
        }
    };
    Ok(Plan { file, config, write_config, store })
}

/// What is set now. With `--force` a file that cannot be read is no obstacle: it is about to be replaced.
fn current(file: &Path, force: bool, context: &Context) -> Result<Option<Config>, Failure> {
    let flags = Flags { config: Some(file.to_owned()), bind: None };
    match load::load_part(Part::Listener, &flags, &context.environment) {
        Ok(loaded) => Ok(Some(loaded.config)),
        Err(error @ ConfigError::Invalid(_)) if force => {
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

fn admin_username(given: Option<&str>, context: &Context) -> Result<String, Failure> {
    match given {
        Some(it) => Ok(it.to_owned()),
        None if ask::somebody_is_there() => {
            let typed = ask::line(&context.output, "Enter admin username [admin]:")?;
            Ok(if typed.is_empty() { "admin".to_owned() } else { typed })
        }
        None => Err(Failure::usage(
            "the admin username is missing, and there is no terminal to ask on",
            "give --admin-username NAME",
        )),
    }
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
    (admin_username, admin_password): (&str, &Secret),
    context: &Context,
) -> Result<(), Failure> {
    let path = &plan.config.storage.path;
    let root = Root::generate(context.clock.now())?;
    let ca_pem = to_pem(&root.certificate_der);
    let setup = Setup {
        path,
        password,
        kdf: plan.config.storage.kdf,
        admin_username,
        admin_password,
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

fn tell(plan: &Plan, context: &Context) -> Result<(), Failure> {
    let store = &plan.config.storage.path;
    let head = if plan.store == StorePlan::Keep { "Vultrino is set up anew." } else { "Vultrino is set up." };
    let config = if plan.write_config { "Configuration:  " } else { "Configuration (kept):" };
    context.output.line(format_args!(
        "{head}\n\n  {config} {}\n  Store:           {}\n  CA certificate:  {}\n\n\
         Next:\n  vultrino add --alias github-api     store a credential; asks for the key\n  \
         vultrino serve                      let programs use it on http://{}",
        plan.file.display(),
        store.display(),
        certificate_path(store).display(),
        plan.config.server.bind,
    ))
}
