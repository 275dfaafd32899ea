//! Requests again and again: warm up, look at the counters, wait, look again.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};

use crate::client::{self, Tally};
use crate::process::{Process, machine_cpu};
use crate::route::{Route, Work};
use crate::{distance, streams};

/// Connections open, pools fill, branch predictors learn.
const WARM_UP: Duration = Duration::from_secs(1);

/// How long a request may still take after the last look at the counters.
const LAST_ANSWER: Duration = Duration::from_secs(30);

/// How a row is measured.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// Requests under way at once.
    pub(crate) clients: u32,
    pub(crate) window: Duration,
    pub(crate) proxy: Option<&'a Process>,
    /// Set when the proxy has a core to itself.
    pub(crate) proxy_core: Option<u32>,
}

/// What was seen in the measured time.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) clients: u32,
    pub(crate) requests: u32,
    /// What a request moves, where that is what it is for.
    pub(crate) mib: u32,
    pub(crate) wall: Duration,
    pub(crate) proxy: Option<ProxyUse>,
    /// CPU time of clients and origin.
    pub(crate) load_cpu: Duration,
    /// Time of a cache line between the proxy's core and this one: the longer of before and afterwards.
    pub(crate) distance: Option<Duration>,
    /// CPU time of programs that have no part in this.
    pub(crate) others_cpu: Duration,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) handshakes: u32,
    /// Those that went on with what was agreed upon before.
    pub(crate) resumed: u32,
    /// Failed requests, those of the warm-up too.
    pub(crate) errors: u32,
    pub(crate) first_error: Option<String>,
}

/// What the proxy used meanwhile.
#[derive(Debug)]
pub(crate) struct ProxyUse {
    pub(crate) cpu: Duration,
    pub(crate) peak_kib: u32,
}

/// Drives `route` with so many clients on this thread.
pub(crate) fn measure(runtime: &Runtime, route: Route, plan: &Plan<'_>) -> io::Result<Measured> {
    let distance = || plan.proxy_core.map_or(Ok(None), |core| distance::to(core).map(Some));
    let before = distance()?;
    let measured = run(runtime, drive(route, plan))?;
    Ok(Measured { distance: before.max(distance()?), ..measured })
}

/// Runs this to its end, or until it is interrupted: as an error, so that the proxy and its folder are cleared away.
pub(crate) fn run<T>(runtime: &Runtime, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    LocalSet::new().block_on(runtime, async {
        tokio::select! {
            done = work => done,
            interrupted = tokio::signal::ctrl_c() => interrupted.and(Err(io::Error::other("interrupted"))),
        }
    })
}

async fn drive(route: Route, plan: &Plan<'_>) -> io::Result<Measured> {
    let Plan { clients, window, proxy, .. } = *plan;
    let (route, tally) = (Rc::new(route), Rc::new(Tally::default()));
    if let Some(process) = proxy {
        // Refused where another user owns the process: then the peak is the one since its start.
        process.forget_peak();
    }
    let one = |_| tokio::task::spawn_local(client::ask(route.alone(), Rc::clone(&tally)));
    let tasks: Vec<_> = if route.http2 {
        vec![tokio::task::spawn_local(streams::ask(Rc::clone(&route), Rc::clone(&tally), clients))]
    } else {
        (0..clients).map(one).collect()
    };

    sleep(WARM_UP.min(window)).await;
    let before = Look::take(&tally, proxy)?;
    tally.noting.set(true);
    sleep(window).await;
    tally.noting.set(false);
    let after = Look::take(&tally, proxy)?;
    tally.stop.set(true);

    let deadline = Instant::now() + LAST_ANSWER;
    for task in tasks {
        match timeout(deadline.saturating_duration_since(Instant::now()), task).await {
            Ok(Ok(())) => (),
            Ok(Err(broken)) => tally.failed(&broken.to_string()),
            Err(_) => tally.failed(&format!("a request was not answered in {LAST_ANSWER:?}")),
        }
    }
    Measured::between(plan, route.work, &before, &after, &tally)
}

/// The counters at one moment.
struct Look {
    at: Instant,
    answered: u32,
    proxy_cpu: Duration,
    load_cpu: Duration,
    machine_cpu: Duration,
}

impl Look {
    fn take(tally: &Tally, proxy: Option<&Process>) -> io::Result<Self> {
        Ok(Self {
            at: Instant::now(),
            answered: tally.answered.get(),
            proxy_cpu: proxy.map_or(Ok(Duration::ZERO), Process::cpu)?,
            load_cpu: Process::this().cpu()?,
            machine_cpu: machine_cpu()?,
        })
    }
}

impl Measured {
    fn between(plan: &Plan<'_>, work: Work, before: &Look, after: &Look, tally: &Tally) -> io::Result<Self> {
        let proxy_cpu = after.proxy_cpu.saturating_sub(before.proxy_cpu);
        let load_cpu = after.load_cpu.saturating_sub(before.load_cpu);
        let machine_cpu = after.machine_cpu.saturating_sub(before.machine_cpu);
        let mut times = tally.times.borrow_mut();
        times.sort_unstable();
        Ok(Self {
            clients: plan.clients,
            requests: after.answered - before.answered,
            mib: match work {
                Work::Ask | Work::Post => 0,
                Work::Download(length) | Work::Upload(length) => u32::try_from(length >> 20).unwrap_or(u32::MAX),
            },
            wall: after.at - before.at,
            proxy: match plan.proxy {
                Some(process) => Some(ProxyUse { cpu: proxy_cpu, peak_kib: process.peak_kib()? }),
                None => None,
            },
            load_cpu,
            distance: None,
            others_cpu: machine_cpu.saturating_sub(proxy_cpu + load_cpu),
            p50: percentile(&times, 50),
            p99: percentile(&times, 99),
            handshakes: tally.handshakes.get(),
            resumed: tally.resumed.get(),
            errors: tally.errors.get(),
            first_error: tally.first_error.borrow().clone(),
        })
    }
}

/// The least time that so many of a hundred did not exceed.
fn percentile(sorted: &[u32], hundredths: usize) -> Duration {
    let rank = (sorted.len() * hundredths).div_ceil(100).max(1);
    Duration::from_nanos(sorted.get(rank - 1).copied().map_or(0, u64::from))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::runtime::{Builder, Runtime};

    use crate::measure::{Plan, measure, percentile};
    use crate::origin::Origin;
    use crate::row::Row;
    use crate::stage::Stage;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let hundred: Vec<u32> = (1..=100).collect();
        assert_eq!(percentile(&hundred, 50).as_nanos(), 50);
        assert_eq!(percentile(&hundred, 99).as_nanos(), 99);
        assert_eq!(percentile(&[7], 50).as_nanos(), 7);
        assert_eq!(percentile(&[7, 9], 99).as_nanos(), 9);
        assert_eq!(percentile(&[], 50).as_nanos(), 0);
    }

    #[test]
    fn requests_with_the_right_credential_are_counted_without_errors() {
        let runtime = runtime();
        let stage = Stage::new(Origin::start(&runtime, "Bearer right", 1 << 20).unwrap());
        let measured = measure(&runtime, stage.route(Row::Direct, None).unwrap(), &plan(3)).unwrap();
        assert_eq!((measured.errors, &measured.first_error), (0, &None));
        assert!(measured.requests > 0 && measured.p50 <= measured.p99);
        assert!(stage.origin.seen().only_right() && stage.origin.seen().right >= u64::from(measured.requests));
    }

    #[test]
    fn a_wrong_credential_is_an_error_on_both_sides() {
        let runtime = runtime();
        let mut origin = Origin::start(&runtime, "Bearer right", 1 << 20).unwrap();
        origin.authorization = "Bearer wrong".to_owned();
        let stage = Stage::new(origin);
        let measured = measure(&runtime, stage.route(Row::Direct, None).unwrap(), &plan(1)).unwrap();
        assert_eq!(measured.requests, 0);
        assert!(measured.errors > 0 && measured.first_error.unwrap().contains("401"));
        assert!(stage.origin.seen().wrong > 0 && !stage.origin.seen().only_right());
    }

    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    fn plan(clients: u32) -> Plan<'static> {
        Plan { clients, window: Duration::from_millis(200), proxy: None, proxy_core: None }
    }
}
