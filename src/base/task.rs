//! Tasks, and a count of the work that a shutdown waits for.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
};

use tokio::sync::Notify;

/// Runs a future on the current runtime. It is polled where it is given: not wrapped in an `async` block, which
/// would hold it twice.
#[expect(clippy::disallowed_methods, reason = "this is the one place that spawns")]
pub fn spawn(work: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(work));
}

/// What this comes to; nothing if it panics. A panic in one piece of work then ends no other.
pub async fn caught<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx)));
        polled.map_or(Poll::Ready(None), |it| it.map(Some))
    })
    .await
}

/// How much is being worked on. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct InFlight(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    count: AtomicUsize,
    none: Notify,
}

/// One piece of work, from [`InFlight::enter`] until it is dropped.
#[derive(Debug)]
pub struct Piece(InFlight);

impl InFlight {
    /// Counts one more.
    pub fn enter(&self) -> Piece {
        self.0.count.fetch_add(1, Ordering::AcqRel);
        Piece(self.clone())
    }

    /// How many there are now.
    pub fn count(&self) -> usize {
        self.0.count.load(Ordering::Acquire)
    }

    /// Waits until there is none.
    pub async fn finished(&self) {
        loop {
            let none = self.0.none.notified();
            if self.count() == 0 {
                return;
            }
            none.await;
        }
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        if self.0.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.0.none.notify_waiters();
        }
    }
}
