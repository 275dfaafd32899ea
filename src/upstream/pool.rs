//! Idle connections to origins, and HTTP/2 connections that can take one more stream. One pool per worker; its lock is
//! contended by nobody but the thread that collects metrics.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, futures::OwnedNotified},
    time::Instant,
};

use crate::{
    identity::KeyHash,
    upstream::{
        channel::Channel,
        flight::Flight,
        multiplexed::Multiplexed,
        tenant::{PoolKey, Tenant},
    },
};

/// Longest idle time of a connection; most origins close theirs after a minute or more.
const LONGEST_IDLE: Duration = Duration::from_secs(55);
/// Most idle connections of one caller in one pool, to all origins together.
const MOST_IDLE: usize = 256;
/// Most HTTP/2 connections per pool key: beyond that, requests wait for a stream to end.
const MOST_MULTIPLEXED: usize = 64;

/// Connections by origin and tenant: a connection is never lent to another caller, another credential, or to the same ones
/// after their role, secret or policies have changed.
#[derive(Debug, Default)]
pub struct Pool(Mutex<HashMap<PoolKey, Known>>);

/// The connections of one pool key.
#[derive(Debug, Default)]
struct Known {
    /// HTTP/1 connections, the last used at the end.
    idle: Vec<Waiting>,
    /// HTTP/2 connections, also those in use.
    multiplexed: Vec<Arc<Multiplexed>>,
    /// When the origin last chose HTTP/1.
    http1: Option<Instant>,
    /// The dial that other requests wait for.
    flight: Option<Arc<Notify>>,
}

#[derive(Debug)]
struct Waiting {
    channel: Arc<Channel>,
    /// When a sweep first found it here.
    since: Option<Instant>,
}

/// An open connection.
#[derive(Debug)]
pub enum Found {
    /// Over HTTP/1, taken out of the pool.
    Own(Arc<Channel>),
    /// Over HTTP/2.
    Shared(Arc<Multiplexed>),
}

/// What a request without a connection does next.
#[derive(Debug)]
pub enum Turn {
    /// Dial. With a flight, others wait for the result.
    Dial(Option<Flight>),
    /// Wait for another request's dial, and look again.
    Wait(OwnedNotified),
}

impl Pool {
    /// An open connection, HTTP/2 before HTTP/1.
    pub fn find(&self, key: &PoolKey) -> Option<Found> {
        let mut pool = self.lock();
        let known = pool.get_mut(key)?;
        known.share().map(Found::Shared).or_else(|| known.take().map(Found::Own))
    }

    /// An HTTP/1 connection that is still alive.
    pub fn take(&self, key: &PoolKey) -> Option<Arc<Channel>> {
        self.lock().get_mut(key)?.take()
    }

    /// Keeps an HTTP/1 connection for the next request.
    pub fn put(&self, channel: Arc<Channel>) {
        let mut pool = self.lock();
        let idle = match pool.get_mut(channel.key()) {
            Some(known) => &mut known.idle,
            None => &mut pool.entry(channel.key().clone()).or_default().idle,
        };
        if idle.len() < MOST_IDLE {
            idle.push(Waiting { channel, since: None });
        }
    }

    /// An HTTP/2 connection that is still alive and can take another stream; the one with the fewest streams if there may
    /// be no more connections.
    pub fn share(&self, key: &PoolKey) -> Option<Arc<Multiplexed>> {
        self.lock().get_mut(key)?.share()
    }

    /// Adds an HTTP/2 connection.
    pub fn add(&self, connection: &Arc<Multiplexed>) {
        let mut pool = self.lock();
        let known = pool.entry(connection.key().clone()).or_default();
        known.http1 = None;
        known.multiplexed.push(Arc::clone(connection));
    }

    /// Notes that the origin chose HTTP/1: requests no longer wait for each other's dials.
    pub fn prefers_http1(&self, key: &PoolKey) {
        self.lock().entry(key.clone()).or_default().http1 = Some(Instant::now());
    }

    /// Whether to dial or to wait for a dial that is under way.
    pub fn turn(self: &Arc<Self>, key: &PoolKey) -> Turn {
        let mut pool = self.lock();
        let known = pool.entry(key.clone()).or_default();
        if known.http1.is_some() {
            return Turn::Dial(None);
        }
        if let Some(landed) = &known.flight {
            return Turn::Wait(Arc::clone(landed).notified_owned());
        }
        let landed = Arc::<Notify>::default();
        known.flight = Some(Arc::clone(&landed));
        Turn::Dial(Some(Flight::new(self, key.clone(), landed)))
    }

    /// Ends the dial that others wait for.
    pub fn land(&self, key: &PoolKey) {
        if let Some(known) = self.lock().get_mut(key) {
            known.flight = None;
        }
    }

    /// Closes connections that were idle for too long, that their origins have closed, that exceed a caller's share, and
    /// those whose tenant is not current any more.
    pub fn sweep(&self, is_current: impl Fn(&Tenant) -> bool) {
        let (mut pool, now) = (self.lock(), Instant::now());
        let mut callers: HashMap<Option<KeyHash>, usize> = HashMap::new();
        pool.retain(|key, known| {
            if !is_current(&key.tenant) {
                known.close_idle();
            }
            known.idle.retain_mut(|it| {
                let since = *it.since.get_or_insert_with(|| {
                    it.channel.rest();
                    now
                });
                now - since < LONGEST_IDLE && it.channel.is_alive()
            });
            known.multiplexed.retain(|it| it.idle().is_none_or(|idle| idle < LONGEST_IDLE) && it.is_alive());
            let unused = callers.entry(key.tenant.caller).or_default();
            *unused += known.unused();
            if *unused > MOST_IDLE {
                *unused -= known.unused();
                known.close_idle();
            }
            known.http1 = known.http1.filter(|it| now - *it < LONGEST_IDLE);
            !known.idle.is_empty() || !known.multiplexed.is_empty() || known.flight.is_some() || known.http1.is_some()
        });
        pool.shrink_to_fit();
    }

    /// Closes all idle connections.
    pub fn clear(&self) {
        self.lock().values_mut().for_each(Known::close_idle);
    }

    /// The number of idle connections.
    pub fn idle(&self) -> u64 {
        self.lock().values().map(|it| it.unused() as u64).sum()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PoolKey, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn take(&mut self) -> Option<Arc<Channel>> {
        while let Some(Waiting { channel, .. }) = self.idle.pop() {
            if channel.is_alive() {
                return Some(channel);
            }
        }
        None
    }

    fn share(&mut self) -> Option<Arc<Multiplexed>> {
        self.multiplexed.retain(|it| it.is_alive());
        let roomy = self.multiplexed.iter().find(|it| it.has_room());
        let full = self.multiplexed.len() >= MOST_MULTIPLEXED;
        let chosen = roomy.or_else(|| self.multiplexed.iter().min_by_key(|it| it.streams()).filter(|_| full));
        chosen.cloned()
    }

    fn unused(&self) -> usize {
        self.idle.len() + self.multiplexed.iter().filter(|it| it.streams() == 0).count()
    }

    fn close_idle(&mut self) {
        self.idle.clear();
        self.multiplexed.retain(|it| it.streams() > 0);
    }
}
