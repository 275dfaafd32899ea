//! The one face of this room: from a host to the TLS configuration that its clients get.

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use rustls::{
    ServerConfig,
    crypto::{
        CryptoProvider,
        aws_lc_rs::{self, Ticketer},
    },
    server::NoServerSessionStorage,
    version::{TLS12, TLS13},
};

use crate::{
    base::{clock::Clock, host::Host, secret::Secret},
    ca::{
        cache::{Configs, Dated, Used},
        error::CaError,
        leaf::LeafKey,
        root::{self, Root},
        sni::OnlyFor,
    },
};

/// The certificate authority at work. Shared by all threads.
pub struct Ca {
    root: Root,
    leaf_key: LeafKey,
    provider: Arc<CryptoProvider>,
    configs: Configs,
    clock: Clock,
    pem: String,
}

impl Ca {
    /// Takes over the root that the store kept.
    ///
    /// # Errors
    /// A certificate that is no authority, is not valid now, or is not the key's.
    pub fn open(certificate_der: &[u8], key: &Secret, clock: Clock) -> Result<Self, CaError> {
        let root = Root::open(certificate_der, key, clock.now())?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let leaf_key = LeafKey::generate(&provider)?;
        let pem = root::to_pem(certificate_der);
        Ok(Self { root, leaf_key, provider, configs: Configs::new(), clock, pem })
    }

    /// The configuration with which to answer clients that tunnel to `host`. It seals its tickets under keys of its own, so
    /// a ticket of one host is worth nothing at another.
    pub fn server_config(&self, host: &Host) -> Result<Arc<ServerConfig>, CaError> {
        let now = self.clock.now();
        self.configs.get(host, now, || self.configure(host, now))
    }

    /// How often a configuration was there already.
    pub fn used(&self) -> Used {
        self.configs.used()
    }

    /// The root's certificate as clients install it.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    fn configure(&self, host: &Host, now: Timestamp) -> Result<Dated, CaError> {
        let leaf = self.leaf_key.certify(host, &self.root, now)?;
        let shown = OnlyFor { host: host.clone(), certified: leaf.certified };
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(shown));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // What resumes lies with the clients, sealed: however many there are, it takes no memory here, and none of them
        // pushes another's out. The keys change every six hours, and end with the leaf.
        config.ticketer = Ticketer::new()?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        // A replayed request would be a replayed use of a credential.
        config.max_early_data_size = 0;
        Ok(Dated { config: Arc::new(config), not_before: leaf.not_before, renew_at: leaf.renew_at })
    }
}

impl fmt::Debug for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ca").field("root", &self.root).field("configs", &self.configs).finish_non_exhaustive()
    }
}
