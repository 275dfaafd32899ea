//! Everything at once, on made-up data: a store, a certificate authority, a credential, an origin server, the proxy,
//! and one request each way. It lives in a temporary folder that goes with it.

mod client;
mod origin;

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
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
    base::{clock::Clock, host::HostError, id::Id, secret::Secret},
    ca::{Root, to_pem},
    config::{
        self, Config, Loaded,
        limits::Limits,
        logging::{Level, Logging},
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
use client::Client;
use origin::Origin;

/// The alias of the made-up credential.
pub const ALIAS: &str = "demo-api";

/// A running demonstration.
#[derive(Debug)]
pub struct Demo {
    server: Server,
    config: Config,
    origin: Origin,
    ca_file: PathBuf,
    _folder: TempDir,
}

/// One request, seen from both ends.
#[derive(Debug)]
pub struct Seen {
    /// Which way it went.
    pub way: &'static str,
    /// The head that the client wrote.
    pub sent: String,
    /// The head that the origin server read, the secret reduced to its last four characters.
    pub received: String,
    /// What the client got.
    pub status: String,
}

/// Why there is nothing to see.
#[derive(Debug, Error)]
pub enum DemoError {
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
    #[error("the demonstration needs a temporary folder and local ports")]
    System(#[from] io::Error),
}

impl Demo {
    /// Sets everything up and starts it.
    ///
    /// # Errors
    /// See [`DemoError`].
    pub fn start() -> Result<Self, DemoError> {
        harden()?;
        let folder = TempDir::with_prefix("vultrino-demo-")?;
        let origin = Origin::start()?;
        let trusted = folder.path().join("origin.pem");
        fs::write(&trusted, origin.certificate_pem())?;
        let mut config = config(&folder, trusted);
        let store = store(&config, &origin)?;
        let ca_file = certificate_path(store.path());
        let server = match Server::start(loaded(&config), store, Rollback::Refuse) {
            Err(AppError::Listen { .. }) => {
                config.server.bind.set_port(0);
                Server::start(loaded(&config), reopen(&config)?, Rollback::Refuse)?
            }
            server => server?,
        };
        Ok(Self { server, config, origin, ca_file, _folder: folder })
    }

    /// Sends one request each way.
    ///
    /// # Errors
    /// The first way that fails.
    pub fn requests(&self) -> Result<Vec<Seen>, DemoError> {
        let client = Client::new(self.server.bound(), self.origin.port(), &self.ca_file)?;
        let ways = [
            ("path style", client.path_style()?),
            ("absolute form", client.absolute_form()?),
            ("CONNECT, intercepted", client.connect()?),
        ];
        let mut seen = Vec::new();
        for (way, (sent, status)) in ways {
            let received = self.origin.next_received()?;
            seen.push(Seen { way, sent, received, status });
        }
        Ok(seen)
    }

    /// Where the proxy listens.
    pub fn proxy(&self) -> SocketAddr {
        self.server.bound()
    }

    /// Where the origin server listens.
    pub fn origin_url(&self) -> String {
        format!("https://localhost:{}", self.origin.port())
    }

    /// The certificate that clients of the proxy trust.
    pub fn ca_file(&self) -> &PathBuf {
        &self.ca_file
    }

    /// Serves until a signal ends it.
    ///
    /// # Errors
    /// See [`Server::until_signal`].
    pub fn until_signal(self) -> Result<(), DemoError> {
        let Self { server, config, .. } = self;
        Ok(server.until_signal(Box::new(|| Ok(loaded(&config))))?)
    }

    /// Ends it.
    ///
    /// # Errors
    /// See [`Server::stop`].
    pub fn stop(self) -> Result<(), DemoError> {
        Ok(self.server.stop()?)
    }
}

fn config(folder: &TempDir, ca_file: PathBuf) -> Config {
    let data_dir = folder.path().to_owned();
    let defaults = config::server::Server::default();
    Config {
        upstream: upstream::Config {
            allow_private: vec![Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8).into()],
            ca_file: Some(ca_file),
            connect_timeout: defaults.timeout,
            proxy: None,
            no_proxy: Vec::new(),
        },
        server: defaults,
        storage: Storage { path: data_dir.join("credentials.enc"), kdf: KdfParams::floor() },
        logging: Logging { level: Level::Info, audit_file: data_dir.join("audit.log") },
        proxy: Proxy::default(),
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

fn store(config: &Config, origin: &Origin) -> Result<FileStore, DemoError> {
    let root = Root::generate(Clock.now()).map_err(AppError::from)?;
    let setup = Setup {
        path: &config.storage.path,
        password: &password(),
        kdf: config.storage.kdf,
        admin_username: "demo",
        admin_password: &Secret::from(Id::random().to_string()),
        ca_pem: &to_pem(&root.certificate_der),
        ca_certificate: root.certificate_der,
        ca_key: root.key_pkcs8,
    };
    let store = initialise(Clock, setup)?;
    let new = New {
        alias: ALIAS.parse()?,
        material: Material::api_key(Secret::from(format!("demo-{}", Id::random())))?,
        description: Some("made up for this demonstration".to_owned()),
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

fn reopen(config: &Config) -> Result<FileStore, DemoError> {
    Ok(FileStore::open(&config.storage.path, &password()).map_err(AppError::from)?)
}

/// Guards nothing: the store holds a made-up secret and is deleted at the end.
fn password() -> Secret {
    Secret::from(String::from("demonstration"))
}
