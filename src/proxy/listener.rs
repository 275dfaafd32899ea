//! Accepts connections and gives each to the worker with the fewest.

use std::{fmt, io, os::fd::OwnedFd, pin::pin, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::Instant,
};

use crate::{
    base::{
        capacity::{Capacity, Client, Most, Network, Resource, Share},
        peer::Peer,
        task::{self, InFlight},
    },
    exchange::Refusal,
    http1::wire::{Stream, prepare},
    proxy::{
        Worker, session,
        socket::{Door, SocketFile},
        turn_away::{turn_away, turn_away_at_once},
    },
};

/// Wait after an accept that failed for want of descriptors or memory, so that it does not spin.
const PAUSE: Duration = Duration::from_millis(50);
/// Most clients without room whose question is waited for.
const MOST_TOLD: usize = 256;
/// Between two lines of the log about it.
const MINUTE: Duration = Duration::from_mins(1);

/// Where clients come in.
#[derive(Debug)]
pub struct Listeners {
    tcp: TcpListener,
    // The file goes before its listener.
    unix: Option<(SocketFile, UnixListener)>,
}

/// A connection that no runtime has yet.
type Handed = (OwnedFd, Peer, Share);

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

    /// The next one that waits, if any does.
    async fn accept_at_once(&self) -> Option<io::Result<(Stream, Peer)>> {
        tokio::select! {
            biased;
            it = self.accept() => Some(it),
            () = std::future::ready(()) => None,
        }
    }

    async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match &self.unix {
            None => accept_tcp(&self.tcp).await,
            Some((_, unix)) => tokio::select! {
                it = accept_tcp(&self.tcp) => it,
                it = accept_unix(unix) => it,
            },
        }
    }
}

async fn accept_tcp(listener: &TcpListener) -> io::Result<(Stream, Peer)> {
    let (stream, peer) = listener.accept().await?;
    Ok((Stream::Tcp(stream), Peer::Tcp(peer)))
}

async fn accept_unix(listener: &UnixListener) -> io::Result<(Stream, Peer)> {
    let (stream, _) = listener.accept().await?;
    // A client whose user the system does not name shares its limits with all such clients.
    let user = stream.peer_cred().map_or(u32::MAX, |it| it.uid());
    Ok((Stream::Unix(stream), Peer::Unix(user)))
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
            Ok((stream, peer, share)) => task::spawn(session::serve(Arc::clone(&worker), stream, peer, share)),
            Err(error) => tracing::warn!(%error, "a connection could not be taken over"),
        }
    }
}

/// Accepts on this worker's thread until `stop` is ready. Connections of its own make no hop.
pub async fn listen(listeners: Listeners, own: Arc<Worker>, others: Vec<Handover>, stop: impl Future<Output = ()>) {
    let (capacity, turned_away) = (Capacity::new(Resource::Connections), InFlight::default());
    let mut reception = Reception { own, others, capacity, turned_away, told: None };
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            it = listeners.accept() => it,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, peer)) => reception.receive(stream, peer),
            Err(error) => {
                reception.tell(&error);
                reception.make_room();
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    // The system has connected these already, and they may have asked.
    while let Some(Ok((stream, peer))) = listeners.accept_at_once().await {
        reception.receive(stream, peer);
    }
}

/// Where a connection goes that was accepted.
struct Reception {
    own: Arc<Worker>,
    others: Vec<Handover>,
    capacity: Arc<Capacity>,
    /// Connections over the limit, waiting for a request to answer with 503.
    turned_away: InFlight,
    /// When the log was last told that there is no room.
    told: Option<Instant>,
}

impl Reception {
    fn receive(&mut self, stream: Stream, peer: Peer) {
        let most = self.own.config.load().limits.connections;
        let given = match self.capacity.take(Client::Network(Network::of(Some(peer))), most) {
            Ok(share) => self.give(stream, peer, share),
            Err(full) => {
                self.tell(&full);
                self.turn_away(stream, full.into(), most);
                return;
            }
        };
        if let Err(error) = given {
            tracing::debug!(%error, "a connection ended before it began");
        }
    }

    fn give(&self, stream: Stream, peer: Peer, share: Share) -> io::Result<()> {
        if let Stream::Tcp(tcp) = &stream {
            prepare(tcp)?;
        }
        let freest = self.others.iter().min_by_key(|it| it.worker.connections.count());
        match freest.filter(|it| it.worker.connections.count() < self.own.connections.count()) {
            None => task::spawn(session::serve(Arc::clone(&self.own), stream, peer, share)),
            Some(other) => other.send.send((leave(stream)?, peer, share)).map_err(io::Error::other)?,
        }
        Ok(())
    }

    /// Waits with a few for their question; who floods us shall not choose how many that are.
    fn turn_away(&self, stream: Stream, refusal: Refusal, most: Most) {
        self.own.exchange.metrics().refused(&refusal);
        if self.turned_away.count() <= MOST_TOLD.min(most.all / 4) {
            let counted = self.turned_away.enter();
            task::spawn(turn_away(Arc::clone(&self.own), stream, refusal, counted));
        } else {
            turn_away_at_once(&stream, &refusal);
        }
    }

    /// Connections that wait for a request hold descriptors, too.
    fn make_room(&self) {
        let others = self.others.iter().map(|it| &it.worker);
        others.chain([&self.own]).for_each(|it| it.exchange.close_idle());
    }

    /// Says in the log why clients are not taken, but not of each.
    fn tell(&mut self, why: &dyn fmt::Display) {
        let now = Instant::now();
        if self.told.is_none_or(|last| now - last >= MINUTE) {
            self.told = Some(now);
            tracing::warn!(%why, "clients are turned away; this is said once a minute, /metrics counts them");
        }
    }
}

/// Out of the runtime that accepted it.
fn leave(stream: Stream) -> io::Result<OwnedFd> {
    Ok(match stream {
        Stream::Tcp(it) => it.into_std()?.into(),
        Stream::Unix(it) => it.into_std()?.into(),
    })
}

/// Into the runtime that serves it.
fn enter((connection, peer, share): Handed) -> io::Result<(Stream, Peer, Share)> {
    let stream = match peer {
        Peer::Tcp(_) => Stream::Tcp(TcpStream::from_std(connection.into())?),
        Peer::Unix(_) => Stream::Unix(UnixStream::from_std(connection.into())?),
    };
    Ok((stream, peer, share))
}
