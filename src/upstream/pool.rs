//! Connections to origin servers that wait for their next request, and those that can bear one more. One pool a worker;
//! nobody else takes its lock, but for who counts them now and then.

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
    base::{id::Id, target::Origin},
    upstream::{channel::Channel, flight::Flight, multiplexed::Multiplexed},
};

/// Longest wait of an idle connection; most origin servers close theirs after a minute or more.
const LONGEST_IDLE: Duration = Duration::from_secs(55);
/// Most idle connections to one origin.
const MOST_IDLE: usize = 256;
/// Most connections over HTTP/2 of one caller to one origin: from there on requests wait until there is room on one.
const MOST_MULTIPLEXED: usize = 64;

/// Connections by origin.
#[derive(Debug, Default)]
pub struct Pool(Mutex<HashMap<Arc<Origin>, Known>>);

/// What is known of one origin.
#[derive(Debug, Default)]
struct Known {
    /// Over HTTP/1, the last used first.
    idle: Vec<Waiting>,
    /// Over HTTP/2, also those in use.
    multiplexed: Vec<Arc<Multiplexed>>,
    /// Whether it chose HTTP/1 when it was last asked.
    http1: bool,
    /// The dials that others wait for, each of the same caller.
    flights: Vec<(Option<Id>, Arc<Notify>)>,
}

#[derive(Debug)]
struct Waiting {
    channel: Arc<Channel>,
    /// When a sweep first found it here.
    since: Option<Instant>,
}

/// A connection that is there already.
#[derive(Debug)]
pub enum Found {
    /// Over HTTP/1, taken out of the pool.
    Own(Arc<Channel>),
    /// Over HTTP/2.
    Shared(Arc<Multiplexed>),
}

/// What somebody who found no connection should do.
#[derive(Debug)]
pub enum Turn {
    /// Dial. With a flight, others wait for what comes of it.
    Dial(Option<Flight>),
    /// Wait for a dial that goes on, and look again.
    Wait(OwnedNotified),
}

impl Pool {
    /// Any connection to this origin for this caller, one over HTTP/2 first.
    pub fn find(&self, origin: &Origin, caller: Option<Id>) -> Option<Found> {
        let mut pool = self.lock();
        let known = pool.get_mut(origin)?;
        known.share(caller).map(Found::Shared).or_else(|| known.take().map(Found::Own))
    }

    /// A connection over HTTP/1 to this origin that is still alive.
    pub fn take(&self, origin: &Origin) -> Option<Arc<Channel>> {
        self.lock().get_mut(origin)?.take()
    }

    /// Keeps a connection over HTTP/1 for the next request.
    pub fn put(&self, channel: Arc<Channel>) {
        let mut pool = self.lock();
        let idle = match pool.get_mut(channel.origin()) {
            Some(known) => &mut known.idle,
            None => &mut pool.entry(Arc::clone(channel.origin())).or_default().idle,
        };
        if idle.len() < MOST_IDLE {
            idle.push(Waiting { channel, since: None });
        }
    }

    /// A connection of this caller over HTTP/2 to this origin that is still alive and has room; the one with most room, if
    /// there may be no more of them.
    pub fn share(&self, origin: &Origin, caller: Option<Id>) -> Option<Arc<Multiplexed>> {
        self.lock().get_mut(origin)?.share(caller)
    }

    /// Keeps a connection over HTTP/2 for whoever comes.
    pub fn add(&self, connection: &Arc<Multiplexed>) {
        let mut pool = self.lock();
        let known = pool.entry(Arc::clone(connection.origin())).or_default();
        known.http1 = false;
        known.multiplexed.push(Arc::clone(connection));
    }

    /// Notes that this origin chose HTTP/1: nobody need wait for what others dial.
    pub fn prefers_http1(&self, origin: &Arc<Origin>) {
        self.lock().entry(Arc::clone(origin)).or_default().http1 = true;
    }

    /// Whose turn it is to dial.
    pub fn turn(self: &Arc<Self>, origin: &Arc<Origin>, caller: Option<Id>) -> Turn {
        let mut pool = self.lock();
        let known = pool.entry(Arc::clone(origin)).or_default();
        if known.http1 {
            return Turn::Dial(None);
        }
        if let Some((_, landed)) = known.flights.iter().find(|(of, _)| *of == caller) {
            return Turn::Wait(Arc::clone(landed).notified_owned());
        }
        let landed = Arc::<Notify>::default();
        known.flights.push((caller, Arc::clone(&landed)));
        Turn::Dial(Some(Flight::new(self, origin, caller, landed)))
    }

    /// Ends the flight of this caller to this origin.
    pub fn land(&self, origin: &Origin, caller: Option<Id>) {
        if let Some(known) = self.lock().get_mut(origin) {
            known.flights.retain(|(of, _)| *of != caller);
        }
    }

    /// Closes what has waited too long or has been closed by its origin server.
    pub fn sweep(&self) {
        let (mut pool, now) = (self.lock(), Instant::now());
        pool.retain(|_, known| {
            known.idle.retain_mut(|it| {
                let since = *it.since.get_or_insert(now);
                now - since < LONGEST_IDLE && it.channel.is_alive()
            });
            known.multiplexed.retain(|it| it.idle().is_none_or(|idle| idle < LONGEST_IDLE) && it.is_alive());
            !known.idle.is_empty() || !known.multiplexed.is_empty() || !known.flights.is_empty()
        });
        pool.shrink_to_fit();
    }

    /// Closes all that nobody uses.
    pub fn clear(&self) {
        for known in self.lock().values_mut() {
            known.idle.clear();
            known.multiplexed.retain(|it| it.streams() > 0);
        }
    }

    /// How many are not used now.
    pub fn idle(&self) -> u64 {
        let unused = |it: &Known| it.idle.len() + it.multiplexed.iter().filter(|it| it.streams() == 0).count();
        self.lock().values().map(|it| unused(it) as u64).sum()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<Origin>, Known>> {
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

    fn share(&mut self, caller: Option<Id>) -> Option<Arc<Multiplexed>> {
        self.multiplexed.retain(|it| it.is_alive());
        let own = || self.multiplexed.iter().filter(|it| it.caller() == caller);
        let chosen = own().find(|it| it.has_room());
        let chosen =
            chosen.or_else(|| own().min_by_key(|it| it.streams()).filter(|_| own().count() >= MOST_MULTIPLEXED));
        chosen.cloned()
    }
}
