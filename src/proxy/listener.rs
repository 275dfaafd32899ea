//! Accepts connections and gives each to the worker with the fewest.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

use crate::{
    base::task,
    proxy::{Peer, Worker, session},
};

/// Wait after an accept that failed for want of descriptors or memory, so that it does not spin.
const PAUSE: Duration = Duration::from_millis(50);

type Accepted = (std::net::TcpStream, Peer);

/// Where the listener leaves connections for another worker.
#[derive(Debug)]
pub struct Handover {
    worker: Arc<Worker>,
    send: UnboundedSender<Accepted>,
}

/// Where a worker finds them.
#[derive(Debug)]
pub struct Inbox(UnboundedReceiver<Accepted>);

/// Connects a listener to a worker on another thread.
pub fn handover(worker: Arc<Worker>) -> (Handover, Inbox) {
    let (send, receive) = unbounded_channel();
    (Handover { worker, send }, Inbox(receive))
}

/// Serves what other threads accept, until the listener is gone.
pub async fn receive(worker: Arc<Worker>, mut inbox: Inbox) {
    while let Some((stream, peer)) = inbox.0.recv().await {
        match TcpStream::from_std(stream) {
            Ok(stream) => task::spawn(session::serve(Arc::clone(&worker), stream, peer)),
            Err(error) => tracing::warn!(%error, "a connection could not be taken over"),
        }
    }
}

/// Accepts on this worker's thread until it is dropped. Connections of its own make no hop.
pub async fn listen(listener: TcpListener, own: Arc<Worker>, others: Vec<Handover>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if let Err(error) = give(stream, Peer::Tcp(peer), &own, &others) {
                    tracing::debug!(%error, "a connection ended before it began");
                }
            }
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted now");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn give(stream: TcpStream, peer: Peer, own: &Arc<Worker>, others: &[Handover]) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let freest = others.iter().min_by_key(|it| it.worker.connections.count());
    match freest.filter(|it| it.worker.connections.count() < own.connections.count()) {
        None => task::spawn(session::serve(Arc::clone(own), stream, peer)),
        Some(other) => other.send.send((stream.into_std()?, peer)).map_err(io::Error::other)?,
    }
    Ok(())
}
