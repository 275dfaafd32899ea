//! Our own paths on the proxy's listener: `/health`, `/metrics`, and the management API under `/v1`.
//!
//! A file a resource: each finds out who calls, calls `manage` or `exchange`, and renders what it gets. Not here: bytes
//! and connections (`proxy`, which is handed a [`Service`]), what is allowed (`manage`, `exchange`), and requests for the
//! world. Main type: [`Api`].

mod answer;
mod asked;
mod asking;
mod audit;
mod body;
mod credentials;
mod execute;
mod failure;
mod health;
mod hidden;
mod json;
mod keys;
mod material;
mod metrics;
mod openapi;
mod outgoing;
mod pace;
mod policies;
mod replied;
mod roles;
mod routes;
mod types;
mod visitor;

pub use metrics::MetricsFormat;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::{sync::Mutex, task::spawn_blocking};

use crate::{
    api::failure::Failure,
    base::service::Service,
    exchange::{Door, Exchange, Refusal, Visitor, budget::Budget},
    manage::{Caller, Desk, ManageError, Office, Records},
};

/// What one worker serves our own paths with. Cheap to clone.
#[derive(Clone)]
pub struct Api(Arc<Parts>);

struct Parts {
    exchange: Arc<Exchange>,
    office: Office,
    log: PathBuf,
    metrics: Metrics,
    budget: Budget,
}

/// Held while the audit log is looked at: a filter that nothing fits reads all of it, and more than one core for that would
/// be taken from those who serve.
static READING: Mutex<()> = Mutex::const_new(());

/// All metrics of the daemon, as text.
pub type Metrics = Box<dyn Fn(MetricsFormat) -> String + Send + Sync>;

impl Api {
    /// Over the exchange of the same worker, an office for what is no exchange, the audit log at this place, and the
    /// metrics and the memory of all workers.
    pub fn new(exchange: Arc<Exchange>, office: Office, log: PathBuf, metrics: Metrics, budget: Budget) -> Self {
        Self(Arc::new(Parts { exchange, office, log, metrics, budget }))
    }

    /// For the listener. `mcp` answers what comes to `/mcp`; the [`Visitor`] is among the extensions of such a request.
    pub fn service(self, mcp: Option<Service>) -> Service {
        routes::service(self, mcp)
    }

    pub(crate) fn exchange(&self) -> &Exchange {
        &self.0.exchange
    }

    pub(crate) fn metrics(&self, format: MetricsFormat) -> String {
        (self.0.metrics)(format)
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.0.budget
    }

    /// Looks at the records as they are now.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Records) -> Result<T, ManageError> + Send + 'static,
    ) -> Result<T, Failure> {
        Ok(self.0.office.read(look).await?)
    }

    /// Looks at the audit log; one look at a time in the whole process.
    pub(crate) async fn log<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let (api, turn) = (self.clone(), READING.lock().await);
        let looked = spawn_blocking(move || {
            let _turn = turn;
            look(&api.0.log)
        });
        let looked = looked.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        looked.map_err(|error| {
            tracing::error!(%error, "the audit log cannot be read");
            Failure::Refused(Refusal::Internal)
        })
    }

    /// Makes a change in the visitor's name. Once begun it is ended, also when the visitor has gone.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        visitor: Visitor,
        make: impl FnOnce(&Desk, &Caller<'_>) -> Result<T, ManageError> + Send + 'static,
    ) -> Result<T, Failure> {
        self.0.office.change(visitor, Door::Api, make).await.map_err(Failure::on_record)
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
    }
}
