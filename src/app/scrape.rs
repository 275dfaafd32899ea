//! All metrics of a daemon as one text, summed over its workers when somebody asks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use jiff::Timestamp;
use prometheus_client::{encoding::text, registry::Registry};

use crate::{
    api::MetricsFormat,
    app::{classic, exposition::Exposition, published::Published},
    audit::{Load, Recorder},
    base::clock::Clock,
    ca::{Ca, Used},
    exchange::{Part, metrics::Sums},
    proxy::Worker,
    upstream::Connections,
};

/// Where the numbers are.
#[derive(Debug)]
pub struct Scrape {
    /// Not kept alive: each of them holds this.
    workers: Mutex<Vec<Weak<Worker>>>,
    recorders: Vec<Recorder>,
    ca: Arc<Ca>,
    published: Arc<Published>,
    started: Timestamp,
}

/// The numbers at one moment.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    pub(crate) exchanges: Sums,
    pub(crate) connections: Connections,
    pub(crate) clients: u64,
    pub(crate) requests: u64,
    pub(crate) tunnels: u64,
    pub(crate) audit: Load,
    pub(crate) is_failing: bool,
    pub(crate) leaves: Used,
    pub(crate) revision: u64,
    pub(crate) generation: u64,
    pub(crate) config_ok: bool,
    pub(crate) store_ok: bool,
    pub(crate) started: Timestamp,
}

impl Scrape {
    /// Of a daemon that starts now and writes with these recorders.
    pub fn new(recorders: Vec<Recorder>, ca: Arc<Ca>, published: Arc<Published>) -> Self {
        Self { workers: Mutex::default(), recorders, ca, published, started: Clock.now() }
    }

    /// Takes a worker's numbers in.
    pub fn add(&self, worker: &Arc<Worker>) {
        self.lock().push(Arc::downgrade(worker));
    }

    /// All of it, in this format.
    pub fn text(&self, format: MetricsFormat) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Exposition(self.numbers())));
        let mut text = String::new();
        if text::encode(&mut text, &registry).is_err() {
            tracing::error!("the metrics could not be written");
        }
        match format {
            MetricsFormat::OpenMetrics => text,
            MetricsFormat::Classic => classic::of_open_metrics(&text),
        }
    }

    fn numbers(&self) -> Numbers {
        let snapshot = self.published.snapshot();
        let health = self.published.parts().health();
        let mut numbers = Numbers {
            is_failing: self.recorders.iter().any(Recorder::is_failing),
            leaves: self.ca.used(),
            revision: snapshot.revision(),
            generation: snapshot.generation(),
            config_ok: !health.is_behind(Part::Config),
            store_ok: !health.is_behind(Part::Store),
            started: self.started,
            ..Numbers::default()
        };
        for recorder in &self.recorders {
            numbers.audit += recorder.load();
        }
        for worker in self.lock().iter().filter_map(Weak::upgrade) {
            worker.exchange.metrics().add_to(&mut numbers.exchanges);
            numbers.connections += worker.exchange.connections();
            numbers.clients += worker.connections.count() as u64;
            numbers.requests += worker.requests.count() as u64;
            numbers.tunnels += worker.tunnels.count() as u64;
        }
        numbers
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Worker>>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
