//! What is going on in one worker, so that taking a right away ends what still uses it.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use crate::{base::target::Origin, exchange::snapshot::Known, identity::Holder};

/// The exchanges and tunnels of one worker. Its lock is taken by that worker alone.
#[derive(Clone, Default)]
pub struct Live(Arc<Mutex<Places>>);

/// One exchange or tunnel, from [`Live::enter`] until it is dropped.
#[derive(Debug)]
pub struct Ticket {
    live: Live,
    at: usize,
}

/// Looks at a ticket that another holds. Once that is over, nothing is ever revoked.
#[derive(Clone, Debug)]
pub struct Watch {
    live: Live,
    at: usize,
    turn: u64,
}

/// What is used, and must still be allowed.
#[derive(Clone, Debug, Default)]
pub struct Rights {
    /// The key; none of a caller that needs none.
    pub holder: Option<Arc<Holder>>,
    /// The credential; none where a request goes out as it came.
    pub known: Option<Arc<Known>>,
    /// Where the credential goes, and must still be bound to.
    pub origin: Option<Arc<Origin>>,
}

#[derive(Default)]
struct Places {
    all: Vec<Place>,
    free: Vec<usize>,
}

#[derive(Default)]
struct Place {
    /// Counts the tickets that had this place.
    turn: u64,
    rights: Rights,
    revoked: bool,
    waker: Option<Waker>,
}

impl Live {
    /// A ticket that nothing can revoke until it says what it uses.
    pub fn enter(&self) -> Ticket {
        let mut places = self.lock();
        let at = places.free.pop().unwrap_or_else(|| {
            places.all.push(Place::default());
            places.all.len() - 1
        });
        Ticket { live: self.clone(), at }
    }

    /// Ends all that `upholds` does not allow any longer.
    pub fn sweep(&self, upholds: impl Fn(&Rights) -> bool) {
        for place in &mut self.lock().all {
            if !place.revoked && !upholds(&place.rights) {
                place.revoked = true;
                if let Some(waker) = place.waker.take() {
                    waker.wake();
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        // Nothing that is done under the lock leaves it half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// Says what is used.
    pub fn uses(&self, rights: Rights) {
        self.live.lock().all[self.at].rights = rights;
    }

    /// Ready once a right was taken away; wakes the task that asks.
    pub fn poll_revoked(&self, cx: &Context<'_>) -> Poll<()> {
        poll(&mut self.live.lock().all[self.at], cx)
    }

    /// Whether a right was taken away.
    pub fn is_revoked(&self) -> bool {
        self.live.lock().all[self.at].revoked
    }

    /// For somebody else of the same task.
    pub fn watch(&self) -> Watch {
        Watch { live: self.live.clone(), at: self.at, turn: self.live.lock().all[self.at].turn }
    }
}

impl Watch {
    /// As [`Ticket::poll_revoked`].
    pub fn poll_revoked(&self, cx: &Context<'_>) -> Poll<()> {
        let place = &mut self.live.lock().all[self.at];
        if place.turn == self.turn { poll(place, cx) } else { Poll::Pending }
    }
}

fn poll(place: &mut Place, cx: &Context<'_>) -> Poll<()> {
    if place.revoked {
        return Poll::Ready(());
    }
    match &mut place.waker {
        Some(waker) => waker.clone_from(cx.waker()),
        empty @ None => *empty = Some(cx.waker().clone()),
    }
    Poll::Pending
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut places = self.live.lock();
        let place = &mut places.all[self.at];
        *place = Place { turn: place.turn + 1, ..Place::default() };
        places.free.push(self.at);
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use crate::exchange::live::Live;

    #[test]
    fn a_sweep_ends_what_has_lost_its_right_and_nothing_later() {
        let (live, cx) = (Live::default(), Context::from_waker(Waker::noop()));
        let first = live.enter();
        let watch = first.watch();
        assert_eq!((first.poll_revoked(&cx), watch.poll_revoked(&cx)), (Poll::Pending, Poll::Pending));
        live.sweep(|_| true);
        assert!(!first.is_revoked());
        live.sweep(|_| false);
        assert_eq!((first.poll_revoked(&cx), watch.poll_revoked(&cx)), (Poll::Ready(()), Poll::Ready(())));
        drop(first);
        let second = live.enter();
        assert_eq!((second.poll_revoked(&cx), watch.poll_revoked(&cx)), (Poll::Pending, Poll::Pending));
        live.sweep(|_| false);
        assert_eq!(watch.poll_revoked(&cx), Poll::Pending, "the ticket it watched is over");
    }
}
