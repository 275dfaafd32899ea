//! Tasks, and a count of the work that a shutdown waits for.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use tokio::{
    sync::{Notify, Semaphore},
    task::spawn_blocking,
};

use crate::base::capacity::Client;

/// Admits one piece of heavy work at a time, in the order of arrival: more threads than that would take the processor from
/// those that serve.
static HEAVY: Semaphore = Semaphore::const_new(1);

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

/// Runs work whose time grows with what a client sent or reads on a thread that serves nobody. Clients take turns.
/// `None` if it panics. Once begun it runs to its end, also when nobody waits for it any more.
pub async fn heavy<T: Send + 'static>(client: &Client, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let _of_client = client.heavy_turn().await;
    let turn = HEAVY.acquire().await.ok()?;
    let work = move || {
        let _turn = turn;
        work()
    };
    spawn_blocking(work).await.ok()
}

/// Runs a future whose single steps may be [`heavy`]: it is polled there while `is_heavy`, and here otherwise. What it
/// spawns runs on the current runtime either way.
pub async fn heavy_at_times<T: Send + 'static>(
    client: &Client,
    work: impl Future<Output = T> + Send + 'static,
    is_heavy: impl Fn() -> bool,
) -> Option<T> {
    let (mut work, woken) = (Box::pin(work), Arc::new(Woken::default()));
    let waker = Waker::from(Arc::clone(&woken));
    loop {
        let waker = waker.clone();
        let step = move || {
            let polled = work.as_mut().poll(&mut Context::from_waker(&waker));
            (work, polled)
        };
        let (rest, polled) = if is_heavy() { heavy(client, step).await? } else { step() };
        if let Poll::Ready(done) = polled {
            return Some(done);
        }
        work = rest;
        woken.0.notified().await;
    }
}

/// Remembers one wake-up until somebody waits for it.
#[derive(Default)]
struct Woken(Notify);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
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

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering::SeqCst},
            mpsc,
        },
        thread::{self, ThreadId},
    };

    use tokio::{sync::Mutex, task::yield_now};

    use crate::base::{
        capacity::Client,
        task::{heavy, heavy_at_times},
    };

    /// Held by each test, as the queue of heavy work is that of the process.
    static ALONE: Mutex<()> = Mutex::const_new(());

    fn client() -> Client {
        Client::Key(Arc::default())
    }

    fn here() -> ThreadId {
        thread::current().id()
    }

    #[tokio::test]
    async fn steps_run_elsewhere_while_they_are_heavy_and_what_they_spawn_runs_here() {
        let _alone = ALONE.lock().await;
        let is_heavy = Arc::new(AtomicBool::new(true));
        let flag = Arc::clone(&is_heavy);
        let work = async move {
            let first = here();
            #[expect(clippy::disallowed_methods, reason = "what the SDK of MCP does")]
            let spawned = tokio::spawn(async { here() }).await;
            flag.store(false, SeqCst);
            yield_now().await;
            (first, spawned.ok(), here())
        };
        let (first, spawned, last) = heavy_at_times(&client(), work, || is_heavy.load(SeqCst)).await.unwrap();
        assert_ne!(first, here());
        assert_eq!((spawned, last), (Some(here()), here()));
        assert_eq!(heavy(&client(), || panic!("a bug")).await, None::<()>);
    }

    #[tokio::test]
    async fn heavy_work_is_done_one_piece_at_a_time_and_ends_when_nobody_waits() {
        let _alone = ALONE.lock().await;
        let ((go, wait), (told, order)) = (mpsc::channel::<()>(), mpsc::channel());
        let (first, second) = (told.clone(), told);
        let abandoned = async {
            let work = move || {
                wait.recv().ok();
                first.send(1).ok();
            };
            let client = client();
            tokio::select! {
                biased;
                _ = heavy(&client, work) => {}
                () = yield_now() => {}
            }
        };
        abandoned.await;
        let next = client();
        let next = heavy(&next, move || second.send(2).ok());
        let (_, done) = tokio::join!(async { go.send(()).ok() }, next);
        assert!(done.is_some());
        assert_eq!(order.iter().collect::<Vec<_>>(), [1, 2]);
    }

    #[tokio::test]
    async fn clients_take_turns_however_much_work_one_of_them_has() {
        let _alone = ALONE.lock().await;
        let ((go, wait), (done, order)) = (mpsc::channel::<()>(), mpsc::channel());
        let [one, other] = [client(), client()];
        let piece = |client, number| {
            let done = done.clone();
            heavy(client, move || done.send(number).unwrap())
        };
        let first = heavy(&one, move || wait.recv().unwrap());
        // In the order in which they are asked for.
        let pieces = async { tokio::join!(biased; first, piece(&one, 1), piece(&one, 2), piece(&other, 3)) };
        tokio::join!(biased; pieces, async { go.send(()).unwrap() });
        assert_eq!(order.try_iter().collect::<Vec<_>>(), [3, 1, 2]);
    }
}
