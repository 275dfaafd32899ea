//! What all workers share, and how one worker's exchange is made of it.

use std::{net::SocketAddr, sync::Arc};

use arc_swap::ArcSwap;
use rustls::ClientConfig;

use crate::{
    app::AppError,
    audit::Recorder,
    base::{
        capacity::{Capacity, Most, Resource},
        clock::Clock,
    },
    config::{self, Config, server::Mode},
    exchange::{
        self, Contents, Exchange, Health, Intercept, RateLimits, Shared, Snapshot, Unmatched, strangers::Strangers,
    },
    policy::Limiter,
    safe::Safe,
    store::{FileStore, Records},
    upstream::{self, Connector, Guard, Hop, Memory, Resolver, Upstream, tls},
};

/// The shared half of the data plane.
#[derive(Clone, Debug)]
pub struct Parts {
    snapshot: Arc<ArcSwap<Snapshot>>,
    shared: Arc<Shared>,
    guard: Arc<Guard>,
    tls: Arc<ClientConfig>,
    hop: Option<Arc<Hop>>,
    upstream: upstream::Config,
    resolver: Arc<Resolver>,
    memory: Memory,
}

/// Reads the files that a start would read, besides those of the configuration itself and of the store.
///
/// # Errors
/// A `ca_file` that cannot be read.
pub fn check(config: &Config) -> Result<(), AppError> {
    Ok(tls::client_config(config.upstream.ca_file.as_deref()).map(drop)?)
}

impl Parts {
    /// Compiles one revision of the store. `own` is where Vultrino itself listens.
    ///
    /// # Errors
    /// A `ca_file` that cannot be read.
    pub fn new(config: &Config, store: &FileStore, records: &Records, own: SocketAddr) -> Result<Self, AppError> {
        let upstream = config.upstream.clone();
        let shared = Shared {
            safe: Safe::new(store.opener()),
            limiter: Limiter::new(Clock.steady()),
            strangers: Strangers::default(),
            open: Capacity::new(Resource::Requests),
            heads: Capacity::new(Resource::Heads),
            clock: Clock,
            health: Health::default(),
        };
        let snapshot = Snapshot::new(Contents { generation: 1, ..contents(config, records) });
        let tls = tls::client_config(upstream.ca_file.as_deref())?;
        let hop = upstream.proxy.as_ref().map(|it| Hop::new(Arc::clone(it), upstream.no_proxy.clone(), &tls));
        Ok(Self {
            snapshot: Arc::new(ArcSwap::from_pointee(snapshot)),
            memory: Memory::new(Arc::clone(&shared.heads)),
            shared: Arc::new(shared),
            guard: Arc::new(Guard::new(upstream.allow_private.clone(), vec![own])),
            tls,
            hop: hop.map(Arc::new),
            upstream,
            resolver: Arc::default(),
        })
    }

    /// One worker's exchange. To be called on its runtime.
    pub fn exchange(&self, recorder: Recorder) -> Exchange {
        let (guard, tls) = (Arc::clone(&self.guard), Arc::clone(&self.tls));
        let (resolver, timeout) = (Arc::clone(&self.resolver), self.upstream.connect_timeout);
        let connector = Connector::new(resolver, guard, tls, self.hop.clone(), timeout);
        let upstream = Upstream::new(connector, self.upstream.reuse, self.memory.clone());
        Exchange::new(Arc::clone(&self.snapshot), Arc::clone(&self.shared), upstream, recorder)
    }

    /// Puts this in force, as a whole. What was judged by the snapshot before goes on with its secrets, unless it has lost
    /// its right.
    pub fn publish(&self, config: &Config, records: &Records) {
        let before = self.snapshot.load();
        let mut snapshot = Snapshot::new(Contents { generation: before.generation() + 1, ..contents(config, records) });
        snapshot.inherit(&before);
        self.snapshot.store(Arc::new(snapshot));
    }

    /// What is in force.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Forgets what was counted so long ago that it does not count any more.
    pub fn sweep(&self) {
        self.shared.limiter.sweep();
    }

    /// What `/health` tells beside the audit log.
    pub fn health(&self) -> &Health {
        &self.shared.health
    }
}

fn contents(config: &Config, records: &Records) -> Contents {
    Contents {
        credentials: records.credentials.clone(),
        roles: records.roles.iter().map(|it| it.facts.clone()).collect(),
        keys: records.keys.iter().map(|it| it.facts.clone()).collect(),
        policies: Arc::new(config.policies.clone()),
        config: Arc::new(of_requests(config)),
        revision: records.revision,
        ..Contents::default()
    }
}

fn of_requests(config: &Config) -> exchange::Config {
    let (proxy, limits, rates) = (&config.proxy, &config.limits, &config.rate_limits);
    exchange::Config {
        unmatched: match (proxy.unmatched, config.server.mode) {
            (Some(config::proxy::Unmatched::Deny), _) | (None, Mode::Server) => Unmatched::Deny,
            (Some(config::proxy::Unmatched::Forward), _) | (None, Mode::Local) => Unmatched::Forward,
        },
        intercept: match proxy.intercept {
            config::proxy::Intercept::All => Intercept::All,
            config::proxy::Intercept::Bound => Intercept::Bound,
            config::proxy::Intercept::Off => Intercept::Off,
        },
        tunnel_hosts: proxy.tunnel_hosts.clone(),
        strip_headers: proxy.strip_headers.iter().map(|it| it.as_str().to_owned()).collect(),
        inject_headers: proxy
            .inject_headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), value.as_str().to_owned()))
            .collect(),
        max_body_size: config.server.max_body_size,
        timeout: config.server.timeout,
        stream_idle_timeout: config.server.stream_idle_timeout,
        longest_answer_head: limits.answer_header_bytes as usize,
        requests: Most { all: limits.requests as usize, each: limits.requests_per_client() as usize },
        rate_limits: RateLimits {
            proxy: rates.proxy(config.server.mode),
            management: rates.management,
            auth_failures: rates.auth_failures,
        },
    }
}
