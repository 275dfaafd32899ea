//! Names to addresses as the system resolves them (nsswitch, hosts file, search domains), never longer than five seconds.

use std::{
    collections::HashMap,
    fs, io,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::Duration,
};

use dns_lookup::{AddrInfoHints, LookupError, LookupErrorKind, SockType, getaddrinfo};
use thiserror::Error;
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use crate::{
    base::{
        capacity::{Capacity, Client, Most, Resource, Share},
        host::Host,
    },
    upstream::guard::LOOPBACK,
};

/// Longest time that a caller waits for a name.
const LONGEST: Duration = Duration::from_secs(5);
/// How long an answer is used again: what changes in the hosts file or in DNS is seen after this time.
const FRESH: Duration = Duration::from_secs(5);
/// How long the address that a connection came to is tried first.
const PREFERRED: Duration = Duration::from_mins(10);
/// Names that are remembered at most.
const MOST_NAMES: usize = 4096;
/// Threads that ask at once. One that waits for a dead name server cannot be cancelled: it counts until it ends.
const MOST_THREADS: Most = Most { all: 256, each: 64 };

/// The system's name service, asked by `getaddrinfo` on threads of its own. All workers share it.
#[derive(Debug)]
pub struct Resolver {
    threads: Arc<Capacity>,
    /// Told whenever a thread ends.
    room: Notify,
    names: Mutex<HashMap<Box<str>, Name>>,
}

/// What is remembered of a name.
#[derive(Debug)]
struct Name {
    lookup: Arc<Lookup>,
    begun: Instant,
    /// The address that the last connection came to, and when.
    preferred: Option<(IpAddr, Instant)>,
}

/// One question to the system, shared by all who wait for its answer.
#[derive(Debug, Default)]
struct Lookup {
    answer: OnceLock<Result<Vec<IpAddr>, ResolveError>>,
    answered: Notify,
}

/// Why a name has no address.
#[derive(Clone, Debug, Error)]
pub enum ResolveError {
    /// The name service says so, or cannot be asked.
    #[error("the name cannot be resolved")]
    System(#[source] Arc<io::Error>),
    /// No answer in time.
    #[error("the name service did not answer in time")]
    Timeout,
}

impl Default for Resolver {
    fn default() -> Self {
        let (room, names) = Default::default();
        Self { threads: Capacity::new(Resource::Lookups), room, names }
    }
}

impl Resolver {
    /// All addresses of a host, in the system's order (RFC 6724), but that which a connection came to first. `localhost` is
    /// the machine itself, whatever DNS says (RFC 6761 section 6.3). A question that has to be asked counts for `client`.
    ///
    /// # Errors
    /// No such name, or no answer within five seconds.
    pub async fn resolve(self: &Arc<Self>, host: &Host, client: &Client) -> Result<Vec<IpAddr>, ResolveError> {
        let name = match host {
            Host::V4(it) => return Ok(vec![IpAddr::V4(*it)]),
            Host::V6(it) => return Ok(vec![IpAddr::V6(*it)]),
            Host::Name(_) if host.is_loopback() => return Ok(LOOPBACK.to_vec()),
            Host::Name(name) => name,
        };
        timeout_at(Instant::now() + LONGEST, self.answer(name, client)).await.or(Err(ResolveError::Timeout))?
    }

    /// Remembers the address that a connection to this host came to.
    pub fn prefer(&self, host: &Host, address: IpAddr) {
        if let Host::Name(name) = host
            && let Some(known) = self.lock().get_mut(name)
        {
            known.preferred = Some((address, Instant::now()));
        }
    }

    async fn answer(self: &Arc<Self>, name: &str, client: &Client) -> Result<Vec<IpAddr>, ResolveError> {
        let lookup = self.lookup(name, client).await;
        let mut answered = std::pin::pin!(lookup.answered.notified());
        answered.as_mut().enable();
        if lookup.answer.get().is_none() {
            answered.await;
        }
        let mut addresses = lookup.answer.get().cloned().unwrap_or(Err(ResolveError::Timeout))?;
        let preferred = self.lock().get(name).and_then(|it| it.preferred);
        if let Some((address, since)) = preferred
            && since.elapsed() < PREFERRED
            && let Some(at) = addresses.iter().position(|it| *it == address)
        {
            addresses[..=at].rotate_right(1);
        }
        Ok(addresses)
    }

    /// The question that is asked or was answered lately, or a new one once there is a thread for it.
    async fn lookup(self: &Arc<Self>, name: &str, client: &Client) -> Arc<Lookup> {
        loop {
            let mut room = std::pin::pin!(self.room.notified());
            room.as_mut().enable();
            if let Some(lookup) = self.begin(name, client) {
                return lookup;
            }
            room.await;
        }
    }

    fn begin(self: &Arc<Self>, name: &str, client: &Client) -> Option<Arc<Lookup>> {
        let mut names = self.lock();
        let known = names.get(name);
        if let Some(known) = known.filter(|it| it.is_of_use()) {
            return Some(Arc::clone(&known.lookup));
        }
        let thread = self.threads.take(client.clone(), MOST_THREADS).ok()?;
        let preferred = known.and_then(|it| it.preferred);
        if names.len() >= MOST_NAMES {
            names.retain(|_, it| it.is_of_use());
        }
        let lookup = Arc::<Lookup>::default();
        if names.len() < MOST_NAMES {
            names.insert(name.into(), Name { lookup: Arc::clone(&lookup), begun: Instant::now(), preferred });
        }
        drop(names);
        self.ask(name, thread, &lookup);
        Some(lookup)
    }

    fn ask(self: &Arc<Self>, name: &str, thread: Share, lookup: &Arc<Lookup>) {
        let (resolver, asked, name) = (Arc::clone(self), Arc::clone(lookup), name.to_owned());
        let work = move || {
            asked.be(addresses(&name));
            drop(thread);
            resolver.room.notify_waiters();
        };
        if let Err(error) = thread::Builder::new().name("resolve".into()).spawn(work) {
            lookup.be(Err(error));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Name>> {
        // Each change is whole before anything that could panic.
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Name {
    /// Whether it is being asked for, or was answered lately. A failure is not remembered.
    fn is_of_use(&self) -> bool {
        self.lookup.answer.get().is_none_or(|it| it.is_ok() && self.begun.elapsed() < FRESH)
    }
}

impl Lookup {
    fn be(&self, answer: io::Result<Vec<IpAddr>>) {
        self.answer.get_or_init(|| answer.map_err(|error| ResolveError::System(Arc::new(error))));
        self.answered.notify_waiters();
    }
}

/// A name with a dot is complete: search domains get their say only if there is no such name, whatever `ndots` says. The
/// hosts file knows no name by its root dot.
fn addresses(name: &str) -> io::Result<Vec<IpAddr>> {
    if name.contains('.') && !is_listed(name) {
        match look_up(&format!("{name}.")) {
            Err(error) if matches!(error.kind(), LookupErrorKind::NoName) => {}
            found => return Ok(found?),
        }
    }
    Ok(look_up(name)?)
}

fn is_listed(name: &str) -> bool {
    // Who cannot read it leaves it to the system.
    fs::read_to_string("/etc/hosts").map_or(true, |hosts| {
        let entries = hosts.lines().filter_map(|it| it.split('#').next());
        entries.flat_map(str::split_ascii_whitespace).any(|it| it.eq_ignore_ascii_case(name))
    })
}

fn look_up(name: &str) -> Result<Vec<IpAddr>, LookupError> {
    let hints = AddrInfoHints { socktype: SockType::Stream.into(), ..AddrInfoHints::default() };
    let mut found = Vec::new();
    for info in getaddrinfo(Some(name), None, Some(hints))? {
        let address = info?.sockaddr.ip();
        if !found.contains(&address) {
            found.push(address);
        }
    }
    Ok(found)
}
