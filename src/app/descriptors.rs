//! How many files and sockets the process may have open, and how many clients that is enough for.

use std::thread;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{base::pipe, config::limits::Limits};

/// What the process itself has open, some of it for a moment only: the store, logs, names that are looked up.
const OWN: u64 = 24;
/// The same of each worker.
const OF_WORKER: u64 = 8;
/// Ends of its pipes. Where descriptors are few, so are these: what gets no pipe is copied.
const OF_PIPES: u64 = 2 * pipe::MOST as u64;
/// Where the system names no number, this many are surely possible.
const UNNAMED: u64 = 10_240;

/// Takes as many as the system lets a process have without asking anybody.
pub(crate) fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let possible = maximum.unwrap_or(UNNAMED);
    if current.is_none_or(|it| it >= possible) {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(possible), maximum }) {
        tracing::warn!(%error, possible, "the number of files that may be open could not be raised");
    }
}

/// Lowers what clients may take to what can be had: a request needs a connection to its origin server as well.
pub(crate) fn fit(limits: &mut Limits) {
    let Some(descriptors) = getrlimit(Resource::Nofile).current else { return };
    let workers = thread::available_parallelism().map_or(1, usize::from) as u64;
    let of_pipes = (OF_PIPES * workers).min(descriptors / 8);
    let free = descriptors.saturating_sub(OWN + OF_WORKER * workers + of_pipes).max(2);
    let wanted = limits.connections;
    let connections = free.saturating_sub(limits.requests.into()).max(free / 2).min(wanted.into());
    limits.lower(short(connections), short(free - connections));
    if limits.connections < wanted {
        let taken = limits.connections;
        tracing::warn!(descriptors, wanted, taken, "[limits] connections is more than may be open; raise `ulimit -n`");
    }
}

fn short(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
