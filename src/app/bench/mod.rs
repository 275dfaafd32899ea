//! What a request through a proxy on this machine costs in time, beside the same request made directly.
//!
//! Not here: what it costs in CPU time and memory, which `bench/load` measures from outside.

mod client;
mod error;
mod route;

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{runtime::Builder, sync::Barrier, task::JoinSet};

use crate::{
    app::stage::Stage,
    base::{secret::Secret, target::Target},
    upstream,
};
use client::Client;
pub use error::BenchError;
use route::Route;
pub use route::Way;

/// The alias of the made-up credential.
const ALIAS: &str = "bench";
/// What every answer of the made-up origin server is long.
const BODY: usize = 1_024;

/// What is asked for, and how.
#[derive(Debug)]
pub struct Plan {
    /// The proxy, on this machine.
    pub proxy: SocketAddr,
    /// Whom its clients trust.
    pub ca_file: PathBuf,
    /// An `https` URL.
    pub target: Target,
    /// The credential that the proxy is asked to use.
    pub alias: Option<String>,
    /// The API key that it is shown.
    pub key: Option<Secret>,
    /// What direct requests carry instead of the credential, in `Authorization`.
    pub instead: Option<&'static str>,
    /// How direct requests reach the origin server: as the proxy does.
    pub upstream: upstream::Config,
    /// How much is asked.
    pub load: Load,
}

/// How much is asked in each row.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Connections at once, in the rows that are not about one.
    pub connections: u16,
    /// How long it goes on.
    pub window: Duration,
    /// When it ends before, if ever.
    pub most: Option<u32>,
}

/// What was seen.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which way.
    pub way: Way,
    /// At once.
    pub connections: u16,
    /// That were measured: not the first of each connection.
    pub requests: usize,
    /// Of all answers.
    pub statuses: BTreeSet<u16>,
    /// Requests in a second.
    pub rate: f64,
    /// Half of them took no longer.
    pub p50: Duration,
    /// 99 of a hundred took no longer.
    pub p99: Duration,
}

impl Plan {
    /// The rows in their order: first what one request takes, then what many do to each other. Path style names its credential;
    /// where none is named, absolute form takes its place.
    pub fn rows(&self) -> Vec<(Way, u16)> {
        let clear = if self.alias.is_some() { Way::Path } else { Way::Absolute };
        let ways = [Way::Direct, clear, Way::Intercepted];
        let mut each = vec![1, self.load.connections];
        each.dedup();
        each.into_iter().flat_map(|connections| ways.map(|way| (way, connections))).collect()
    }
}

/// Measures a proxy and an origin server of its own, which end with it; `told` hears what is being done.
///
/// # Errors
/// See [`BenchError`].
pub fn own(load: Load, told: impl FnMut(Way, u16)) -> Result<Vec<Row>, BenchError> {
    let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let body = "x".repeat(BODY);
    let answer = move |head: &[String]| {
        let knows = head.iter().any(|line| line.starts_with("Authorization: Bearer "));
        let status = if knows { "200 OK" } else { "401 Unauthorized" };
        format!("HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {BODY}\r\n\r\n{body}")
    };
    let stage = Stage::start(ALIAS, bind, answer)?;
    let plan = Plan {
        proxy: stage.proxy(),
        ca_file: stage.ca_file().to_owned(),
        target: Target::parse(&format!("https://{}/", stage.origin()))?,
        alias: Some(ALIAS.to_owned()),
        key: None,
        instead: Some("Bearer nothing"),
        upstream: stage.upstream().clone(),
        load,
    };
    let rows = run(&plan, told);
    stage.stop()?;
    let rows = rows?;
    if rows.iter().all(|row| row.statuses.iter().eq(&[200])) { Ok(rows) } else { Err(BenchError::NotAdded) }
}

/// Measures all rows, one after the other.
///
/// # Errors
/// See [`BenchError`]; the first request that fails ends it.
pub fn run(plan: &Plan, mut told: impl FnMut(Way, u16)) -> Result<Vec<Row>, BenchError> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let rows = async {
            let mut rows = Vec::new();
            for (way, connections) in plan.rows() {
                told(way, connections);
                rows.push(row(plan, way, connections).await?);
            }
            Ok(rows)
        };
        tokio::select! {
            rows = rows => rows,
            interrupted = tokio::signal::ctrl_c() => Err(interrupted.map_or_else(Into::into, |()| BenchError::Interrupted)),
        }
    })
}

async fn row(plan: &Plan, way: Way, connections: u16) -> Result<Row, BenchError> {
    let route = Arc::new(Route::new(plan, way)?);
    let budget = Arc::new(Budget { window: plan.load.window, left: plan.load.most.map(AtomicU32::new) });
    let together = Arc::new(Barrier::new(connections.into()));
    let mut clients = JoinSet::new();
    for _ in 0..connections {
        let (route, budget, together) = (Arc::clone(&route), Arc::clone(&budget), Arc::clone(&together));
        clients.spawn(async move { ask(&route, &budget, &together).await });
    }
    let mut all = Seen::default();
    while let Some(seen) = clients.join_next().await {
        all.add(seen.map_err(std::io::Error::from)??);
    }
    Ok(all.row(way, connections))
}

/// How much may still be asked in a row.
#[derive(Debug)]
struct Budget {
    window: Duration,
    left: Option<AtomicU32>,
}

impl Budget {
    /// Whether one more may be sent.
    fn take(&self) -> bool {
        let one =
            |left: &AtomicU32| left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |it| it.checked_sub(1)).is_ok();
        self.left.as_ref().is_none_or(one)
    }
}

/// What one client saw, or all.
#[derive(Debug, Default)]
struct Seen {
    times: Vec<Duration>,
    statuses: BTreeSet<u16>,
    took: Duration,
}

/// One client: its first request makes the connection warm, and those after it count, from when all are ready.
async fn ask(route: &Route, budget: &Budget, together: &Barrier) -> Result<Seen, BenchError> {
    let mut seen = Seen::default();
    let mut client = Client::connected(route).await?;
    if budget.take() {
        seen.statuses.insert(client.ask().await?.status);
    }
    together.wait().await;
    let start = Instant::now();
    while start.elapsed() < budget.window && budget.take() {
        let answered = client.ask().await?;
        seen.statuses.insert(answered.status);
        seen.times.push(answered.took);
    }
    seen.took = start.elapsed();
    Ok(seen)
}

impl Seen {
    fn add(&mut self, mut other: Self) {
        self.times.append(&mut other.times);
        self.statuses.append(&mut other.statuses);
        self.took = self.took.max(other.took);
    }

    fn row(mut self, way: Way, connections: u16) -> Row {
        self.times.sort_unstable();
        let requests = self.times.len();
        #[expect(clippy::cast_precision_loss, reason = "a count of requests, for people")]
        let rate = requests as f64 / self.took.as_secs_f64().max(f64::MIN_POSITIVE);
        let (p50, p99) = (percentile(&self.times, 50), percentile(&self.times, 99));
        Row { way, connections, requests, statuses: self.statuses, rate, p50, p99 }
    }
}

/// The least time that so many of a hundred did not exceed.
fn percentile(sorted: &[Duration], hundredths: usize) -> Duration {
    let rank = (sorted.len() * hundredths).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::app::bench::percentile;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let hundred: Vec<Duration> = (1..=100).map(Duration::from_micros).collect();
        assert_eq!([50, 99].map(|it| percentile(&hundred, it).as_micros()), [50, 99]);
        assert_eq!(percentile(&hundred[..1], 99), hundred[0]);
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }
}
