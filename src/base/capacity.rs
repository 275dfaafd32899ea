//! How much of something may be in use at once: in all, and by each client, so that none can take it from all others.

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher as _, RandomState},
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use thiserror::Error;

/// Networks that are counted under one lock are few.
const SHARDS: usize = 16;

/// Who uses it.
#[derive(Clone, Debug)]
pub enum Client {
    /// Whoever shows an API key: what that one has is counted there.
    Key(Arc<Held>),
    /// Whoever calls from there without one.
    Network(Network),
}

/// How much a client has that is known anyway.
#[derive(Debug, Default)]
pub struct Held(AtomicUsize);

/// The part of an address that one caller cannot change at will.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Network([u8; 8]);

/// How much may be in use at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Most {
    /// By all clients together.
    pub all: usize,
    /// By each of them.
    pub each: usize,
}

/// What is in use.
pub struct Capacity {
    all: AtomicUsize,
    shards: [Mutex<HashMap<Network, usize>>; SHARDS],
    random: RandomState,
}

/// One piece of it, until this is dropped.
#[derive(Debug)]
pub struct Share {
    capacity: Arc<Capacity>,
    client: Client,
}

/// Why there is none left.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Full {
    /// All of it is in use.
    #[error("as much is in use as there may be")]
    All,
    /// This client has as much as one may have.
    #[error("one client has as much as one may have")]
    Each,
}

impl Network {
    /// Whoever has a host on the internet has a /64 of IPv6 addresses. Callers of a unix socket have none.
    pub fn of(source: Option<SocketAddr>) -> Self {
        let mut part = [0; 8];
        match source.map(|it| it.ip().to_canonical()) {
            Some(IpAddr::V4(v4)) => part[..4].copy_from_slice(&v4.octets()),
            Some(IpAddr::V6(v6)) => part.copy_from_slice(&v6.octets()[..8]),
            None => {}
        }
        Self(part)
    }

    /// It, for what counts bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Capacity {
    /// None of it is in use.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { all: AtomicUsize::new(0), shards: Default::default(), random: RandomState::new() })
    }

    /// Takes one piece for this client.
    ///
    /// # Errors
    /// There is none left, for anybody or for this one.
    pub fn take(self: &Arc<Self>, client: Client, most: Most) -> Result<Share, Full> {
        match &client {
            Client::Key(held) => {
                one_more(&held.0, most.each).ok_or(Full::Each)?;
                if let Err(full) = self.take_of_all(most) {
                    held.0.fetch_sub(1, Relaxed);
                    return Err(full);
                }
            }
            Client::Network(network) => {
                let mut networks = self.lock(*network);
                let held = networks.get(network).copied().unwrap_or_default();
                if held >= most.each {
                    return Err(Full::Each);
                }
                self.take_of_all(most)?;
                networks.insert(*network, held + 1);
            }
        }
        Ok(Share { capacity: Arc::clone(self), client })
    }

    fn take_of_all(&self, most: Most) -> Result<(), Full> {
        one_more(&self.all, most.all).ok_or(Full::All)
    }

    fn lock(&self, network: Network) -> MutexGuard<'_, HashMap<Network, usize>> {
        // The table inside the shard uses the other bits of its own hash.
        let place = (self.random.hash_one(network) >> 32) as usize % SHARDS;
        // Each change is whole before anything that could panic.
        self.shards[place].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn one_more(count: &AtomicUsize, most: usize) -> Option<()> {
    count.fetch_update(Relaxed, Relaxed, |it| (it < most).then_some(it + 1)).ok().map(drop)
}

impl fmt::Debug for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capacity").field("in_use", &self.all).finish_non_exhaustive()
    }
}

impl Default for Most {
    fn default() -> Self {
        Self { all: usize::MAX, each: usize::MAX }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        match &self.client {
            Client::Key(held) => drop(held.0.fetch_sub(1, Relaxed)),
            Client::Network(network) => {
                let mut networks = self.capacity.lock(*network);
                match networks.get_mut(network) {
                    Some(held) if *held > 1 => *held -= 1,
                    _ => drop(networks.remove(network)),
                }
            }
        }
        self.capacity.all.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, sync::Arc};

    use crate::base::capacity::{Capacity, Client, Full, Held, Most, Network, Share};

    fn at(source: &str) -> Client {
        Client::Network(Network::of(Some(SocketAddr::new(source.parse().unwrap(), 1))))
    }

    #[test]
    fn no_client_has_more_than_one_may_and_all_have_no_more_than_there_is() {
        let key = || Client::Key(Arc::<Held>::default());
        for [one, other, third] in [["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(at), [(); 3].map(|()| key())] {
            let (capacity, most) = (Capacity::new(), Most { all: 3, each: 2 });
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
    fn a_network_is_what_one_caller_has() {
        let at = |source: &str| Network::of(Some(SocketAddr::new(source.parse().unwrap(), 1)));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:1"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
        assert_eq!(Network::of(None), Network::default());
    }
}
