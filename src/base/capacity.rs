//! Limits on what is in use at once: in total, and for each client, so that no client takes it from all others.

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use thiserror::Error;

use crate::base::peer::Peer;

/// Locks over the table of networks.
const SHARDS: usize = 16;

/// What a capacity counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resource {
    /// Open connections of clients.
    Connections,
    /// Open requests and blind tunnels.
    Requests,
    /// Bytes of heads that arrive or are held until they are answered or passed on.
    Heads,
    /// Bytes of bodies and answers held in memory.
    Bodies,
    /// Bytes that origin servers may send over HTTP/2 before anybody reads them.
    Windows,
    /// Bytes that the system may receive of origin servers before we read them.
    Receiving,
    /// Threads that ask the system for the addresses of a name.
    Lookups,
}

/// Who uses it.
#[derive(Clone, Debug)]
pub enum Client {
    /// The holder of an API key, wherever it calls from. Its use is counted in the key's own [`Held`].
    Key(Arc<Held>),
    /// A caller without a key.
    Network(Network),
}

/// What the holder of one API key has in use.
#[derive(Debug, Default)]
pub struct Held {
    /// By [`Resource`].
    used: [AtomicUsize; 7],
    /// Held while one of its pieces of heavy work waits or runs.
    heavy: Turn,
}

/// Whose turn it is, in the order of arrival.
type Turn = tokio::sync::Mutex<()>;

/// The same for all callers without a key.
static HEAVY_WITHOUT_KEY: Turn = Turn::const_new(());

impl Client {
    /// Waits until no heavy work of this client waits or runs, so that the work of others never waits for more than one
    /// piece of it.
    pub async fn heavy_turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        match self {
            Self::Key(held) => held.heavy.lock().await,
            Self::Network(_) => HEAVY_WITHOUT_KEY.lock().await,
        }
    }
}

/// The part of a peer that a caller cannot choose: an IPv4 address, an IPv6 /64, this machine, or a user of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Network([u8; 9]);

/// How much may be in use at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Most {
    /// By all clients together.
    pub all: usize,
    /// By each of them.
    pub each: usize,
}

/// How much of one resource is in use.
pub struct Capacity {
    resource: Resource,
    all: AtomicUsize,
    shards: [Mutex<HashMap<Network, usize>>; SHARDS],
    random: RandomState,
}

/// What one client has taken of a capacity; given back when this is dropped.
#[derive(Debug)]
pub struct Share {
    capacity: Arc<Capacity>,
    client: Client,
    units: usize,
}

/// Why nothing more can be taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Full {
    /// All clients together have as much as there may be.
    #[error("as much is in use as there may be")]
    All,
    /// This client has as much as one may have.
    #[error("one client has as much as one may have")]
    Each,
}

impl Network {
    /// A host on the internet has a /64 of IPv6 addresses, and a program all of 127.0.0.0/8 and `::1`: each is one client.
    /// Callers on the unix socket are told apart by user id. `None` is this process itself.
    pub fn of(peer: Option<Peer>) -> Self {
        let mut part = [0; 9];
        match peer {
            Some(Peer::Tcp(address)) => match address.ip().to_canonical() {
                ip if ip.is_loopback() => part[0] = 1,
                IpAddr::V4(v4) => {
                    part[0] = 4;
                    part[1..5].copy_from_slice(&v4.octets());
                }
                IpAddr::V6(v6) => {
                    part[0] = 6;
                    part[1..].copy_from_slice(&v6.octets()[..8]);
                }
            },
            Some(Peer::Unix(user)) => {
                part[0] = 2;
                part[1..5].copy_from_slice(&user.to_be_bytes());
            }
            None => {}
        }
        Self(part)
    }

    /// Bytes that differ between any two networks.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Capacity {
    /// Nothing of it is in use.
    pub fn new(resource: Resource) -> Arc<Self> {
        let (all, shards, random) = (AtomicUsize::new(0), Default::default(), RandomState::new());
        Arc::new(Self { resource, all, shards, random })
    }

    /// Takes one unit for this client.
    ///
    /// # Errors
    /// See [`Full`].
    pub fn take(self: &Arc<Self>, client: Client, most: Most) -> Result<Share, Full> {
        let mut share = self.share(client);
        share.add(1, most)?;
        Ok(share)
    }

    /// A share of this client that holds nothing yet.
    pub fn share(self: &Arc<Self>, client: Client) -> Share {
        Share { capacity: Arc::clone(self), client, units: 0 }
    }

    fn lock(&self, network: Network) -> MutexGuard<'_, HashMap<Network, usize>> {
        // The table inside the shard uses the other bits of its own hash.
        let place = (self.random.hash_one(network) >> 32) as usize % SHARDS;
        // Each change is whole before anything that could panic.
        self.shards[place].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// Takes this many more units, or none.
    ///
    /// # Errors
    /// See [`Full`].
    pub fn add(&mut self, units: usize, most: Most) -> Result<(), Full> {
        let capacity = &*self.capacity;
        let more = |held: usize, most: usize| held.checked_add(units).filter(|it| *it <= most);
        let of_all = || capacity.all.fetch_update(Relaxed, Relaxed, |it| more(it, most.all)).or(Err(Full::All));
        match &self.client {
            Client::Key(held) => {
                let held = &held.used[capacity.resource as usize];
                held.fetch_update(Relaxed, Relaxed, |it| more(it, most.each)).or(Err(Full::Each))?;
                if let Err(full) = of_all() {
                    held.fetch_sub(units, Relaxed);
                    return Err(full);
                }
            }
            Client::Network(network) => {
                let mut networks = capacity.lock(*network);
                let held = networks.get(network).copied().unwrap_or_default();
                let held = more(held, most.each).ok_or(Full::Each)?;
                of_all()?;
                networks.insert(*network, held);
            }
        }
        self.units += units;
        Ok(())
    }

    /// Who holds it.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Gives all of it back.
    pub fn clear(&mut self) {
        let Self { capacity, client, units } = self;
        let units = std::mem::take(units);
        if units == 0 {
            return;
        }
        match client {
            Client::Key(held) => drop(held.used[capacity.resource as usize].fetch_sub(units, Relaxed)),
            Client::Network(network) => {
                let mut networks = capacity.lock(*network);
                match networks.get_mut(network) {
                    Some(held) if *held > units => *held -= units,
                    _ => drop(networks.remove(network)),
                }
            }
        }
        capacity.all.fetch_sub(units, Relaxed);
    }

    /// Units that it holds.
    pub fn units(&self) -> usize {
        self.units
    }
}

impl fmt::Debug for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capacity").field("resource", &self.resource).field("in_use", &self.all).finish_non_exhaustive()
    }
}

impl Default for Most {
    fn default() -> Self {
        Self { all: usize::MAX, each: usize::MAX }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, sync::Arc};

    use crate::base::{
        capacity::{Capacity, Client, Full, Held, Most, Network, Resource, Share},
        peer::Peer,
    };

    fn network(source: &str) -> Network {
        Network::of(Some(Peer::Tcp(SocketAddr::new(source.parse().unwrap(), 1))))
    }

    #[test]
    fn no_client_has_more_than_one_may_and_all_have_no_more_than_there_is() {
        let at = |source: &str| Client::Network(network(source));
        let key = || Client::Key(Arc::<Held>::default());
        for [one, other, third] in [["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(at), [(); 3].map(|()| key())] {
            let (capacity, most) = (Capacity::new(Resource::Requests), Most { all: 3, each: 2 });
            let take = |client: &Client| -> Result<Share, Full> { capacity.take(client.clone(), most) };
            let first = take(&one).unwrap();
            let second = take(&one).unwrap();
            assert_eq!(take(&one).unwrap_err(), Full::Each);
            let another = take(&other).unwrap();
            assert_eq!(take(&other).unwrap_err(), Full::All);
            drop(first);
            let fourth = take(&other).unwrap();
            assert_eq!(take(&third).unwrap_err(), Full::All);
            drop((second, another, fourth));
            assert!(capacity.shards.iter().all(|it| it.lock().unwrap().is_empty()), "who has none is forgotten");
            drop(capacity.take(one, Most { all: 1, each: 1 }).unwrap());
        }
    }

    #[test]
    fn a_share_grows_by_what_fits_and_gives_all_of_it_back() {
        for client in [Client::Network(network("192.0.2.1")), Client::Key(Arc::default())] {
            let (capacity, most) = (Capacity::new(Resource::Bodies), Most { all: 100, each: 50 });
            let mut share = capacity.share(client.clone());
            share.add(40, most).unwrap();
            assert_eq!(share.add(11, most), Err(Full::Each));
            assert_eq!(share.add(usize::MAX, most), Err(Full::Each));
            share.add(10, most).unwrap();
            assert_eq!((share.units(), capacity.share(client.clone()).add(1, most)), (50, Err(Full::Each)));
            drop(share);
            capacity.share(client).add(50, most).unwrap();
        }
    }

    #[test]
    fn resources_of_a_key_are_counted_apart() {
        let (client, most) = (Client::Key(Arc::default()), Most { all: 1, each: 1 });
        let [requests, bodies] = [Resource::Requests, Resource::Bodies].map(Capacity::new);
        let _request = requests.take(client.clone(), most).unwrap();
        drop(bodies.take(client, most).unwrap());
    }

    #[test]
    fn a_network_is_what_a_caller_cannot_choose() {
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        for local in ["127.0.0.2", "127.255.255.254", "::1", "::ffff:127.0.0.1", "::ffff:127.9.9.9"] {
            assert_eq!(network(local), network("127.0.0.1"), "{local}");
        }
        assert_ne!(network("127.0.0.1"), network("128.0.0.1"));
        let user = |id| Network::of(Some(Peer::Unix(id)));
        assert_eq!(user(1000), user(1000));
        assert_ne!(user(1000), user(1001));
        let all = [network("127.0.0.1"), network("0.0.3.232"), network("0:3e8::"), user(1000), Network::of(None)];
        assert!(all.iter().enumerate().all(|(at, it)| !all[..at].contains(it)), "{all:?}");
    }
}
