//! One HTTP/2 connection to an origin server, shared by the concurrent exchanges of one pool key.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use tokio::time::Instant;

use crate::{
    base::{
        capacity::{Most, Share},
        idle::Idle,
        task,
    },
    http1::Wire,
    http2::{Batched, incoming::into_io},
    upstream::{flight::Flight, tenant::PoolKey},
};

/// Most exchanges at once, whatever the origin server permits.
const MOST_STREAMS: usize = 100;
/// Bytes of an ample connection, from the caller's memory while an exchange is open on it: what the window admits, and what
/// the small frames that [`Windows::overhead`] admits take beside their bytes.
const AMPLE: usize = 8 << 20;
/// Bytes of the ample connections of all callers, and of each. A caller's other connections are lean.
const MOST_AMPLE: Most = Most { all: 256 << 20, each: 64 << 20 };
/// What one exchange of an ample connection may receive before somebody takes it, once it has proved to be long: a far
/// server can send no more in each round trip.
const WIDE: u32 = 256 << 10;
/// Exchanges at once on a lean connection.
const MOST_LEAN_STREAMS: usize = 4;
/// What one exchange may have waiting to be sent.
const MOST_UNSENT: usize = 32 * 1024;
/// Stands for the limit on streams that the origin server has not told yet. It cannot tell one as high.
const UNTOLD: usize = usize::MAX - 1;
/// How often the origin server may say something while there is no exchange that it could be about: enough for a ping
/// each second for as long as the connection is kept.
const MOST_UNASKED: u32 = 100;
/// Bytes that it may send meanwhile: more than its window, since what was given up may still be on its way.
const MOST_UNASKED_BYTES: u64 = 4 << 20;
/// How long a connection that nobody uses any more may take to say farewell.
const LONGEST_FAREWELL: Duration = Duration::from_secs(10);

/// What an origin server may send before somebody takes it.
#[derive(Clone, Copy, Debug)]
struct Windows {
    /// Bytes of one exchange, at first.
    stream: u32,
    /// Bytes of all exchanges of a connection. A few slow receivers do not hold up the others of their caller.
    connection: u32,
    /// Bytes by which all waiting frames together may fall short of 256 each. The memory for such a frame is about 400.
    overhead: usize,
}

const AMPLE_WINDOWS: Windows = Windows { stream: 64 << 10, connection: 2 << 20, overhead: 4 << 20 };
const LEAN_WINDOWS: Windows = Windows { stream: 32 << 10, connection: 128 << 10, overhead: 96 << 10 };

/// Shared by the pool and by the exchanges on it. When the last of them lets go, it is closed.
pub struct Multiplexed {
    key: PoolKey,
    sender: SendRequest<Bytes>,
    load: Mutex<Load>,
    /// Not to be used for another exchange.
    retired: AtomicBool,
    is_ample: bool,
    /// An exchange has proved to be long.
    widened: AtomicBool,
}

#[derive(Debug)]
struct Load {
    streams: usize,
    /// Of the memory for windows; empty while there is no exchange, and on a lean connection.
    share: Share,
    /// When it last changed.
    since: Instant,
}

impl Multiplexed {
    /// Takes a fresh connection over. `flight` ends when it is known how many exchanges it can bear. What the origin server
    /// may send unread is taken from `share`, as far as there is room. It is told that a head has at most `longest_head` bytes
    /// of fields, as RFC 9113 section 6.5.2 counts them.
    ///
    /// # Errors
    /// The connection has failed already.
    pub async fn start(
        wire: Wire,
        key: PoolKey,
        flight: Option<Flight>,
        mut share: Share,
        longest_head: usize,
    ) -> Result<Arc<Self>, h2::Error> {
        let wire = Batched::new(wire);
        let is_ample = share.add(AMPLE, MOST_AMPLE).is_ok();
        let windows = if is_ample { AMPLE_WINDOWS } else { LEAN_WINDOWS };
        let (sender, connection) = builder(windows, longest_head).handshake(wire.clone()).await?;
        let load = Mutex::new(Load { streams: 0, share, since: Instant::now() });
        let [retired, widened] = [false, false].map(AtomicBool::new);
        let shared = Arc::new(Self { key, sender, load, retired, is_ample, widened });
        let is_wide = !is_ample;
        let driven = Arc::downgrade(&shared);
        task::spawn(Driver { connection, wire, shared: driven, flight, unasked: 0, asked: 0, farewell: None, is_wide });
        Ok(shared)
    }

    /// Where it leads, and whose requests go over it.
    pub fn key(&self) -> &PoolKey {
        &self.key
    }

    /// What a new exchange begins with; `None` when the connection has ended, or soon will.
    pub fn sender(&self) -> Option<SendRequest<Bytes>> {
        let mut sender = self.sender.clone();
        let ready = sender.poll_ready(&mut Context::from_waker(Waker::noop()));
        (matches!(ready, Poll::Ready(Ok(()))) && !self.retired.load(Ordering::Relaxed)).then_some(sender)
    }

    /// Whether it can still be used.
    pub fn is_alive(&self) -> bool {
        self.sender().is_some()
    }

    /// Exchanges on it now.
    pub fn streams(&self) -> usize {
        self.lock().streams
    }

    /// Whether one more exchange would not have to wait for another to end. An ample connection that nobody uses and for
    /// which there is no memory any more is not used again.
    pub fn has_room(&self) -> bool {
        let most = match self.sender.current_max_send_streams() {
            UNTOLD => 1,
            told if self.is_ample => told.min(MOST_STREAMS),
            told => told.min(MOST_LEAN_STREAMS),
        };
        let mut load = self.lock();
        if load.streams >= most {
            return false;
        }
        if self.is_ample && load.share.units() == 0 && load.share.add(AMPLE, MOST_AMPLE).is_err() {
            self.retire();
            return false;
        }
        true
    }

    /// An exchange has received much in large frames: those on this connection may receive more at once.
    pub fn widen(&self) {
        self.widened.store(true, Ordering::Relaxed);
    }

    /// How long nobody has used it.
    pub fn idle(&self) -> Option<Duration> {
        let load = self.lock();
        (load.streams == 0).then(|| load.since.elapsed())
    }

    /// From now on it is not used for another exchange.
    pub fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
    }

    /// An exchange begins.
    pub fn enter(&self) {
        self.lock().streams += 1;
    }

    /// An exchange has ended.
    pub fn leave(&self) {
        let mut load = self.lock();
        load.streams = load.streams.saturating_sub(1);
        load.since = Instant::now();
        if load.streams == 0 {
            load.share.clear();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Load> {
        self.load.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Multiplexed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Multiplexed").field("key", &self.key).field("load", &self.load).finish_non_exhaustive()
    }
}

fn builder(windows: Windows, longest_head: usize) -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(windows.stream)
        .initial_connection_window_size(windows.connection)
        .initial_max_send_streams(UNTOLD)
        .max_header_list_size(u32::try_from(longest_head).unwrap_or(u32::MAX))
        .max_send_buffer_size(MOST_UNSENT)
        // The default would end the connection for a few receivers that are slow to take small frames, such as events.
        .data_frame_budget(windows.overhead);
    builder
}

/// The task that reads and writes the connection for all its exchanges.
struct Driver {
    connection: Connection<Batched, Bytes>,
    wire: Batched,
    shared: Weak<Multiplexed>,
    flight: Option<Flight>,
    /// How often in a row it was woken without an exchange.
    unasked: u32,
    /// Bytes that had moved when there last was an exchange.
    asked: u64,
    farewell: Option<Idle>,
    /// Whether its exchanges may receive as much at once as they ever may.
    is_wide: bool,
}

impl Driver {
    fn widen(&mut self) {
        let asked = self.shared.upgrade().is_some_and(|it| it.widened.load(Ordering::Relaxed));
        // Fails while the origin server has not taken the settings of the start; the next poll tries again.
        if asked && !self.is_wide && self.connection.set_initial_window_size(WIDE).is_ok() {
            self.is_wide = true;
        }
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.widen();
        let polled = Pin::new(&mut self.connection).poll(cx);
        if self.connection.max_concurrent_send_streams() != UNTOLD {
            self.flight = None;
        }
        if let Poll::Ready(ended) = polled {
            if let Err(error) = ended {
                let error = into_io(error);
                tracing::debug!(%error, "a connection to an origin server failed");
            }
            return Poll::Ready(());
        }
        self.wire.send(cx);
        let streams = self.shared.upgrade().map(|it| it.streams());
        match streams {
            Some(0) if self.unasked >= MOST_UNASKED || self.wire.moved() - self.asked > MOST_UNASKED_BYTES => {
                tracing::debug!("an origin server talks without being asked: the connection is dropped");
                Poll::Ready(())
            }
            Some(0) => {
                self.unasked += 1;
                Poll::Pending
            }
            Some(_) => {
                (self.unasked, self.asked) = (0, self.wire.moved());
                Poll::Pending
            }
            // A peer that takes no farewell is not waited for.
            None => {
                let farewell = self.farewell.get_or_insert_with(|| Idle::new(LONGEST_FAREWELL));
                ready!(farewell.poll_over(cx));
                Poll::Ready(())
            }
        }
    }
}
