//! Refusals that share a line of the audit log: repeated ones of callers that are not known, who can be refused as often as
//! they like, and where the disk has no room to spare those of all callers. The disk is for what known callers do.

use std::{
    collections::{HashMap, hash_map::Entry as Place},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    audit::{Entry, Outcome, Record, Recorder},
    base::{capacity::Network, peer::Peer},
};

/// How long refusals are counted before the next line is written.
const PERIOD: Duration = Duration::from_secs(10);
/// Clients and reasons that are counted one by one. Those beyond are counted together by their reason.
const MOST: usize = 256;

/// The refusals of all workers that share a line, or had one lately.
#[derive(Default)]
pub struct Strangers(Mutex<HashMap<Key, Folded>>);

/// What the refusals of one line have in common.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Key {
    /// `None` for all clients beyond [`MOST`].
    client: Option<Network>,
    reason: &'static str,
    /// The prefix of a key that is valid no longer. Keys that nobody ever had are all one.
    prefix: Box<[u8]>,
}

struct Folded {
    /// Begin of the period.
    since: Instant,
    /// Refusals without a line.
    count: u64,
    /// The last of them.
    last: Option<(Box<Record>, Outcome)>,
}

impl Strangers {
    /// Closes the record of a refusal: with a line if it is the first of its client and reason, else with one for all that
    /// come within the period. Where the disk has no room to spare, the first one waits, too. Gives the time for which
    /// the record was open.
    pub fn close(&self, entry: Entry, outcome: Outcome, recorder: &Recorder) -> Duration {
        let (now, took) = (Instant::now(), entry.opened().elapsed());
        let mut table = self.lock();
        let mut key = Key::of(&entry.record);
        if table.len() >= MOST && !table.contains_key(&key) {
            key.client = None;
        }
        match table.entry(key) {
            Place::Occupied(mut folded) => folded.get_mut().add(entry, outcome),
            Place::Vacant(place) => {
                let folded = place.insert(Folded { since: now, count: 0, last: None });
                if recorder.has_room_to_spare() {
                    drop(table);
                    entry.close(outcome);
                } else {
                    folded.add(entry, outcome);
                }
            }
        }
        took
    }

    /// Writes the lines that are due, or at the end of the process all of them.
    pub fn write(&self, recorder: &Recorder, all: bool) {
        let mut table = self.lock();
        if table.is_empty() {
            return;
        }
        let (now, has_room) = (Instant::now(), recorder.has_room_to_spare());
        table.retain(|key, folded| {
            let due = all || now.saturating_duration_since(folded.since) >= PERIOD;
            if !due || (folded.last.is_some() && !has_room) {
                return true;
            }
            folded.since = now;
            folded.write(key, recorder)
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Folded>> {
        // Nothing that is done under the lock leaves it half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Key {
    fn of(record: &Record) -> Self {
        let key = record.key();
        let prefix = if key == b"-" || key == b"?" { &[][..] } else { key };
        let (client, reason) = (Some(Network::of(record.source().map(Peer::Tcp))), record.reason.unwrap_or_default());
        Self { client, reason, prefix: prefix.into() }
    }
}

impl Folded {
    fn add(&mut self, entry: Entry, outcome: Outcome) {
        self.count += 1;
        self.last = Some((entry.fold(), outcome));
    }

    /// Whether it counts on.
    fn write(&mut self, key: &Key, recorder: &Recorder) -> bool {
        let Some((mut record, outcome)) = self.last.take() else { return false };
        if key.client.is_none() {
            record.set_source(None);
        }
        match recorder.reopen(record) {
            Ok(entry) => entry.close_folded(outcome, std::mem::take(&mut self.count)),
            // Counted until there is a record to be had.
            Err((record, _)) => self.last = Some((record, outcome)),
        }
        true
    }
}

impl fmt::Debug for Strangers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Strangers").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        net::{Ipv4Addr, SocketAddr},
    };

    use crate::{
        audit::{Audit, ChainKey, Config, Door, Outcome},
        exchange::strangers::{MOST, Strangers},
    };

    #[test]
    fn however_many_clients_there_are_the_lines_are_few_and_all_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let (file, journal_dir) = (folder.path().join("audit.log"), folder.path().join("journal"));
        let config =
            Config { file: file.clone(), journal_dir, chain: ChainKey::new(&[1; 32]), anchor: None, revision: 1 };
        let (audit, recorders) = Audit::open(config, 1, 2048).unwrap();
        let (strangers, recorder) = (Strangers::default(), &recorders[0]);
        for client in (0..1000).chain(0..1000) {
            let mut entry = recorder.open(Door::Path, "http_request").unwrap();
            let address = Ipv4Addr::from_bits(0x0a00_0000 + client);
            entry.record.set_source(Some(SocketAddr::new(address.into(), 1)));
            entry.record.reason = Some("unauthorized");
            strangers.close(entry, Outcome::Denied, recorder);
        }
        assert_eq!(strangers.lock().len(), MOST + 1, "the others are one");
        strangers.write(recorder, true);
        audit.close().unwrap();
        let text = fs::read_to_string(file).unwrap();
        let count = |line: &str| -> u64 {
            let word = line.split(' ').find_map(|it| it.strip_prefix("count="));
            word.map_or(1, |it| it.parse().unwrap())
        };
        assert_eq!(text.lines().map(count).sum::<u64>(), 2000, "{text}");
        assert_eq!(text.lines().count(), 2 * (MOST + 1), "{text}");
        let others: Vec<u64> = text.lines().filter(|it| it.contains(" source=- ")).map(count).collect();
        assert_eq!(others, [2 * (1000 - MOST as u64) - 1], "{text}");
    }
}
