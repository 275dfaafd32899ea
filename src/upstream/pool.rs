//! Connections to origin servers that wait for their next request. One pool a worker; nobody else takes its lock,
//! but for who counts them now and then.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{base::target::Origin, upstream::channel::Channel};

/// Longest wait of an idle connection; most origin servers close theirs after a minute or more.
const LONGEST_IDLE: Duration = Duration::from_secs(55);
/// Most idle connections to one origin.
const MOST_IDLE: usize = 256;

/// Idle connections by origin, the last used first.
#[derive(Debug, Default)]
pub struct Pool(Mutex<HashMap<Arc<Origin>, Vec<Waiting>>>);

#[derive(Debug)]
struct Waiting {
    since: Instant,
    channel: Arc<Channel>,
}

impl Pool {
    /// A connection to this origin that is still alive.
    pub fn take(&self, origin: &Origin) -> Option<Arc<Channel>> {
        let mut idle = self.lock();
        let waiting = idle.get_mut(origin)?;
        while let Some(Waiting { since, channel }) = waiting.pop() {
            if since.elapsed() < LONGEST_IDLE && channel.is_alive() {
                return Some(channel);
            }
        }
        None
    }

    /// Keeps a connection for the next request.
    pub fn put(&self, channel: Arc<Channel>) {
        let mut idle = self.lock();
        let waiting = Waiting { since: Instant::now(), channel };
        match idle.get_mut(waiting.channel.origin()) {
            Some(list) if list.len() < MOST_IDLE => list.push(waiting),
            Some(_) => {}
            None => drop(idle.insert(Arc::clone(waiting.channel.origin()), vec![waiting])),
        }
    }

    /// Closes what has waited too long or has been closed by its origin server.
    pub fn sweep(&self) {
        let mut idle = self.lock();
        idle.retain(|_, list| {
            list.retain(|it| it.since.elapsed() < LONGEST_IDLE && it.channel.is_alive());
            !list.is_empty()
        });
        idle.shrink_to_fit();
    }

    /// Closes all.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// How many wait.
    pub fn idle(&self) -> u64 {
        self.lock().values().map(|it| it.len() as u64).sum()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<Origin>, Vec<Waiting>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
