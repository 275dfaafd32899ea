//! One thread of the data plane: what its connections share.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use arc_swap::ArcSwap;
use tokio::sync::Mutex;

use crate::{
    base::{
        host::{Authority, Host},
        service::Service,
        task::InFlight,
    },
    ca::Ca,
    exchange::Exchange,
    proxy::Config,
};

/// What the connections of one worker share, and what its listener and its shutdown need to know of them.
#[derive(Debug)]
pub struct Worker {
    /// Runs their requests.
    pub exchange: Arc<Exchange>,
    /// Mints certificates for their tunnels.
    pub ca: Arc<Ca>,
    /// How they are served; replaced as a whole when the configuration changes.
    pub config: Arc<ArcSwap<Config>>,
    /// Serves our own paths.
    pub control: Service,
    /// Where the listener is bound.
    pub bound: SocketAddr,
    /// Open connections.
    pub connections: InFlight,
    /// Requests that have not been answered to the end.
    pub requests: InFlight,
    /// Connections over HTTP/2 on which an answer, or its end, has not left yet.
    pub unsent: InFlight,
    /// Open tunnels.
    pub tunnels: InFlight,
    /// See [`Worker::turn`].
    pub opening: Mutex<()>,
    /// Set once; connections then end after the request at hand.
    pub draining: AtomicBool,
}

impl Worker {
    /// Whether connections should end.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Waits for the turn of one more tunnel: one each time that the runtime has looked at all else, so that a burst of new
    /// ones does not go ahead of handshakes that have begun. Those then end one after the other, not all at last, and a
    /// client has the tickets of the first before it begins the next.
    pub async fn turn(&self) {
        let _turn = self.opening.lock().await;
        tokio::task::yield_now().await;
    }

    /// Whether an origin-form request may name this authority: `localhost`, the address that is bound, or a
    /// configured host (D-16). Names are what DNS rebinding needs, so an unspecified bind takes any address.
    pub fn answers_for(&self, authority: &Authority) -> bool {
        let host = &authority.host;
        let local = match (host, host.address()) {
            (Host::Name(name), _) => &**name == "localhost",
            (_, Some(ip)) => self.bound.ip().is_unspecified() || ip == self.bound.ip(),
            _ => false,
        };
        local || self.config.load().allowed_hosts.contains(host)
    }
}
