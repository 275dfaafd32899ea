//! From the first signal to the end: nothing new is accepted, what is in flight may finish, a second signal ends it.

use std::{
    io::{self, IsTerminal as _},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch},
    time::MissedTickBehavior,
};

use crate::{
    app::upkeep::{LOOK, Upkeep},
    proxy::Worker,
};

/// Longest time that requests may take to finish.
const DRAIN: Duration = Duration::from_secs(30);
/// Longest time until the workers have written down what they cut.
const CUT: Duration = Duration::from_secs(5);

/// What the workers are asked to do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Phase {
    Serve,
    Drain,
    Cut,
}

/// The workers of a running daemon.
#[derive(Debug)]
pub struct Running {
    workers: Vec<Arc<Worker>>,
    phase: watch::Sender<Phase>,
    ended: mpsc::Receiver<()>,
    end: mpsc::Sender<()>,
    signals: Signals,
}

/// A worker's side of it; dropped when its thread ends.
#[derive(Clone, Debug)]
pub struct Stop {
    phase: watch::Receiver<Phase>,
    _ended: mpsc::Sender<()>,
}

impl Running {
    /// Without workers yet. To be called on the runtime that will wait for signals; they are caught from now on.
    ///
    /// # Errors
    /// Signals cannot be caught.
    pub fn new() -> io::Result<Self> {
        let (end, ended) = mpsc::channel(1);
        Ok(Self { workers: Vec::new(), phase: watch::Sender::new(Phase::Serve), ended, end, signals: Signals::new()? })
    }

    /// Counts a worker in.
    pub fn add(&mut self, worker: &Arc<Worker>) {
        self.workers.push(Arc::clone(worker));
    }

    /// For one worker's thread.
    pub fn stop(&self) -> Stop {
        Stop { phase: self.phase.subscribe(), _ended: self.end.clone() }
    }

    /// Keeps things up until a signal says to end.
    pub async fn until_signal(&mut self, upkeep: &mut Upkeep<'_>) {
        // Goes on beside the signals: many of them must not keep it from looking.
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                asked = self.signals.next() => match asked {
                    Asked::Stop => break,
                    Asked::Reload => upkeep.take_all_up(),
                },
                _ = looks.tick() => upkeep.look(),
            }
        }
        tracing::info!("stopping: requests in flight may finish; a second signal ends them");
    }

    /// Lets the workers finish; a signal, or too long a time, has them cut what has not.
    pub async fn finish(mut self) {
        for worker in &self.workers {
            worker.draining.store(true, Ordering::Relaxed);
        }
        self.phase.send_replace(Phase::Drain);
        drop(self.end);
        tokio::select! {
            _ = self.ended.recv() => return,
            () = self.signals.stop() => {}
            () = tokio::time::sleep(DRAIN) => tracing::warn!("requests are cut that did not finish in time"),
        }
        self.phase.send_replace(Phase::Cut);
        if tokio::time::timeout(CUT, self.ended.recv()).await.is_err() {
            tracing::warn!("a worker does not end");
        }
    }
}

impl Stop {
    /// Ready when the daemon should end.
    pub async fn requested(&mut self) {
        self.reached(Phase::Drain).await;
    }

    /// Ready when it ends, whatever is in flight.
    pub async fn cut(&mut self) {
        self.reached(Phase::Cut).await;
    }

    async fn reached(&mut self, phase: Phase) {
        // The sender lives as long as the daemon; its end means the same.
        if self.phase.wait_for(|it| *it >= phase).await.is_err() {
            tracing::debug!("the daemon ended before it asked its workers to");
        }
    }
}

/// What the system tells a process. From the first of these on no signal ends it by itself.
#[derive(Debug)]
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// Whether somebody sits in front of it.
    on_terminal: bool,
}

/// What a signal asks for.
enum Asked {
    Stop,
    Reload,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            on_terminal: io::stdin().is_terminal(),
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hangup.recv() => self.hung_up(),
        }
    }

    async fn stop(&mut self) {
        while !matches!(self.next().await, Asked::Stop) {}
    }

    /// SIGHUP is sent to reload, and by the system when a terminal is closed, which then is none any longer.
    fn hung_up(&self) -> Asked {
        if self.on_terminal && !io::stdin().is_terminal() { Asked::Stop } else { Asked::Reload }
    }
}
