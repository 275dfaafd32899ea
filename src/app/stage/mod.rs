//! Everything at once, on made-up data: a store, a certificate authority, a credential, an origin server, the proxy. It lives
//! in a temporary folder that goes with it. The demonstration and the measurement play on it.

mod origin;

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use ipnet::Ipv4Net;
use tempfile::TempDir;
use thiserror::Error;

use crate::{
    app::{
        AppError, Server, harden,
        trail::{Rollback, open_single_audit},
    },
    base::{clock::Clock, host::HostError, id::Id, reuse::Reuse, secret::Secret},
    ca::{Root, to_pem},
    config::{
        self, Config, Loaded,
        limits::Limits,
        logging::{Format, Level, Logging},
        proxy::Proxy,
        rate_limits::RateLimits,
        storage::Storage,
    },
    credential::{AliasError, Material, MaterialError, Metadata},
    manage::{
        Caller, Desk, ManageError,
        credentials::{New, add},
        setup::{Setup, certificate_path, initialise},
    },
    policy,
    store::{FileStore, KdfParams},
    upstream,
};
use origin::Origin;

/// A proxy in local mode that serves, and an origin server that its one credential is bound to.
#[derive(Debug)]
pub struct Stage {
    server: Server,
    config: Config,
    origin: Origin,
    ca_file: PathBuf,
    _folder: TempDir,
}

/// Why there is no stage.
#[derive(Debug, Error)]
pub enum StageError {
    /// The proxy.
    #[error(transparent)]
    App(#[from] AppError),
    /// The store.
    #[error(transparent)]
    Manage(#[from] ManageError),
    /// The made-up credential.
    #[error(transparent)]
    Material(#[from] MaterialError),
    /// Its name.
    #[error(transparent)]
    Alias(#[from] AliasError),
    /// The origin server's name.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The origin server's certificate.
    #[error("no certificate could be made")]
    Certificate(#[from] rcgen::Error),
    /// TLS on either end.
    #[error("TLS could not be set up")]
    Tls(#[from] rustls::Error),
    /// Files and sockets.
    #[error("a temporary folder and local ports are needed")]
    System(#[from] io::Error),
}

impl Stage {
    /// Sets everything up and starts it, on another port where this one is taken. `answer` makes the origin server's whole answer
    /// of the lines of a request's head.
    ///
    /// # Errors
    /// See [`StageError`].
    pub fn start(
        alias: &str,
        bind: SocketAddr,
        answer: impl Fn(&[String]) -> String + Send + Sync + 'static,
    ) -> Result<Self, StageError> {
        harden()?;
        let folder = TempDir::with_prefix("vultrino-")?;
        let origin = Origin::start(answer)?;
        let trusted = folder.path().join("origin.pem");
        fs::write(&trusted, origin.certificate_pem())?;
        let mut config = config(&folder, bind, trusted);
        let store = store(&config, alias, &origin)?;
        let ca_file = certificate_path(store.path());
        let server = match Server::start(loaded(&config), store, Rollback::Refuse, None) {
            Err(AppError::Listen { .. }) => {
                config.server.bind.set_port(0);
                Server::start(loaded(&config), reopen(&config)?, Rollback::Refuse, None)?
            }
            server => server?,
        };
        Ok(Self { server, config, origin, ca_file, _folder: folder })
    }

    /// Where the proxy listens.
    pub fn proxy(&self) -> SocketAddr {
        self.server.bound()
    }

    /// The origin server's host and port.
    pub fn origin(&self) -> String {
        format!("localhost:{}", self.origin.port())
    }

    /// The certificate that clients of the proxy trust.
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// How the proxy reaches the origin server.
    pub fn upstream(&self) -> &upstream::Config {
        &self.config.upstream
    }

    /// Serves until a signal ends it.
    ///
    /// # Errors
    /// See [`Server::until_signal`].
    pub fn until_signal(self) -> Result<(), StageError> {
        let Self { server, config, .. } = self;
        Ok(server.until_signal(Box::new(|| Ok(loaded(&config))))?)
    }

    /// Ends it.
    ///
    /// # Errors
    /// See [`Server::stop`].
    pub fn stop(self) -> Result<(), StageError> {
        Ok(self.server.stop()?)
    }
}

fn config(folder: &TempDir, bind: SocketAddr, ca_file: PathBuf) -> Config {
    let data_dir = folder.path().to_owned();
    let server = config::server::Server { bind, ..config::server::Server::default() };
    Config {
        upstream: upstream::Config {
            allow_private: vec![Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8).into()],
            ca_file: Some(ca_file),
            connect_timeout: server.timeout,
            proxy: None,
            no_proxy: Vec::new(),
            reuse: Reuse::default(),
        },
        server,
        storage: Storage { path: data_dir.join("credentials.enc"), kdf: KdfParams::floor() },
        logging: Logging { level: Level::Info, format: Format::default(), audit_file: data_dir.join("audit.log") },
        proxy: Proxy::default(),
        mcp: config::mcp::Mcp::default(),
        limits: Limits::default(),
        rate_limits: RateLimits::default(),
        policies: policy::PolicySet::default(),
        data_dir,
    }
}

/// There is no file, so nothing will change.
fn loaded(config: &Config) -> Loaded {
    Loaded { config: config.clone(), origin: config::Origin::default() }
}

fn store(config: &Config, alias: &str, origin: &Origin) -> Result<FileStore, StageError> {
    let root = Root::generate(Clock.now()).map_err(AppError::from)?;
    let setup = Setup {
        path: &config.storage.path,
        password: &password(),
        kdf: config.storage.kdf,
        admin: None,
        ca_pem: &to_pem(&root.certificate_der),
        ca_certificate: root.certificate_der,
        ca_key: root.key_pkcs8,
    };
    let store = initialise(Clock, setup)?;
    let new = New {
        alias: alias.parse()?,
        material: Material::api_key(Secret::from(format!("made-up-{}", Id::random())))?,
        description: Some("made up".to_owned()),
        metadata: Metadata::default(),
        bindings: vec![format!("localhost:{}", origin.port()).parse()?],
        auto: true,
    };
    let (audit, recorder) = open_single_audit(config, &store)?;
    let desk = Desk::new(Arc::new(store), recorder, Clock);
    add(&desk, &Caller::local(), new)?;
    audit.close().map_err(AppError::from)?;
    reopen(config)
}

fn reopen(config: &Config) -> Result<FileStore, StageError> {
    Ok(FileStore::open(&config.storage.path, &password()).map_err(AppError::from)?)
}

/// Guards nothing: the store holds a made-up secret and is deleted at the end.
fn password() -> Secret {
    Secret::from(String::from("made up, too"))
}
