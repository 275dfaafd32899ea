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

use crate::base::id::Id;

/// Clients that are counted under one lock are few.
const SHARDS: usize = 16;

/// Who uses it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Client {
    /// Whoever shows this API key.
    Key(Id),
    /// Whoever calls from there without one.
    Network(Network),
}

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
    shards: [Mutex<HashMap<Client, usize>>; SHARDS],
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
        let mut clients = self.lock(client);
        let held = clients.get(&client).copied().unwrap_or_default();
        if held >= most.each {
            return Err(Full::Each);
        }
        self.all.fetch_update(Relaxed, Relaxed, |all| (all < most.all).then_some(all + 1)).or(Err(Full::All))?;
        clients.insert(client, held + 1);
        Ok(Share { capacity: Arc::clone(self), client })
    }

    fn lock(&self, client: Client) -> MutexGuard<'_, HashMap<Client, usize>> {
        // The table inside the shard uses the other bits of its own hash.
        let place = (self.random.hash_one(client) >> 32) as usize % SHARDS;
        // Each change is whole before anything that could panic.
        self.shards[place].lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        let mut clients = self.capacity.lock(self.client);
        match clients.get_mut(&self.client) {
            Some(held) if *held > 1 => *held -= 1,
            _ => drop(clients.remove(&self.client)),
        }
        self.capacity.all.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use crate::base::capacity::{Capacity, Client, Full, Most, Network};

    fn at(source: &str) -> Client {
        Client::Network(Network::of(Some(SocketAddr::new(source.parse().unwrap(), 1))))
    }

    #[test]
    fn no_client_has_more_than_one_may_and_all_have_no_more_than_there_is() {
        let (capacity, most) = (Capacity::new(), Most { all: 3, each: 2 });
        let (one, other) = (at("192.0.2.1"), at("192.0.2.2"));
        let first = capacity.take(one, most).unwrap();
        let second = capacity.take(one, most).unwrap();
        assert_eq!(capacity.take(one, most).unwrap_err(), Full::Each);
        let third = capacity.take(other, most).unwrap();
        assert_eq!(capacity.take(other, most).unwrap_err(), Full::All);
        drop(first);
        let fourth = capacity.take(other, most).unwrap();
        assert_eq!(capacity.take(at("192.0.2.3"), most).unwrap_err(), Full::All);
        drop((second, third, fourth));
        assert!(capacity.shards.iter().all(|it| it.lock().unwrap().is_empty()), "who has none is forgotten");
        drop(capacity.take(one, Most { all: 1, each: 1 }).unwrap());
    }

    #[test]
    fn a_network_is_what_one_caller_has() {
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:1"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
        assert_eq!(Network::of(None), Network::default());
    }
}
