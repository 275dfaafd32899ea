//! A worker's share of the trail: its slots, and the lines that it closed. No other worker takes its lock.

use std::{
    fmt,
    ops::AddAssign,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    thread::Thread,
    time::Instant,
};

use crate::{
    audit::{
        chain::ChainKey,
        entry::Entry,
        error::{AuditError, Unavailable},
        journal::{Slot, Slots},
        observer::Observer,
        record::{Door, Record, RequestId},
        stamp::{Stamp, Stamps},
    },
    base::clock::Clock,
};

/// The writer is roused at once when one share has this many lines for it.
const MANY: usize = 256;

/// See [`Recorder::has_room_to_spare`].
const RESERVE: u64 = 64 << 20;

/// Opens records. One a worker; clones share it.
#[derive(Clone, Debug)]
pub struct Recorder {
    lane: Arc<Lane>,
}

impl Recorder {
    pub(crate) fn new(lane: Arc<Lane>) -> Self {
        Self { lane }
    }

    /// Takes a slot for one exchange or change.
    ///
    /// # Errors
    /// There is no record to be had, so what needs one must not go on.
    pub fn open(&self, door: Door, action: &'static str) -> Result<Entry, Unavailable> {
        self.lane.signals.expect_healthy()?;
        let started = Instant::now();
        let (slot, at, id) = self.lane.take(started)?;
        let record = Box::new(Record::new(id, (at, started), door, action));
        Ok(Entry::new(record, slot, Arc::clone(&self.lane)))
    }

    /// Opens a record that was folded once more, to write it.
    ///
    /// # Errors
    /// As [`Recorder::open`].
    pub fn reopen(&self, record: Box<Record>) -> Result<Entry, (Box<Record>, Unavailable)> {
        let taken = self.lane.signals.expect_healthy().and_then(|()| self.lane.take(record.opened));
        match taken {
            Ok((slot, ..)) => Ok(Entry::new(record, slot, Arc::clone(&self.lane))),
            Err(unavailable) => Err((record, unavailable)),
        }
    }

    /// Whether the disk of the log has more room left than is kept for lines that must be written: a twentieth of it, at
    /// most 64 MiB.
    pub fn has_room_to_spare(&self) -> bool {
        let Ok(disk) = rustix::fs::statvfs(&*self.lane.log) else { return true };
        let reserve = (disk.f_blocks.saturating_mul(disk.f_frsize) / 20).min(RESERVE);
        disk.f_bavail.saturating_mul(disk.f_frsize) >= reserve
    }

    /// How this share of the trail is used.
    pub fn load(&self) -> Load {
        self.lane.load()
    }

    /// Whether a line could not be written and still waits, so that no record can be opened.
    pub fn is_failing(&self) -> bool {
        self.lane.signals.expect_healthy().is_err()
    }
}

/// How one or several shares of the trail are used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Load {
    /// Records that can be open or unwritten at once.
    pub slots: u64,
    /// Those that are.
    pub used: u64,
    /// Lines of closed records that are not in the log yet.
    pub waiting: u64,
    /// Lines that are.
    pub written: u64,
}

impl AddAssign for Load {
    fn add_assign(&mut self, more: Self) {
        let Self { slots, used, waiting, written } = more;
        self.slots += slots;
        self.used += used;
        self.waiting += waiting;
        self.written += written;
    }
}

/// What the workers and the writer tell each other without a lock.
#[derive(Debug, Default)]
pub struct Signals {
    health: AtomicU8,
    /// The writer will look for lines by itself within milliseconds.
    awake: AtomicBool,
    closing: AtomicBool,
    writer: OnceLock<Thread>,
    observer: OnceLock<Arc<dyn Observer>>,
}

const HEALTHY: u8 = 0;
const FAILING: u8 = 1;
const CLOSED: u8 = 2;

impl Signals {
    pub(crate) fn expect_healthy(&self) -> Result<(), Unavailable> {
        match self.health.load(Ordering::Acquire) {
            HEALTHY => Ok(()),
            FAILING => Err(Unavailable::Failing),
            _ => Err(Unavailable::Closed),
        }
    }

    /// Returns whether that is news.
    pub(crate) fn set_failing(&self, failing: bool) -> bool {
        let (from, to) = if failing { (HEALTHY, FAILING) } else { (FAILING, HEALTHY) };
        self.health.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    pub(crate) fn set_writer(&self, writer: Thread) {
        self.writer.get_or_init(|| writer);
    }

    pub(crate) fn set_observer(&self, observer: Arc<dyn Observer>) {
        self.observer.get_or_init(|| observer);
    }

    /// No record is opened from now on.
    pub(crate) fn close(&self) {
        self.health.store(CLOSED, Ordering::Release);
        self.closing.store(true, Ordering::Release);
        self.rouse();
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    pub(crate) fn set_awake(&self, awake: bool) {
        self.awake.store(awake, Ordering::Release);
    }

    /// Costs a system call only if the writer sleeps for good, or has too much to do to sleep on.
    fn nudge(&self, waiting: usize) {
        let asleep = !self.awake.load(Ordering::Acquire) && !self.awake.swap(true, Ordering::AcqRel);
        if asleep || waiting == MANY {
            self.rouse();
        }
    }

    fn rouse(&self) {
        if let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }
}

/// A final line on its way to the log.
#[derive(Debug)]
pub struct Closed {
    /// Holds the line; free again once it is written.
    pub slot: Slot,
    /// The line, if it is too long for a slot.
    pub long: Option<Box<[u8]>>,
}

/// One worker's slots and lines.
pub struct Lane {
    pub(crate) slots: Slots,
    signals: Arc<Signals>,
    key: ChainKey,
    log: Arc<Path>,
    total: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Used last, taken first: few pages are touched.
    free: Vec<Slot>,
    closed: Vec<Closed>,
    stamps: Stamps,
    next_id: u64,
    /// Closed records that are not in the log, here or with the writer, and those that are.
    waiting: u64,
    written: u64,
}

impl Lane {
    pub(crate) fn new(
        mut slots: Slots,
        signals: Arc<Signals>,
        key: ChainKey,
        log: Arc<Path>,
    ) -> Result<Self, AuditError> {
        let mut random = [0; 8];
        aws_lc_rs::rand::fill(&mut random)?;
        let free = slots.take_all();
        let total = free.len();
        let next_id = u64::from_be_bytes(random);
        let closed = Vec::with_capacity(total);
        let state = State { free, closed, stamps: Stamps::new(), next_id, waiting: 0, written: 0 };
        Ok(Self { slots, signals, key, log, total, state: Mutex::new(state) })
    }

    /// What the MACs in its lines are made with.
    pub(crate) fn key(&self) -> &ChainKey {
        &self.key
    }

    /// Who is shown what ends.
    pub(crate) fn observer(&self) -> Option<&dyn Observer> {
        self.signals.observer.get().map(|it| &**it)
    }

    /// Takes back a slot that was never written.
    pub(crate) fn give_back(&self, slot: Slot) {
        self.slots.clear(&slot);
        self.lock().free.push(slot);
    }

    fn take(&self, now: Instant) -> Result<(Slot, Stamp, RequestId), Unavailable> {
        let mut state = self.lock();
        let slot = state.free.pop().ok_or(Unavailable::NoSlot)?;
        state.next_id = state.next_id.wrapping_add(1);
        Ok((slot, state.stamps.at(now, || Clock.now()), RequestId(scatter(state.next_id))))
    }

    pub(crate) fn close(&self, closed: Closed) {
        let mut state = self.lock();
        state.closed.push(closed);
        state.waiting += 1;
        let waiting = state.closed.len();
        drop(state);
        self.signals.nudge(waiting);
    }

    /// Moves the closed lines into `to`, in the order in which they were closed.
    pub(crate) fn collect(&self, to: &mut Vec<Closed>) {
        to.append(&mut self.lock().closed);
    }

    /// The line of a closed record.
    pub(crate) fn text<'a>(&'a self, closed: &'a Closed) -> &'a [u8] {
        closed.long.as_deref().unwrap_or_else(|| self.slots.text(&closed.slot))
    }

    /// Takes back the slots of lines that are in the log.
    pub(crate) fn release(&self, written: impl Iterator<Item = Slot>) {
        let mut state = self.lock();
        for slot in written {
            self.slots.clear(&slot);
            state.free.push(slot);
            state.waiting -= 1;
            state.written += 1;
        }
    }

    fn load(&self) -> Load {
        let state = self.lock();
        let (slots, free) = (self.total as u64, state.free.len() as u64);
        Load { slots, used: slots - free, waiting: state.waiting, written: state.written }
    }

    /// Whether no record is open and no line waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.lock().free.len() == self.total
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under the lock leaves it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").field("slots", &self.total).finish_non_exhaustive()
    }
}

/// Different numbers give different ones that look random (the last steps of `SplitMix64`).
fn scatter(number: u64) -> u64 {
    let mut mixed = number;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
