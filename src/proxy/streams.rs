//! A tunnel whose client speaks HTTP/2: its requests come side by side, each a stream with a task of its own.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use h2::{Reason, RecvStream, server};
use http::{Method, Request};
use http_body::Body as _;

use crate::{
    base::{
        body::{Body, BodyError},
        capacity::{Client, Network},
        head::{Framing, RequestHead},
        head_memory::hold,
        idle::Idle,
        peer::Peer,
        silence::is_grpc,
        target::Target,
        task::{self, InFlight, Piece},
    },
    exchange::{Caller, Door, Inbound, Refusal, Reply, key_in},
    http1::{Wire, connection::MOST_FORGOTTEN, send::SendError},
    http2::{Batched, Incoming, heads, watch::Rejected},
    identity::{Presented, PresentedKey},
    proxy::{
        Limits, Worker, classify,
        dispatch::unless_revoked,
        session::{Counted, PARTING, Tunnel},
        way_back::Respond,
    },
};

/// What a client may send of one stream before it is taken, in bytes.
const WINDOW: u32 = 65_536;
/// The same of all streams of a connection together.
const WINDOWS: u32 = 1 << 20;
/// Bytes by which all frames of a connection that wait for somebody to take them may fall short of 256 each: each takes
/// memory beside its bytes.
const OVERHEAD: usize = 192 << 10;
/// Most bytes of one stream that wait for the client to take them.
const WAITING: usize = 32_768;
/// How many more requests a client may give up than it lets us answer. Opening and resetting streams is cheap for it, and
/// not for us (CVE-2023-44487).
const MOST_ABANDONED: usize = 200;
/// Longest time for which a connection on which something is always going on is not told that the server will end.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest time that the last frames may take to leave, the rest of a request to come, or the client to end its side.
const LINGER: Duration = Duration::from_secs(2);

type Served = server::Connection<Batched, Bytes>;

/// What the streams of one connection share.
#[derive(Debug)]
pub(crate) struct Streams {
    worker: Arc<Worker>,
    peer: Peer,
    tunnel: Tunnel,
    open: InFlight,
    abandoned: AtomicUsize,
    _counted: Counted,
}

impl Streams {
    pub(crate) fn new(worker: Arc<Worker>, peer: Peer, tunnel: Tunnel, counted: Counted) -> Arc<Self> {
        let (open, abandoned) = (InFlight::default(), AtomicUsize::new(0));
        Arc::new(Self { worker, peer, tunnel, open, abandoned, _counted: counted })
    }

    /// Serves the connection until it ends.
    pub(crate) async fn serve(self: Arc<Self>, wire: Wire) {
        let limits = self.worker.config.load().limits;
        let wire = Batched::of_client(wire);
        let mut beginning = pin!(builder(&limits).handshake(wire.clone()));
        let beginning = poll_fn(|cx| {
            let begun = beginning.as_mut().poll(cx);
            wire.send(cx);
            begun
        });
        match tokio::time::timeout(limits.handshake, beginning).await {
            Ok(Ok(connection)) => self.accept(connection, wire.clone(), &limits).await,
            Ok(Err(error)) => tracing::debug!(%error, peer = %self.peer, "HTTP/2 did not begin"),
            Err(_) => {}
        }
    }

    async fn accept(self: Arc<Self>, mut connection: Served, wire: Batched, limits: &Limits) {
        let mut idle = Idle::new(limits.idle);
        let mut held = self.worker.exchange.heads(Client::Network(Network::of(Some(self.peer))));
        let mut late = None;
        let mut ending = Ending::default();
        let ended = poll_fn(|cx| {
            loop {
                let malformed = wire.is_malformed();
                self.note(wire.take_rejected());
                self.look_for_an_end(&mut connection, malformed, &mut idle, &mut ending, cx);
                match connection.poll_accept(cx) {
                    Poll::Ready(Some(Ok((request, respond)))) => {
                        let counted = self.open.enter();
                        ending.unsent.get_or_insert_with(|| self.worker.unsent.enter());
                        task::spawn(Arc::clone(&self).answer(request, respond, counted));
                    }
                    Poll::Ready(Some(Err(error))) => {
                        tracing::debug!(%error, peer = %self.peer, "an HTTP/2 connection ended");
                        return Poll::Ready(true);
                    }
                    Poll::Ready(None) => return Poll::Ready(true),
                    Poll::Pending => {
                        let sent = wire.send(cx);
                        let (unfinished, deadline) = (wire.unfinished(), late.take());
                        if unfinished > 0 && !ending.at_once {
                            let late = late.insert(deadline.unwrap_or_else(|| Idle::new(limits.head)));
                            if hold(&mut held, unfinished).is_err() || late.poll_over(cx).is_ready() {
                                connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                                ending.at_once = true;
                                idle.restart(LINGER);
                                continue;
                            }
                        } else {
                            held.clear();
                        }
                        if sent && ending.unsent.is_some() && !connection.has_streams() {
                            ending.unsent = None;
                        } else if ending.at_once {
                            return idle.poll_over(cx).map(|()| false);
                        } else {
                            return Poll::Pending;
                        }
                    }
                }
            }
        })
        .await;
        drop((connection, held));
        if ended {
            // A reset would take the last frames away before the client has read them.
            let most = wire.moved() + MOST_FORGOTTEN as u64;
            drop(tokio::time::timeout(LINGER, poll_fn(|cx| wire.poll_rest(most, cx))).await);
        }
    }

    /// Records requests that have been answered below us.
    fn note(&self, rejected: Vec<Rejected>) {
        for Rejected { method, path, .. } in rejected {
            if let Err(error) = Target::within(Arc::clone(&self.tunnel.origin), &method, &path) {
                self.record(None, &method, &path, error.into());
            }
        }
    }

    /// Records a refusal of what is not an exchange yet.
    fn record(&self, key: Option<PresentedKey>, method: &Method, target: &str, refusal: Refusal) -> Refusal {
        let presented = &Presented { key: key.or(self.tunnel.presented.key), alias: None };
        let keyless = self.worker.config.load().is_keyless(self.peer);
        let caller = Caller { presented, keyless, source: Some(self.peer) };
        self.worker.exchange.refuse(Door::Connect, &caller, method, target, refusal)
    }

    /// Says once that the connection will end, and why. What is `malformed` ends it at once.
    fn look_for_an_end(
        &self,
        connection: &mut Served,
        malformed: bool,
        idle: &mut Idle,
        ending: &mut Ending,
        cx: &mut Context<'_>,
    ) {
        if ending.at_once {
            return;
        }
        if self.worker.is_draining() && !ending.slowly {
            // Some clients treat GOAWAY as the end of in-flight responses.
            let patience = ending.patience.get_or_insert_with(|| Idle::new(PATIENCE));
            if ending.unsent.is_none() || patience.poll_over(cx).is_ready() {
                ending.slowly = true;
                connection.graceful_shutdown();
            }
        }
        if self.open.count() > 0 {
            idle.touch();
        }
        if self.tunnel.ticket.poll_revoked(cx).is_ready() && !std::mem::replace(&mut ending.parting, true) {
            idle.restart(PARTING);
        }
        let reason = if malformed {
            Some(Reason::PROTOCOL_ERROR)
        } else if self.abandoned.load(Ordering::Relaxed) > MOST_ABANDONED {
            Some(Reason::ENHANCE_YOUR_CALM)
        } else {
            idle.poll_over(cx).is_ready().then_some(Reason::NO_ERROR)
        };
        if let Some(reason) = reason {
            connection.abrupt_shutdown(reason);
            ending.at_once = true;
            idle.restart(LINGER);
        }
    }

    async fn answer(self: Arc<Self>, request: Request<RecvStream>, respond: server::SendResponse<Bytes>, _open: Piece) {
        let counted = self.worker.requests.enter();
        let respond = Respond::new(respond, request.method() == Method::HEAD);
        let timeout = self.worker.config.load().timeout;
        let (parts, stream) = request.into_parts();
        let ends = stream.is_end_stream();
        let read = heads::request(parts, ends);
        let is_grpc = read.as_ref().is_ok_and(|(head, _)| is_grpc(&head.fields));
        let silence = if is_grpc { self.worker.config.load().stream_idle_timeout } else { timeout };
        let mut incoming = Incoming::new(stream, silence);
        if let Ok((_, Framing::Length(length @ 1..))) = read {
            incoming = incoming.declaring(length);
        }
        let incoming = Arc::new(incoming);
        let body = if ends { Body::Empty } else { Body::Stream(Arc::clone(&incoming) as _, None) };
        let answered = match read {
            Ok((head, framing)) => {
                let body = if framing == Framing::Length(0) { self.empty(&head, body).await } else { Ok(body) };
                match body {
                    Ok(body) => self.exchange(head, framing, body, &respond, timeout).await,
                    Err(refusal) => self.refuse(head, refusal, &respond, timeout).await,
                }
            }
            Err(refused) => {
                let refusal = Refusal::from(refused);
                self.worker.exchange.metrics().refused(&refusal);
                respond.refuse(&refusal, timeout).await
            }
        };
        if let Err(error) = answered {
            tracing::debug!(%error, peer = %self.peer, "an answer did not leave whole");
            if is_given_up(&error) {
                self.abandoned.fetch_add(1, Ordering::Relaxed);
            }
        } else {
            // One thread alone counts.
            let left = self.abandoned.load(Ordering::Relaxed).saturating_sub(1);
            self.abandoned.store(left, Ordering::Relaxed);
            drop(counted);
            // A client that is cut short is told that nothing is wrong (RFC 9113 section 8.1). Some take that for an error all
            // the same, others if they meet it before they have looked at the answer: what they still send is let come.
            drop(tokio::time::timeout(LINGER, poll_fn(|cx| incoming.poll_rest(MOST_FORGOTTEN, cx))).await);
        }
    }

    /// A body that is to have no byte, once its stream has ended without one: the request would be complete without it.
    async fn empty(&self, head: &RequestHead, mut body: Body) -> Result<Body, Refusal> {
        let client = || Client::Network(Network::of(Some(self.peer)));
        let _head = self.worker.exchange.hold(&head.fields, client)?;
        match poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            Some(Err(_)) => Err(Refusal::ClientGone),
            Some(Ok(frame)) if frame.is_data() => Err(Refusal::Invalid("the body is longer than its Content-Length")),
            Some(Ok(_)) | None => Ok(Body::Empty),
        }
    }

    /// Answers with such a refusal, on the record. Its head takes no memory while the answer waits
    /// for the client.
    async fn refuse(
        &self,
        head: RequestHead,
        refusal: Refusal,
        respond: &Respond,
        timeout: Duration,
    ) -> Result<(), SendError> {
        let refusal = self.record(key_in(&head.fields), &head.method, &head.target, refusal);
        drop(head);
        respond.refuse(&refusal, timeout).await
    }

    async fn exchange(
        &self,
        head: RequestHead,
        framing: Framing,
        body: Body,
        respond: &Respond,
        timeout: Duration,
    ) -> Result<(), SendError> {
        let (exchange, door, source) = (&self.worker.exchange, Door::Connect, Some(self.peer));
        let target = match classify::classify_inside(&head, &self.tunnel.origin) {
            Ok(target) => target,
            Err(refusal) => return self.refuse(head, refusal, respond, timeout).await,
        };
        let RequestHead { method, fields, .. } = head;
        let keyless = self.worker.config.load().is_keyless(self.peer);
        let (presented, mut interim) = (self.tunnel.presented.clone(), respond);
        let (interim, leave, upgrade) = (Some(&mut interim as _), None, false);
        let mut inbound = Inbound {
            door,
            presented,
            keyless,
            method,
            target,
            fields,
            framing,
            body,
            source,
            leave,
            interim,
            upgrade,
        };
        let ran = respond.unless_reset(exchange.run(&mut inbound)).await?;
        // Its head takes no memory while the answer leaves.
        drop(inbound);
        match ran {
            Err(refusal) => respond.refuse(&refusal, timeout).await,
            Ok(Reply { head, framing, body }) => {
                let watch = body.watch();
                unless_revoked(&watch, pin!(respond.send(&head, framing, body, timeout))).await
            }
        }
    }
}

/// How far a connection has come with its end.
#[derive(Debug, Default)]
struct Ending {
    /// Held while an answer has not left.
    unsent: Option<Piece>,
    /// How long the answers may keep it from saying so.
    patience: Option<Idle>,
    /// It was said that no new streams are let in.
    slowly: bool,
    /// The key was revoked.
    parting: bool,
    /// Nothing is waited for any longer.
    at_once: bool,
}

/// Whether it was the client that ended it. What an origin server breaks off is not its fault.
fn is_given_up(error: &SendError) -> bool {
    match error {
        SendError::Wire(_) | SendError::Stalled | SendError::Body(BodyError::Upload(_)) => true,
        SendError::Body(_) | SendError::Length => false,
    }
}

fn builder(limits: &Limits) -> server::Builder {
    let mut builder = server::Builder::new();
    builder
        .max_concurrent_streams(limits.streams)
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOWS)
        .max_header_list_size(limits.header_bytes)
        .max_send_buffer_size(WAITING)
        .data_frame_budget(OVERHEAD);
    builder
}
