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
    base::{idle::Idle, task},
    http1::{Wire, scan::LONGEST_HEAD},
    http2::{Batched, incoming::into_io},
    upstream::{flight::Flight, tenant::PoolKey},
};

/// Most exchanges at once, whatever the origin server permits.
const MOST_STREAMS: usize = 100;
/// What one exchange may receive before somebody takes it: a far server can send no more in each round trip.
const STREAM_WINDOW: u32 = 512 << 10;
/// What all of them may. It bounds what a connection can hold, and a few whose receivers are slow do not hold up the
/// others of their caller.
const WINDOW: u32 = 12 << 20;
/// What one exchange may have waiting to be sent.
const MOST_UNSENT: usize = 32 * 1024;
/// Stands for the limit on streams that the origin server has not told yet. It cannot tell one as high.
const UNTOLD: usize = usize::MAX - 1;
/// How often the origin server may say something while there is no exchange that it could be about: enough for a ping
/// each second for as long as the connection is kept.
const MOST_UNASKED: u32 = 100;
/// How long a connection that nobody uses any more may take to say farewell.
const LONGEST_FAREWELL: Duration = Duration::from_secs(10);

/// Shared by the pool and by the exchanges on it. When the last of them lets go, it is closed.
pub struct Multiplexed {
    key: PoolKey,
    sender: SendRequest<Bytes>,
    load: Mutex<Load>,
    /// Not to be used for another exchange.
    retired: AtomicBool,
}

#[derive(Debug)]
struct Load {
    streams: usize,
    /// When it last changed.
    since: Instant,
}

impl Multiplexed {
    /// Takes a fresh connection over. `flight` ends when it is known how many exchanges it can bear.
    ///
    /// # Errors
    /// The connection has failed already.
    pub async fn start(wire: Wire, key: PoolKey, flight: Option<Flight>) -> Result<Arc<Self>, h2::Error> {
        let wire = Batched::new(wire);
        let (sender, connection) = builder().handshake(wire.clone()).await?;
        let load = Mutex::new(Load { streams: 0, since: Instant::now() });
        let shared = Arc::new(Self { key, sender, load, retired: AtomicBool::new(false) });
        task::spawn(Driver { connection, wire, shared: Arc::downgrade(&shared), flight, unasked: 0, farewell: None });
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

    /// Whether one more exchange would not have to wait for another to end.
    pub fn has_room(&self) -> bool {
        let most = match self.sender.current_max_send_streams() {
            UNTOLD => 1,
            told => told.min(MOST_STREAMS),
        };
        self.streams() < most
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
        *load = Load { streams: load.streams.saturating_sub(1), since: Instant::now() };
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

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(WINDOW)
        .initial_max_send_streams(UNTOLD)
        .max_header_list_size(u32::try_from(LONGEST_HEAD).unwrap_or(u32::MAX))
        .max_send_buffer_size(MOST_UNSENT)
        // The default would end the connection for a few receivers that are slow to take small frames, such as events.
        .data_frame_budget(4 * WINDOW as usize);
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
    farewell: Option<Idle>,
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
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
            Some(0) if self.unasked >= MOST_UNASKED => {
                tracing::debug!("an origin server talks without being asked: the connection is dropped");
                Poll::Ready(())
            }
            Some(0) => {
                self.unasked += 1;
                Poll::Pending
            }
            Some(_) => {
                self.unasked = 0;
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
