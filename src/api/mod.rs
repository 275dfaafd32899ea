//! Our own paths on the proxy's listener: `/health`, and the management API under `/v1`.
//!
//! A file a resource: each finds out who calls, calls `manage` or `exchange`, and renders what it gets. Not here: bytes
//! and connections (`proxy`, which is handed a [`Service`]), what is allowed (`manage`, `exchange`), and requests for the
//! world. Main type: [`Api`].

mod answer;
mod body;
mod execute;
mod failure;
mod health;
mod json;
mod openapi;
mod outgoing;
mod replied;
mod routes;
mod types;
mod visitor;

use std::{fmt, sync::Arc};

use crate::{base::service::Service, exchange::Exchange};

/// What one worker serves our own paths with. Cheap to clone.
#[derive(Clone)]
pub struct Api(Arc<Parts>);

struct Parts {
    exchange: Arc<Exchange>,
}

impl Api {
    /// Over the exchange of the same worker.
    pub fn new(exchange: Arc<Exchange>) -> Self {
        Self(Arc::new(Parts { exchange }))
    }

    /// For the listener.
    pub fn service(self) -> Service {
        routes::service(self)
    }

    pub(crate) fn exchange(&self) -> &Exchange {
        &self.0.exchange
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
    }
}
