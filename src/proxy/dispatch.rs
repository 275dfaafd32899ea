//! One request of a session: told apart, run, answered.

use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
};

use http::Method;

use crate::{
    base::{
        body::{Body, BodyError},
        head::{Framing, RequestHead},
        target::{Origin, Target},
    },
    exchange::{Admitted, Caller, Door, Inbound, Recorded, Refusal, Reply, Watch, key_in},
    http1::send::SendError,
    identity::Presented,
    proxy::{
        classify::{self, Ingress},
        redirect,
        respond::Responder,
        session::{Session, Tunnel},
    },
};

/// A request as it was read.
#[derive(Debug)]
pub struct Received {
    /// Its head.
    pub head: RequestHead,
    /// Body framing.
    pub framing: Framing,
    /// Its body.
    pub body: Body,
}

/// What was done about a request.
#[derive(Debug)]
pub enum Done {
    /// An answer was written, or not whole.
    Wrote(Result<(), SendError>),
    /// The connection is now a tunnel.
    Opened(Tunnel),
    /// The connection is no longer ours to read.
    Switched(Box<Recorded>),
}

/// What a request is for.
enum Aim {
    Exchange(Door, Target, Presented),
    Control,
    Connect,
}

impl Session {
    /// Does what a request asks.
    ///
    /// # Errors
    /// The refusal to answer with.
    pub(crate) async fn dispatch(&self, received: Received, responder: Responder<'_>) -> Result<Done, Refusal> {
        let (door, target, presented) =
            match self.aim(&received.head).map_err(|it| self.refuse(self.door(&received.head), &received.head, it))? {
                Aim::Exchange(door, target, presented) => (door, target, presented),
                Aim::Control => {
                    let _head = self.worker.exchange.hold(&received.head.fields, || self.client())?;
                    return Box::pin(self.control(received, responder)).await;
                }
                Aim::Connect => {
                    let _head = self.worker.exchange.hold(&received.head.fields, || self.client())?;
                    return Box::pin(self.connect(&received, responder)).await;
                }
            };
        let upgrade = classify::asks_for_websocket(&received.head, received.framing);
        let prefix = classify::prefix(&received.head.target);
        let Received { head: RequestHead { method, fields, .. }, framing, body } = received;
        let (mut interim, source, keyless) = (responder, Some(self.peer), self.is_keyless());
        let (interim, leave) = (Some(&mut interim as _), None);
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
        let mut ran = self.unless_gone(pin!(self.worker.exchange.run(&mut inbound))).await;
        if let (Door::Path, Some(Ok(reply))) = (door, &mut ran) {
            redirect::rewrite(&mut reply.head.fields, &inbound.target, prefix);
        }
        // Its head takes no memory while the answer leaves.
        drop(inbound);
        match ran {
            None => Ok(gone()),
            Some(Err(refusal)) => Err(refusal),
            Some(Ok(Reply { head, body, .. })) if body.is_switched() => Ok(match responder.switched(head).await {
                Ok(()) => Done::Switched(Box::new(body)),
                Err(error) => Done::Wrote(Err(error)),
            }),
            Some(Ok(Reply { head, framing, body })) => {
                let watch = body.watch();
                let writing = pin!(responder.stream(&head, framing, body));
                Ok(Done::Wrote(unless_revoked(&watch, writing).await))
            }
        }
    }

    fn aim(&self, head: &RequestHead) -> Result<Aim, Refusal> {
        if let Some(Tunnel { origin, presented, .. }) = &self.tunnel {
            return Ok(Aim::Exchange(Door::Connect, classify::classify_inside(head, origin)?, presented.clone()));
        }
        if head.method == Method::CONNECT {
            return Ok(Aim::Connect);
        }
        let ingress = self.classify(head)?;
        classify::check_browser(head, &ingress, self.is_keyless(), |it| self.worker.answers_for(it))?;
        Ok(match ingress {
            Ingress::Path(target) => Aim::Exchange(Door::Path, target, Presented::default()),
            Ingress::Forward(target) => Aim::Exchange(Door::Forward, target, classify::presented(head)?),
            Ingress::Control => {
                classify::check_single(head)?;
                Aim::Control
            }
        })
    }

    /// Asked anew for each request, also inside tunnels: the configuration may have changed.
    pub(crate) fn is_keyless(&self) -> bool {
        self.worker.config.load().is_keyless(self.peer)
    }

    /// Through which door a request came that is refused before it is told apart.
    fn door(&self, head: &RequestHead) -> Door {
        match self.tunnel {
            Some(_) => Door::Connect,
            None if head.target.starts_with('/') => Door::Path,
            None => Door::Forward,
        }
    }

    fn refuse(&self, door: Door, head: &RequestHead, refusal: Refusal) -> Refusal {
        let key = key_in(&head.fields).or(self.tunnel.as_ref().and_then(|it| it.presented.key));
        let presented = Presented { key, alias: None };
        // A page of another site is not the person at the machine, who needs no key.
        let is_foreign = self.tunnel.is_none()
            && head.target.starts_with('/')
            && classify::foreign(head, |it| self.worker.answers_for(it)).is_some();
        let keyless = self.is_keyless() && !is_foreign;
        let caller = Caller { presented: &presented, keyless, source: Some(self.peer) };
        self.worker.exchange.refuse(door, &caller, &head.method, &head.target, refusal)
    }

    /// A blind tunnel is dialled before it is answered, an intercepted one never as such.
    async fn connect(&self, received: &Received, responder: Responder<'_>) -> Result<Done, Refusal> {
        let admitted = self.admit(received).map_err(|it| self.refuse(Door::Tunnel, &received.head, it))?;
        let done = match admitted {
            (origin, presented, Admitted::Intercepted(ticket)) => {
                let counted = self.worker.tunnels.enter();
                self.worker.turn().await;
                Done::Opened(Tunnel { origin, presented, ticket, counted })
            }
            (origin, _, Admitted::Blind(blind)) => {
                let dialling = self.worker.exchange.tunnel(blind, &origin, &received.head.fields, Some(self.peer));
                match self.unless_gone(pin!(dialling)).await {
                    None => return Ok(gone()),
                    Some(recorded) => Done::Switched(Box::new(recorded?)),
                }
            }
        };
        Ok(match responder.established().await {
            Ok(()) => done,
            Err(error) => Done::Wrote(Err(error)),
        })
    }

    fn admit(&self, received: &Received) -> Result<(Arc<Origin>, Presented, Admitted), Refusal> {
        let head = &received.head;
        classify::check_single(head)?;
        let origin = classify::connect(head, |it| self.worker.answers_for(it))?;
        self.worker.exchange.check_loop(&head.fields)?;
        if !matches!(received.framing, Framing::None | Framing::Length(0)) {
            return Err(Refusal::Invalid("CONNECT has no body"));
        }
        if self.connection.lock().has_input() {
            return Err(Refusal::Invalid("bytes follow a CONNECT before it is answered"));
        }
        let presented = classify::presented(head)?;
        let caller = Caller { presented: &presented, keyless: self.is_keyless(), source: Some(self.peer) };
        let admitted = self.worker.exchange.admit(&caller, &origin, &self.worker.config.load().connect_ports)?;
        Ok((origin, presented, admitted))
    }

    /// Runs `work` for as long as the client is there to be answered.
    pub(crate) async fn unless_gone<T>(&self, mut work: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        poll_fn(move |cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            self.connection.lock().poll_abandoned(cx).map(|()| None)
        })
        .await
    }
}

/// Nobody is there to be answered.
fn gone() -> Done {
    Done::Wrote(Err(io::Error::from(io::ErrorKind::ConnectionAborted).into()))
}

/// Writes an answer for as long as whoever asked may have it. What a client does not read cannot end otherwise.
pub(crate) async fn unless_revoked(
    watch: &Watch,
    mut writing: Pin<&mut impl Future<Output = Result<(), SendError>>>,
) -> Result<(), SendError> {
    poll_fn(|cx| match writing.as_mut().poll(cx) {
        Poll::Pending => watch.poll_revoked(cx).map(|()| Err(BodyError::Revoked.into())),
        ready @ Poll::Ready(_) => ready,
    })
    .await
}
