//! One request on its way, over whichever version of HTTP its connection speaks.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::Method;

use crate::{
    base::{
        body::Body,
        fields::Fields,
        head::{AnswerHead, Framing},
    },
    http1::{
        send::Outgoing,
        write::{self, Ending},
    },
    upstream::{
        channel::Channel,
        hop::Hop,
        multiplexed::Multiplexed,
        reuse,
        send::{Answer, Failure, Request},
        stream::Stream,
    },
};

/// Dropped, it ends the exchange.
#[derive(Debug)]
pub enum Lane {
    /// On a connection of its own.
    Http1(Arc<Channel>),
    /// On one that it shares.
    Http2(Arc<Stream>),
}

impl Lane {
    /// Begins to send, and takes the body.
    pub fn http1(channel: Arc<Channel>, request: &mut Request<'_>) -> Self {
        let reusable = reuse::allows(request);
        Self::begin(channel, request, reusable)
    }

    /// The same for a request that an HTTP/2 origin gets over HTTP/1: no other goes over this connection.
    pub fn downgraded(channel: Arc<Channel>, request: &mut Request<'_>) -> Self {
        Self::begin(channel, request, false)
    }

    fn begin(channel: Arc<Channel>, request: &mut Request<'_>, reusable: bool) -> Self {
        let outgoing = outgoing(request, channel.hop(), reusable);
        channel.begin(outgoing, reusable, request.silence, request.longest_head);
        Self::Http1(channel)
    }

    /// The same, unless this request cannot be told over this connection.
    pub fn http2(connection: Arc<Multiplexed>, request: &mut Request<'_>) -> Option<Self> {
        Stream::begin(connection, request).map(Self::Http2)
    }

    /// Sends, and waits for the head of an answer, interim or final.
    pub fn poll_answer(&self, cx: &mut Context<'_>, method: &Method) -> Poll<Result<(AnswerHead, Framing), Failure>> {
        match self {
            Self::Http1(channel) => channel.poll_answer(cx, method),
            Self::Http2(stream) => stream.poll_answer(cx, method),
        }
    }

    /// Bytes of memory for a head that has not come whole. HTTP/2 has one at a time on a connection.
    pub fn held(&self) -> usize {
        match self {
            Self::Http1(channel) => channel.held(),
            Self::Http2(_) => 0,
        }
    }

    /// The parent proxy, if it reads the request.
    pub fn hop(&self) -> Option<&Hop> {
        match self {
            Self::Http1(channel) => channel.hop(),
            Self::Http2(_) => None,
        }
    }

    /// The final answer.
    pub fn answer(self, head: AnswerHead, framing: Framing) -> Answer {
        let body = match self {
            Self::Http1(channel) => channel.into_body(),
            Self::Http2(stream) => stream.into_body(),
        };
        Answer { head, framing, body }
    }

    /// The connection itself. Only to what was asked for (RFC 9110 section 7.8).
    ///
    /// # Errors
    /// Another protocol, or too early.
    pub fn switch(self, head: AnswerHead) -> Result<Answer, Failure> {
        let Self::Http1(channel) = self else { return Err(Failure::Unexpected("HTTP/2 knows no upgrade")) };
        if !head.fields.upgrades_to_websocket() {
            return Err(Failure::Unexpected("it switches to a protocol that was not asked for"));
        }
        let side = channel.into_side().ok_or(Failure::Unexpected("it switches protocols before it has the request"))?;
        Ok(Answer { head, framing: Framing::None, body: Body::Switched(Box::new(side)) })
    }

    /// Ends the attempt. Whether the request is whole again, its body included.
    pub fn gives_back(&self, request: &mut Request<'_>) -> bool {
        let Self::Http2(stream) = self else { return false };
        stream.give_back().map(|body| request.body = body).is_some()
    }
}

fn outgoing(request: &mut Request<'_>, hop: Option<&Hop>, reusable: bool) -> Outgoing {
    let Request { target, method, fields, framing, body, keep_trailer, takes_trailers, upgrade, .. } = request;
    let host = target.origin.host_field();
    // The `Connection` of an upgrade says `Upgrade`.
    let ending = Ending { last: !reusable && !*upgrade, trailers: *takes_trailers && !*upgrade };
    let head = match hop {
        None => write::request(method, target.path_and_query(), host, [*fields], *framing, ending),
        Some(hop) => write::request(method, &target.absolute_form(), host, [*fields, hop.fields()], *framing, ending),
    };
    let outgoing = Outgoing::new(head, *framing, std::mem::take(body)).keeping(keep_trailer.clone());
    let is_secret = |it: &Fields| it.injected().next().is_some();
    if is_secret(fields) || hop.is_some_and(|it| is_secret(it.fields())) { outgoing.secret() } else { outgoing }
}
