//! From the first signal to the end: nothing new is accepted, what is in flight may finish, a second signal ends it.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch},
};

use crate::proxy::Worker;

/// Longest time that requests may take to finish.
const DRAIN: Duration = Duration::from_secs(30);

/// The workers of a running daemon.
#[derive(Debug)]
pub struct Running {
    workers: Vec<Arc<Worker>>,
    stop: watch::Sender<bool>,
    ended: mpsc::Receiver<()>,
    end: mpsc::Sender<()>,
}

/// A worker's side of it; dropped when its thread ends.
#[derive(Debug)]
pub struct Stop {
    asked: watch::Receiver<bool>,
    _ended: mpsc::Sender<()>,
}

impl Default for Running {
    fn default() -> Self {
        let (end, ended) = mpsc::channel(1);
        Self { workers: Vec::new(), stop: watch::Sender::new(false), ended, end }
    }
}

impl Running {
    /// Counts a worker in.
    pub fn add(&mut self, worker: &Arc<Worker>) {
        self.workers.push(Arc::clone(worker));
    }

    /// For one worker's thread.
    pub fn stop(&self) -> Stop {
        Stop { asked: self.stop.subscribe(), _ended: self.end.clone() }
    }

    /// Keeps `watch` running until a signal comes, then lets the workers finish.
    ///
    /// # Errors
    /// Signals cannot be caught.
    pub async fn until_signal(self, watch: impl Future<Output = ()>) -> io::Result<()> {
        let mut signals = Signals::new()?;
        tokio::select! {
            () = watch => {}
            () = signals.next() => {}
        }
        tracing::info!("stopping: requests in flight may finish; a second signal ends them");
        self.finish().await
    }

    /// Lets the workers finish; a signal, or too long a time, ends them.
    ///
    /// # Errors
    /// Signals cannot be caught.
    pub async fn finish(mut self) -> io::Result<()> {
        let mut signals = Signals::new()?;
        for worker in &self.workers {
            worker.draining.store(true, Ordering::Relaxed);
        }
        self.stop.send_replace(true);
        drop(self.end);
        tokio::select! {
            _ = self.ended.recv() => {}
            () = signals.next() => {}
            () = tokio::time::sleep(DRAIN) => tracing::warn!("requests are cut that did not finish in time"),
        }
        Ok(())
    }
}

impl Stop {
    /// Ready when the daemon should end.
    pub async fn requested(&mut self) {
        // The sender lives as long as the daemon; its end means the same.
        if self.asked.wait_for(|it| *it).await.is_err() {
            tracing::debug!("the daemon ended before it asked its workers to");
        }
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
