//! One client connection, from its first byte to its last: request after request, and at most one tunnel.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, PoisonError},
    task::{Poll, ready},
    time::Duration,
};

use http::Method;

use crate::{
    base::{
        body::Body,
        capacity::{Client, Network, Share},
        head::{Framing, RequestHead, Version},
        head_memory,
        peer::Peer,
        splice::Line as _,
        target::{Origin, Target},
        task::Piece,
    },
    exchange::{Recorded, Refusal, Ticket},
    http1::{
        Connection, Refused, Shared, Wire,
        connection::HeadError,
        framing, head,
        wire::{Socket, Stream},
    },
    identity::Presented,
    proxy::{
        Worker,
        classify::{Ingress, classify},
        dispatch::{Done, Received},
        respond::Responder,
    },
};

/// How long a tunnel whose key was revoked is kept, so that its next request can be told why.
pub(crate) const PARTING: Duration = Duration::from_secs(2);
/// Longest time that a connection is read from after its last answer.
pub(crate) const LINGER: Duration = Duration::from_secs(2);

/// A client connection.
#[derive(Debug)]
pub struct Session {
    pub(crate) worker: Arc<Worker>,
    pub(crate) connection: Arc<Shared>,
    pub(crate) peer: Peer,
    /// Set once the connection has become a tunnel.
    pub(crate) tunnel: Option<Tunnel>,
    pub(crate) counted: Counted,
    /// Where the last request outside a tunnel went: the next one often goes there, too.
    pub(crate) near: Mutex<Option<Arc<Origin>>>,
}

/// Where a connection is counted, for as long as it is open.
#[derive(Debug)]
pub struct Counted {
    /// Of this worker.
    _here: Piece,
    /// Of this client, and of all.
    _share: Share,
}

/// What a CONNECT settled for all requests inside.
#[derive(Debug)]
pub struct Tunnel {
    /// Where to.
    pub origin: Arc<Origin>,
    /// Who asked.
    pub presented: Presented,
    /// Revoked when the key is.
    pub ticket: Ticket,
    /// It is one of them.
    pub counted: Piece,
}

/// What becomes of the connection after a request.
enum Next {
    Request,
    /// It ends, and the client shall have time to read why.
    Close,
    /// It ends at once, so that nothing looks complete that is not.
    Abort,
    Intercept(Tunnel),
    Relay(Box<Recorded>, Piece),
}

/// Serves a connection until it ends. What idles between two requests is kept small: all else is boxed.
pub async fn serve(worker: Arc<Worker>, stream: Stream, peer: Peer, share: Share) {
    let counted = Counted { _here: worker.connections.enter(), _share: share };
    let idle = worker.config.load().limits.idle;
    let connection = Shared::new(Connection::new(Wire::Plain(Socket::new(stream)), idle));
    let mut session = Session { worker, connection, peer, tunnel: None, counted, near: Mutex::default() };
    loop {
        let next = match session.read_head().await {
            Ok(Some(bytes)) => Box::pin(session.handle(bytes)).await,
            Ok(None) => Next::Close,
            Err(Unread::Refused(refusal)) => Box::pin(session.refuse_head(&refusal)).await,
            Err(Unread::Gone) => return,
        };
        match next {
            Next::Request => {}
            Next::Close => return Box::pin(session.close()).await,
            Next::Abort => return session.connection.lock().wire.abort(),
            Next::Intercept(tunnel) => match Box::pin(session.intercept(tunnel)).await {
                Some(inside) => session = inside,
                None => return,
            },
            Next::Relay(recorded, request) => return Box::pin(session.relay(recorded, request)).await,
        }
    }
}

/// Why there is no next head.
enum Unread {
    /// The client is gone, or too slow.
    Gone,
    Refused(Refusal),
}

impl From<HeadError> for Unread {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::Refused(refused) => Self::Refused(refused.into()),
            HeadError::Gone(_) => Self::Gone,
        }
    }
}

impl Session {
    /// The next head. Silence before its first byte ends the connection quietly, like the client's own end.
    async fn read_head(&self) -> Result<Option<Vec<u8>>, Unread> {
        let mut begun = self.connection.lock().has_input();
        let mut parting = false;
        let deadline = {
            let (limits, mut connection) = (self.worker.config.load().limits, self.connection.lock());
            connection.limit_heads(limits.header_bytes as usize);
            connection.idle.restart(if begun { limits.head } else { limits.idle });
            limits.head
        };
        let mut held = None;
        poll_fn(|cx| {
            let mut connection = self.connection.lock();
            if let Poll::Ready(head) = connection.poll_head(cx) {
                return Poll::Ready(head.map_err(Unread::from));
            }
            if connection.held() > head_memory::SHORT {
                let held = held.get_or_insert_with(|| self.worker.exchange.heads(self.client()));
                if let Err(full) = head_memory::hold(held, connection.held()) {
                    return Poll::Ready(Err(Unread::Refused(full.into())));
                }
            }
            if !begun && connection.has_input() {
                begun = true;
                connection.idle.restart(deadline);
            }
            let lost = self.tunnel.as_ref().is_some_and(|it| it.ticket.poll_revoked(cx).is_ready());
            if lost && !parting {
                parting = true;
                connection.idle.restart(PARTING);
            }
            ready!(connection.idle.poll_over(cx));
            Poll::Ready(if begun { Err(Unread::Gone) } else { Ok(None) })
        })
        .await
    }

    pub(crate) fn client(&self) -> Client {
        Client::Network(Network::of(Some(self.peer)))
    }

    async fn handle(&self, bytes: Vec<u8>) -> Next {
        let request = self.worker.requests.enter();
        let (head, framing) = match self.parse(bytes) {
            Ok(parsed) => parsed,
            Err(refused) => return Box::pin(self.refuse_head(&refused.into())).await,
        };
        let mut responder = Responder {
            connection: &self.connection,
            version: head.version,
            is_head: head.method == Method::HEAD,
            last: is_last(&head) || self.worker.is_draining() || self.is_lost(),
            timeout: self.worker.config.load().timeout,
        };
        let body = self.begin_body(framing);
        let is_connect = head.method == Method::CONNECT;
        let written = match self.dispatch(Received { head, framing, body }, responder).await {
            Ok(Done::Opened(tunnel)) => return Next::Intercept(tunnel),
            Ok(Done::Switched(recorded)) => return Next::Relay(recorded, request),
            Ok(Done::Wrote(written)) => written,
            Err(refusal) => {
                // What is not valid may not end where it seems to, a body that nobody reads does not end, and behind a
                // tunnel that is refused may stand what was meant for it. Only a missing key is asked for again.
                let refused_tunnel = is_connect && refusal.status() != 407;
                let unread = !self.connection.lock().is_between_messages();
                responder.last |= refusal.is_of_form() || refused_tunnel || unread;
                if is_connect {
                    Box::pin(responder.refuse_tunnel(&refusal)).await
                } else {
                    Box::pin(responder.refuse(&refusal)).await
                }
            }
        };
        match written {
            Err(error) => {
                tracing::debug!(%error, peer = %self.peer, "an answer did not leave whole");
                Next::Abort
            }
            Ok(()) if responder.last || !self.connection.lock().is_between_messages() => Next::Close,
            Ok(()) => Next::Request,
        }
    }

    fn parse(&self, bytes: Vec<u8>) -> Result<(RequestHead, Framing), Refused> {
        let most = self.worker.config.load().limits.header_bytes as usize;
        let may_exceed = bytes.len() > most;
        let head = head::request(bytes)?;
        if may_exceed && head.fields.written_len() > most {
            return Err(Refused::TooLarge);
        }
        let framing = framing::of_request(&head)?;
        Ok((head, framing))
    }

    /// Tells a request apart that is outside a tunnel.
    pub(crate) fn classify(&self, head: &RequestHead) -> Result<Ingress, Refusal> {
        let mut near = self.near.lock().unwrap_or_else(PoisonError::into_inner);
        let ingress = classify(head, near.as_ref())?;
        if let Ingress::Path(Target { origin, .. }) | Ingress::Forward(Target { origin, .. }) = &ingress
            && near.as_ref().is_none_or(|it| !Arc::ptr_eq(it, origin))
        {
            *near = Some(Arc::clone(origin));
        }
        Ok(ingress)
    }

    /// Whether the key that opened the tunnel was revoked.
    fn is_lost(&self) -> bool {
        self.tunnel.as_ref().is_some_and(|it| it.ticket.is_revoked())
    }

    /// From here on the bytes behind the head are its body, whether anybody reads them or not.
    fn begin_body(&self, framing: Framing) -> Body {
        let mut connection = self.connection.lock();
        connection.begin_body(framing);
        connection.idle.restart(self.worker.config.load().timeout);
        if connection.is_between_messages() {
            return Body::Empty;
        }
        match connection.take_whole_body() {
            Some(bytes) => Body::Full(bytes),
            None => Body::Stream(Arc::clone(&self.connection) as _, None),
        }
    }

    /// What follows a head that cannot be trusted cannot be trusted either.
    async fn refuse_head(&self, refusal: &Refusal) -> Next {
        self.worker.exchange.metrics().refused(refusal);
        self.connection.lock().distrust();
        let responder = Responder {
            connection: &self.connection,
            version: Version::Http11,
            is_head: false,
            last: true,
            timeout: self.worker.config.load().timeout,
        };
        match responder.refuse(refusal).await {
            Ok(()) => Next::Close,
            Err(_) => Next::Abort,
        }
    }

    /// From here on nobody reads what is passed on. It counts as the request that it was, and as an open tunnel.
    async fn relay(self, recorded: Box<Recorded>, _request: Piece) {
        let Self { worker, connection, tunnel, counted: _counted, .. } = self;
        let _tunnel = tunnel.map_or_else(|| worker.tunnels.enter(), |it| it.counted);
        if let Some(connection) = connection.into_inner() {
            let idle = worker.config.load().limits.tunnel_idle;
            recorded.relay(connection.into_side(), idle).await;
        }
    }

    /// Ends our side, then reads on for a moment: a reset would take the answer away before the client has read it.
    async fn close(&self) {
        self.connection.lock().idle.restart(LINGER);
        poll_fn(|cx| self.connection.lock().poll_close(cx)).await;
    }
}

fn is_last(head: &RequestHead) -> bool {
    head.version == Version::Http10 || head.fields.closes()
}
