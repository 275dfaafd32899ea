//! The daemon: one thread and runtime a worker for the data plane, and this thread for everything slow.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
    thread,
    time::Duration,
};

use tokio::runtime::{Builder, Runtime};

use crate::{
    api::Api,
    app::{
        AppError, descriptors,
        parts::Parts,
        published::Published,
        reload::{self, Load, Reload},
        scrape::Scrape,
        shutdown::{Running, Stop},
        trail::{Rollback, open_audit},
        upkeep::Upkeep,
    },
    audit::{Audit, Observer, Outcome, Recorder},
    base::{clock::Clock, task::InFlight},
    ca::Ca,
    config::{Config, Loaded, Origin},
    exchange::budget::Budget,
    identity::ApiKey,
    manage::setup,
    mcp::{self, Mcp},
    proxy::{
        self, Worker,
        listener::{self, Listeners},
        socket::Door,
    },
    store::{FileStore, Records},
};

/// How long a worker that ends still looks for requests that were sent before.
const LAST_LOOK: Duration = Duration::from_millis(100);
/// How often a worker looks for idle connections to close, and for what has lost its right.
pub const SWEEP: Duration = Duration::from_secs(1);

/// A daemon that accepts connections.
#[derive(Debug)]
pub struct Server {
    bound: SocketAddr,
    running: Running,
    control: Runtime,
    audit: Audit,
    published: Arc<Published>,
    /// For what the daemon itself does.
    recorder: Recorder,
    /// The files of its configuration.
    origin: Origin,
}

impl Server {
    /// Starts to accept. What happens is shown to `observer`.
    ///
    /// # Errors
    /// See [`AppError`]; nothing was served then.
    pub fn start(
        loaded: Loaded,
        store: FileStore,
        rollback: Rollback,
        observer: Option<Arc<dyn Observer>>,
    ) -> Result<Self, AppError> {
        let Loaded { mut config, origin } = loaded;
        descriptors::raise();
        descriptors::fit(&mut config.limits);
        reload::warn_of_unmatched(&origin);
        let (listener, bound) = bind(config.server.bind)?;
        let socket = config.server.socket.as_deref().map(Door::bind).transpose()?;
        let workers = thread::available_parallelism()?.get();
        let (audit, mut recorders) = open_audit(&config, &store, rollback, workers + 1)?;
        if let Some(observer) = observer {
            audit.observe(observer);
        }
        let records = store.load()?;
        let ca = Arc::new(open_ca(&store, &records)?);
        restore_certificate(&store, &ca);
        let parts = Parts::new(&config, &store, &records, bound)?;
        let every = recorders.clone();
        let recorder = recorders.pop().ok_or_else(|| io::Error::other("no recorder"))?;
        let log = config.logging.audit_file.clone();
        let published = Arc::new(Published::new(parts, Arc::new(store), audit.memory().clone(), records, config));
        let scrape = Arc::new(Scrape::new(every, Arc::clone(&ca), Arc::clone(&published)));
        let published_too = Arc::clone(&published);
        let plan = Plan { published: published_too, ca, log, scrape, bound, budget: Budget::default() };
        let control = runtime()?;
        let running = within(&control, Running::new)?;
        let running = start(&plan, running, (listener, socket), recorders)?;
        Ok(Self { bound, running, control, audit, published, recorder, origin })
    }

    /// Where.
    pub fn bound(&self) -> SocketAddr {
        self.bound
    }

    /// The configuration in force.
    pub fn config(&self) -> Config {
        self.published.config()
    }

    /// All API keys, expired ones too.
    pub fn keys(&self) -> Vec<ApiKey> {
        self.published.keys()
    }

    /// Goes on until a signal ends it, and ends when what was in flight has finished. `load` reads the configuration
    /// anew when it has changed.
    ///
    /// # Errors
    /// The last audit lines cannot be written.
    pub fn until_signal(mut self, load: Load<'_>) -> Result<(), AppError> {
        let reload = Reload::new(load, self.recorder, self.origin);
        let mut upkeep = Upkeep::new(self.published, reload);
        self.control.block_on(async {
            self.running.until_signal(&mut upkeep).await;
            self.running.finish().await;
        });
        let closed = self.audit.close();
        // Now the trail has its last record.
        upkeep.finish();
        Ok(closed?)
    }

    /// Ends it now, but for what is in flight.
    ///
    /// # Errors
    /// As [`Server::until_signal`].
    pub fn stop(self) -> Result<(), AppError> {
        self.control.block_on(self.running.finish());
        Ok(self.audit.close()?)
    }
}

/// What every worker is made from.
struct Plan {
    published: Arc<Published>,
    ca: Arc<Ca>,
    log: PathBuf,
    scrape: Arc<Scrape>,
    bound: SocketAddr,
    budget: Budget,
}

impl Plan {
    fn worker(&self, recorder: Recorder) -> Arc<Worker> {
        let (exchange, office) = self.published.engine(recorder);
        let scrape = Arc::clone(&self.scrape);
        let metrics = Box::new(move |format| scrape.text(format));
        let mcp = Mcp::new(Arc::clone(&exchange), office.clone(), self.budget.clone());
        let mcp = self.published.config().mcp.enabled.then(|| mcp::http::service(mcp));
        let api = Api::new(Arc::clone(&exchange), office, self.log.clone(), metrics, self.budget.clone());
        let worker = Arc::new(Worker {
            exchange,
            ca: Arc::clone(&self.ca),
            config: self.published.clients(),
            control: api.service(mcp),
            bound: self.bound,
            connections: InFlight::default(),
            requests: InFlight::default(),
            unsent: InFlight::default(),
            tunnels: InFlight::default(),
            opening: tokio::sync::Mutex::default(),
            draining: AtomicBool::new(false),
        });
        self.scrape.add(&worker);
        worker
    }
}

/// Starts a thread a recorder; the first one accepts.
fn start(
    plan: &Plan,
    mut running: Running,
    (tcp, unix): (TcpListener, Option<Door>),
    recorders: Vec<Recorder>,
) -> Result<Running, AppError> {
    let mut recorders = recorders.into_iter();
    let first = recorders.next().ok_or_else(|| io::Error::other("no worker"))?;
    let mut others = Vec::new();
    for recorder in recorders {
        let runtime = runtime()?;
        let worker = within(&runtime, || plan.worker(recorder));
        let (handover, inbox) = listener::handover(Arc::clone(&worker));
        others.push(handover);
        running.add(&worker);
        let stop = running.stop();
        spawn(move || run(runtime, &worker, stop, listener::receive(Arc::clone(&worker), inbox)))?;
    }
    let runtime = runtime()?;
    let worker = within(&runtime, || plan.worker(first));
    running.add(&worker);
    let listeners = within(&runtime, || Listeners::new(tcp, unix))?;
    let (stop, mut drained) = (running.stop(), running.stop());
    spawn(move || {
        let own = Arc::clone(&worker);
        run(runtime, &worker, stop, proxy::listen(listeners, own, others, drained.requested()));
    })?;
    Ok(running)
}

/// A worker's thread: takes connections until there are no more, then waits for what is in flight. The others end when
/// the one that listens does, so that nothing is left between them.
fn run(runtime: Runtime, worker: &Arc<Worker>, mut stop: Stop, accept: impl Future<Output = ()>) {
    let sweep = async {
        loop {
            tokio::time::sleep(SWEEP).await;
            worker.exchange.sweep();
        }
    };
    let work = async {
        accept.await;
        tokio::time::sleep(LAST_LOOK).await;
        worker.requests.finished().await;
        worker.unsent.finished().await;
    };
    runtime.block_on(async {
        tokio::select! {
            () = work => {}
            () = sweep => {}
            () = stop.cut() => {}
        }
    });
    worker.exchange.finish();
    // With the tasks their records close. Only then is this worker counted as ended.
    Outcome::interrupt_the_rest();
    drop(runtime);
    drop(stop);
}

pub fn spawn(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    drop(thread::Builder::new().name("vultrino-worker".into()).spawn(work)?);
    Ok(())
}

pub fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

pub fn within<T>(runtime: &Runtime, make: impl FnOnce() -> T) -> T {
    let _inside = runtime.enter();
    make()
}

fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), AppError> {
    let listen = || {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    listen().map_err(|source| AppError::Listen { address, source })
}

/// Clients trust what lies in `ca.pem`, so it holds the certificate of the store.
fn restore_certificate(store: &FileStore, ca: &Ca) {
    let path = setup::certificate_path(store.path());
    match setup::restore_certificate(store.path(), ca.pem()) {
        Ok(false) => (),
        Ok(true) => tracing::warn!(path = %path.display(), "{}", setup::DIFFERENT),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "clients may not trust this server, or may trust another");
        }
    }
}

/// The certificate authority of a store.
///
/// # Errors
/// There is none, or it cannot be used.
pub fn open_ca(store: &FileStore, records: &Records) -> Result<Ca, AppError> {
    let stored = records.ca.as_ref().ok_or(AppError::NoCa)?;
    let key = store.opener().open_ca(stored)?;
    Ok(Ca::open(&stored.facts.der, &key, Clock)?)
}
