//! Accepts connections and gives each to the worker with the fewest.

use std::{io, os::fd::OwnedFd, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

use crate::{
    base::task,
    http1::wire::Stream,
    proxy::{
        Peer, Worker, session,
        socket::{Door, SocketFile},
    },
};

/// Wait after an accept that failed for want of descriptors or memory, so that it does not spin.
const PAUSE: Duration = Duration::from_millis(50);

/// Where clients come in.
#[derive(Debug)]
pub struct Listeners {
    tcp: TcpListener,
    // The file goes before its listener.
    unix: Option<(SocketFile, UnixListener)>,
}

/// A connection that no runtime has yet.
type Handed = (OwnedFd, Peer);

/// Where the listener leaves connections for another worker.
#[derive(Debug)]
pub struct Handover {
    worker: Arc<Worker>,
    send: UnboundedSender<Handed>,
}

/// Where a worker finds them.
#[derive(Debug)]
pub struct Inbox(UnboundedReceiver<Handed>);

impl Listeners {
    /// To be called on the runtime that will listen.
    ///
    /// # Errors
    /// The runtime refuses.
    pub fn new(tcp: std::net::TcpListener, unix: Option<Door>) -> io::Result<Self> {
        Ok(Self { tcp: TcpListener::from_std(tcp)?, unix: unix.map(Door::open).transpose()? })
    }

    async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match &self.unix {
            None => accept_tcp(&self.tcp).await,
            Some((_, unix)) => tokio::select! {
                it = accept_tcp(&self.tcp) => it,
                it = unix.accept() => Ok((Stream::Unix(it?.0), Peer::Socket)),
            },
        }
    }
}

async fn accept_tcp(listener: &TcpListener) -> io::Result<(Stream, Peer)> {
    let (stream, peer) = listener.accept().await?;
    Ok((Stream::Tcp(stream), Peer::Tcp(peer)))
}

/// Connects a listener to a worker on another thread.
pub fn handover(worker: Arc<Worker>) -> (Handover, Inbox) {
    let (send, receive) = unbounded_channel();
    (Handover { worker, send }, Inbox(receive))
}

/// Serves what other threads accept, until the listener is gone.
pub async fn receive(worker: Arc<Worker>, mut inbox: Inbox) {
    while let Some(handed) = inbox.0.recv().await {
        match enter(handed) {
            Ok((stream, peer)) => task::spawn(session::serve(Arc::clone(&worker), stream, peer)),
            Err(error) => tracing::warn!(%error, "a connection could not be taken over"),
        }
    }
}

/// Accepts on this worker's thread until it is dropped. Connections of its own make no hop.
pub async fn listen(listeners: Listeners, own: Arc<Worker>, others: Vec<Handover>) {
    loop {
        match listeners.accept().await {
            Ok((stream, peer)) => {
                if let Err(error) = give(stream, peer, &own, &others) {
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

fn give(stream: Stream, peer: Peer, own: &Arc<Worker>, others: &[Handover]) -> io::Result<()> {
    if let Stream::Tcp(tcp) = &stream {
        tcp.set_nodelay(true)?;
    }
    let freest = others.iter().min_by_key(|it| it.worker.connections.count());
    match freest.filter(|it| it.worker.connections.count() < own.connections.count()) {
        None => task::spawn(session::serve(Arc::clone(own), stream, peer)),
        Some(other) => other.send.send((leave(stream)?, peer)).map_err(io::Error::other)?,
    }
    Ok(())
}

/// Out of the runtime that accepted it.
fn leave(stream: Stream) -> io::Result<OwnedFd> {
    Ok(match stream {
        Stream::Tcp(it) => it.into_std()?.into(),
        Stream::Unix(it) => it.into_std()?.into(),
    })
}

/// Into the runtime that serves it.
fn enter((connection, peer): Handed) -> io::Result<(Stream, Peer)> {
    let stream = match peer {
        Peer::Tcp(_) => Stream::Tcp(TcpStream::from_std(connection.into())?),
        Peer::Socket => Stream::Unix(UnixStream::from_std(connection.into())?),
    };
    Ok((stream, peer))
}
