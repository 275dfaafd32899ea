//! What is in force: the newest records of the store and the newest configuration, swapped as a whole.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use jiff::Timestamp;

use crate::{
    app::{descriptors, difference, parts::Parts},
    audit::{Anchor, Memory, Recorder},
    base::{capacity::Most, clock::Clock, id::Id},
    config::Config,
    exchange::{Exchange, Part, Snapshot},
    identity::ApiKey,
    manage::{Desk, Office, upkeep},
    proxy,
    store::{FileStore, Records, Stamp, StoreError},
};

/// The one place that what is in force is made from.
#[derive(Debug)]
pub struct Published {
    parts: Parts,
    clients: Arc<ArcSwap<proxy::Config>>,
    store: Arc<FileStore>,
    trail: Memory,
    sources: Mutex<Sources>,
}

#[derive(Debug)]
struct Sources {
    records: Records,
    /// Of the store, when it was looked at last.
    stamp: Option<Stamp>,
    config: Config,
}

impl Published {
    /// Of what `parts` were made of; `trail` remembers the newest store.
    pub fn new(parts: Parts, store: Arc<FileStore>, trail: Memory, records: Records, config: Config) -> Self {
        let clients = Arc::new(ArcSwap::from_pointee(of_clients(&config)));
        Self { parts, clients, store, trail, sources: Mutex::new(Sources { records, stamp: None, config }) }
    }

    /// For a worker.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// What a door is made of: an exchange, to be used on the runtime that this is called on, and an office for what is
    /// no exchange.
    pub fn engine(self: &Arc<Self>, recorder: Recorder) -> (Arc<Exchange>, Office) {
        let published = Arc::clone(self);
        let desk = Desk::new(Arc::clone(&self.store), recorder.clone(), Clock);
        let desk = desk.on_change(move || published.take_up_store());
        (Arc::new(self.parts.exchange(recorder)), Office::new(desk))
    }

    /// How clients are served.
    pub fn clients(&self) -> Arc<ArcSwap<proxy::Config>> {
        Arc::clone(&self.clients)
    }

    /// The store.
    pub fn store(&self) -> &Arc<FileStore> {
        &self.store
    }

    /// What requests are judged by.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.parts.snapshot()
    }

    /// The configuration in force.
    pub fn config(&self) -> Config {
        self.lock().config.clone()
    }

    /// Takes up what the store holds now, if it has changed. While it cannot be read, what was in force stays, and
    /// `/health` says so.
    pub fn take_up_store(&self) {
        let taken = self.take_up_if_changed(&mut self.lock());
        let health = self.parts.health();
        let is_rollback = matches!(taken, Err(StoreError::RolledBack(_)));
        let news = health.set(Part::Store, taken.is_err()) | health.set(Part::Rollback, is_rollback);
        match &taken {
            Err(error) if news => {
                let error = error as &dyn std::error::Error;
                tracing::error!(error, "the store cannot be taken as it is; the last state stays in force");
            }
            Ok(()) if news => tracing::info!("the store can be read again"),
            _ => {}
        }
    }

    /// Puts a configuration in force.
    pub fn configure(&self, mut config: Config) {
        descriptors::fit(&mut config.limits);
        let mut sources = self.lock();
        self.clients.store(Arc::new(of_clients(&config)));
        self.parts.publish(&config, &sources.records);
        sources.config = config;
    }

    /// Writes into the store what changes nobody's rights, so that nothing needs to be published for it.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn note(&self, uses: &[(Id, Timestamp)], anchor: Option<Anchor>) -> Result<(), StoreError> {
        let mut sources = self.lock();
        loop {
            match upkeep::note(&self.store, &sources.records, uses, anchor) {
                Ok(revision) => {
                    sources.records.revision = revision;
                    return Ok(());
                }
                // Another process was faster, so something got through.
                Err(StoreError::Conflict { .. }) => self.take_up(&mut sources)?,
                Err(error) => return Err(error),
            }
        }
    }

    /// What the trail remembers.
    pub fn trail(&self) -> &Memory {
        &self.trail
    }

    /// All API keys, expired ones too.
    pub fn keys(&self) -> Vec<ApiKey> {
        self.lock().records.keys.iter().map(|it| it.facts.clone()).collect()
    }

    fn take_up_if_changed(&self, sources: &mut Sources) -> Result<(), StoreError> {
        let now = Some(self.store.stamp()?);
        if sources.stamp != now {
            self.take_up(sources)?;
            // Only now: a change between the two looks is seen by the next one.
            sources.stamp = now;
        }
        Ok(())
    }

    fn take_up(&self, sources: &mut Sources) -> Result<(), StoreError> {
        let records = self.store.load()?;
        if records.revision != sources.records.revision {
            self.parts.publish(&sources.config, &records);
            let (revision, generation) = (records.revision, self.snapshot().generation());
            let changed = difference::of_records(&sources.records, &records);
            if changed.is_empty() {
                tracing::debug!(revision, generation, "the store has changed");
            } else {
                tracing::info!(revision, generation, %changed, "the store has changed");
            }
            sources.records = records;
            self.see(revision);
        }
        Ok(())
    }

    fn see(&self, revision: u64) {
        if let Err(error) = self.trail.see_revision(revision) {
            tracing::warn!(%error, "an older store in the place of this one would not be noticed");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Sources> {
        // What is half done under it is done again by the next look.
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of_clients(config: &Config) -> proxy::Config {
    let limits = &config.limits;
    proxy::Config {
        connect_ports: config.proxy.connect_ports.clone(),
        allowed_hosts: config.server.allowed_hosts.clone(),
        timeout: config.server.timeout,
        stream_idle_timeout: config.server.stream_idle_timeout,
        limits: proxy::Limits {
            connections: Most { all: limits.connections as usize, each: limits.connections_per_client() as usize },
            streams: limits.streams,
            header_bytes: limits.header_bytes,
            head: limits.header_timeout,
            handshake: limits.handshake_timeout,
            idle: limits.idle_timeout,
            tunnel_idle: limits.tunnel_idle_timeout,
        },
        keyless: config.server.is_keyless(),
        socket_keyless: config.server.is_socket_keyless(),
    }
}
