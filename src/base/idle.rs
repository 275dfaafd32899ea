//! A deadline that moves with every sign of life and costs nothing while it does.

use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// Ends when nothing has been seen for a while. A sign of life costs nothing: the clock is read when somebody next waits,
/// and the timer itself is set again only when it fires too early.
#[derive(Debug)]
pub struct Idle {
    limit: Duration,
    /// `None` from a sign of life on, until somebody waits.
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Idle {
    /// Counts from when somebody first waits.
    pub fn new(limit: Duration) -> Self {
        Self { limit, since: None, timer: None }
    }

    /// Something moved.
    pub fn touch(&mut self) {
        self.since = None;
    }

    /// Counts anew, to another limit.
    pub fn restart(&mut self, limit: Duration) {
        self.limit = limit;
        self.since = None;
    }

    /// Ready when the limit has passed since the last sign of life.
    pub fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let end = *self.since.get_or_insert_with(Instant::now) + self.limit;
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
            // Set for a longer wait, it would fire too late.
            if timer.deadline() > end {
                timer.as_mut().reset(end);
            }
            std::task::ready!(timer.as_mut().poll(cx));
            if Instant::now() >= end {
                self.timer = None;
                return Poll::Ready(());
            }
            timer.as_mut().reset(end);
        }
    }
}
