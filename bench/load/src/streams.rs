//! The clients of HTTP/2: as those of HTTP/1.1, but several share a connection.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::SendRequest;
use http::StatusCode;

use crate::answer::BODY;
use crate::client::Tally;
use crate::route::{Open, Route, Stream};

/// Clients that share a connection.
const STREAMS: u32 = 8;

/// So many clients, each with a stream at a time, until they are stopped.
pub(crate) async fn ask(route: Rc<Route>, tally: Rc<Tally>, clients: u32) {
    let connections = (0..clients.div_ceil(STREAMS)).map(|at| STREAMS.min(clients - at * STREAMS));
    let connections: Vec<_> = connections
        .map(|streams| tokio::task::spawn_local(share(Rc::clone(&route), Rc::clone(&tally), streams)))
        .collect();
    for connection in connections {
        if let Err(broken) = connection.await {
            tally.failed(&broken.to_string());
        }
    }
}

/// One connection and its clients. It is not opened again: the proxy has no reason to close it.
async fn share(route: Rc<Route>, tally: Rc<Tally>, streams: u32) {
    let (sender, request) = match connect(&route).await {
        Ok(opened) => opened,
        Err(error) => return tally.failed(&error.to_string()),
    };
    let client = |_| {
        let (sender, request, tally) = (sender.clone(), request.clone(), Rc::clone(&tally));
        tokio::task::spawn_local(async move {
            while !tally.stop.get() {
                let started = Instant::now();
                match exchange(&sender, &request).await {
                    Ok(()) => tally.succeeded(started.elapsed()),
                    Err(error) => {
                        tally.failed(&error.to_string());
                        // A connection that is broken must not be asked a million times.
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                }
            }
        })
    };
    let clients: Vec<_> = (0..streams).map(client).collect();
    for client in clients {
        if let Err(broken) = client.await {
            tally.failed(&broken.to_string());
        }
    }
}

async fn connect(route: &Route) -> io::Result<(SendRequest<Bytes>, http::Request<()>)> {
    let Open { stream: Stream::Tls(tls), request } = route.open().await? else {
        return Err(io::Error::other("HTTP/2 is spoken over TLS"));
    };
    if tls.get_ref().1.alpn_protocol() != Some(b"h2") {
        return Err(io::Error::other("the other side does not offer HTTP/2"));
    }
    let (sender, connection) = h2::client::handshake(tls).await.map_err(io::Error::other)?;
    // How it ends shows at its streams.
    tokio::task::spawn_local(async move { drop(connection.await) });
    Ok((sender, translated(&request).ok_or_else(|| io::Error::other("no request to translate"))?))
}

/// What the bytes of a request without a body say, for HTTP/2.
fn translated(request: &[u8]) -> Option<http::Request<()>> {
    let text = std::str::from_utf8(request).ok()?;
    let mut lines = text.lines();
    let target = lines.next()?.split(' ').nth(1)?;
    let fields: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(": ")).collect();
    let (_, host) = fields.iter().find(|(name, _)| *name == "Host")?;
    let start = http::Request::get(format!("https://{host}{target}"));
    let others = fields.iter().filter(|(name, _)| *name != "Host");
    others.fold(start, |request, (name, value)| request.header(*name, *value)).body(()).ok()
}

async fn exchange(sender: &SendRequest<Bytes>, request: &http::Request<()>) -> io::Result<()> {
    let mut ready = sender.clone().ready().await.map_err(io::Error::other)?;
    let (answer, _) = ready.send_request(request.clone(), true).map_err(io::Error::other)?;
    let (head, mut body) = answer.await.map_err(io::Error::other)?.into_parts();
    let mut seen = 0;
    while let Some(data) = body.data().await {
        let data = data.map_err(io::Error::other)?;
        body.flow_control().release_capacity(data.len()).map_err(io::Error::other)?;
        if BODY.get(seen..seen + data.len()) != Some(&data[..]) {
            return Err(io::Error::other(format!("wrong answer with status {}", head.status)));
        }
        seen += data.len();
    }
    if head.status == StatusCode::OK && seen == BODY.len() {
        return Ok(());
    }
    Err(io::Error::other(format!("wrong answer: status {}, {seen} bytes", head.status)))
}

#[cfg(test)]
mod tests {
    use crate::streams::translated;

    #[test]
    fn a_request_is_the_same_in_either_version() {
        let request = translated(b"GET /x HTTP/1.1\r\nHost: localhost:1\r\nAccept: */*\r\n\r\n").unwrap();
        assert_eq!(request.uri(), "https://localhost:1/x");
        assert_eq!(request.headers().len(), 1);
        assert_eq!(request.headers()["accept"], "*/*");
        assert!(translated(b"").is_none());
    }
}
