//! A tunnel that was opened becomes TLS with a certificate of ours, or stays in clear, and then a session like any other.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
};

use http::Method;
use rustls::{AlertDescription, server::Acceptor};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio_rustls::{LazyConfigAcceptor, StartHandshake, TlsStream, server};

use crate::{
    base::{
        capacity::{Client, Full, Network, Share},
        head_memory::hold,
        host::Scheme,
        peer::Peer,
        target::Origin,
    },
    ca,
    exchange::{Caller, Door, Refusal},
    http1::{Connection, Shared, Wire, scan::is_tchar, wire::Socket},
    proxy::{
        Worker,
        session::{Session, Tunnel},
        streams::Streams,
    },
};

/// A fatal `unrecognized_name` alert in a record of its own (RFC 8446 section 6, RFC 6066 section 3).
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

impl Session {
    /// The session inside the tunnel, if the client speaks HTTP in clear there, or TLS and accepts our certificate. If it
    /// speaks HTTP/2 there, that is served here to its end.
    pub(crate) async fn intercept(self, mut tunnel: Tunnel) -> Option<Self> {
        let Self { worker, connection, peer, counted, .. } = self;
        let Wire::Plain(tcp) = connection.into_inner()?.into_wire()? else { return None };
        let limits = worker.config.load().limits;
        let wire = match tokio::time::timeout(limits.handshake, begin(&worker, tcp, &tunnel, peer)).await {
            Ok(Ok(wire)) => wire,
            Ok(Err(error)) => {
                explain(&error, &tunnel, peer);
                return None;
            }
            Err(_) => return None,
        };
        if wire.is_http2() {
            Streams::new(worker, peer, tunnel, counted).serve(wire).await;
            return None;
        }
        if let Wire::Plain(_) = wire {
            tunnel.origin = Arc::new(Origin::new(Scheme::Http, tunnel.origin.authority.clone()));
        }
        let connection = Shared::new(Connection::new(wire, limits.idle));
        Some(Self { worker, connection, peer, tunnel: Some(tunnel), counted, near: Mutex::default() })
    }
}

/// What the client speaks, by its first byte: a method begins with a character of a token, a TLS record does not.
async fn begin(worker: &Worker, tcp: Socket, tunnel: &Tunnel, peer: Peer) -> io::Result<Wire> {
    if tcp.peek().await?.is_some_and(is_tchar) {
        return Ok(Wire::Plain(tcp));
    }
    let tls = handshake(worker, tcp, tunnel, peer).await?;
    Ok(Wire::Tls(Box::new(TlsStream::Server(tls))))
}

/// The server name is looked at before anything is signed.
async fn handshake(worker: &Worker, tcp: Socket, tunnel: &Tunnel, peer: Peer) -> io::Result<server::TlsStream<Socket>> {
    let host = &tunnel.origin.authority.host;
    let memory = worker.exchange.heads(Client::Network(Network::of(Some(peer))));
    let hello = Hello { tcp, memory, read: 0 };
    let mut start = match LazyConfigAcceptor::new(Acceptor::default(), hello).await {
        Ok(StartHandshake { accepted, io: Hello { tcp, .. }, .. }) => StartHandshake::from_parts(accepted, tcp),
        Err(error) => {
            let full = error.get_ref().and_then(|it| it.downcast_ref::<Full>());
            refuse(worker, tunnel, peer, full.map_or(Refusal::Invalid("no TLS"), |it| (*it).into()));
            return Err(error);
        }
    };
    if !ca::is_for(host, start.client_hello().server_name()) {
        refuse(worker, tunnel, peer, Refusal::ServerName);
        start.io.write_all(&UNRECOGNIZED_NAME).await?;
        start.io.shutdown().await?;
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the server name is another than the tunnel's host"));
    }
    let config = worker.ca.server_config(host).map_err(io::Error::other)?;
    start.into_stream(config).await
}

/// A connection whose `ClientHello` has not arrived completely: what has is kept, and counted like a request head.
struct Hello {
    tcp: Socket,
    memory: Share,
    read: usize,
}

impl AsyncRead for Hello {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.tcp).poll_read(cx, buf))?;
        self.read += buf.filled().len() - before;
        let read = self.read;
        Poll::Ready(hold(&mut self.memory, read).map_err(io::Error::other))
    }
}

impl AsyncWrite for Hello {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

fn refuse(worker: &Worker, tunnel: &Tunnel, peer: Peer, refusal: Refusal) {
    let authority = tunnel.origin.authority.to_string();
    let keyless = worker.config.load().is_keyless(peer);
    let caller = Caller { presented: &tunnel.presented, keyless, source: Some(peer) };
    worker.exchange.refuse(Door::Tunnel, &caller, &Method::CONNECT, &authority, refusal);
}

/// The commonest trouble of a first day: the client does not trust our certificate authority.
fn explain(error: &io::Error, tunnel: &Tunnel, peer: Peer) {
    let alert = error.get_ref().and_then(|it| it.downcast_ref::<rustls::Error>());
    let authority = &tunnel.origin.authority;
    if let Some(rustls::Error::AlertReceived(
        AlertDescription::UnknownCA | AlertDescription::BadCertificate | AlertDescription::CertificateUnknown,
    )) = alert
    {
        tracing::warn!(%peer, %authority, "a client does not trust Vultrino's CA; give it the file that `vultrino ca path` names");
    } else {
        tracing::debug!(%peer, %authority, %error, "a tunnel did not become TLS");
    }
}
