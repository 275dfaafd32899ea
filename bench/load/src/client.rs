//! The clients: each asks, waits for the whole answer, compares it, and asks again.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use memchr::memmem;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::answer::BODY;
use crate::bulk;
use crate::route::{Open, Route, Stream, Work};

/// What all clients of a row count together. They share one thread.
#[derive(Default)]
pub(crate) struct Tally {
    /// Clients end when this is set.
    pub(crate) stop: Cell<bool>,
    /// Times and handshakes are noted while this is set.
    pub(crate) noting: Cell<bool>,
    pub(crate) answered: Cell<u32>,
    pub(crate) handshakes: Cell<u32>,
    pub(crate) resumed: Cell<u32>,
    pub(crate) errors: Cell<u32>,
    pub(crate) first_error: RefCell<Option<String>>,
    /// Nanoseconds from the start of a request (with its connection, if it needs one) to the end of its answer.
    pub(crate) times: RefCell<Vec<u32>>,
}

impl Tally {
    pub(crate) fn failed(&self, what: &str) {
        self.errors.set(self.errors.get() + 1);
        self.first_error.borrow_mut().get_or_insert_with(|| what.to_owned());
    }

    pub(crate) fn succeeded(&self, took: Duration) {
        self.answered.set(self.answered.get() + 1);
        if self.noting.get() {
            self.times.borrow_mut().push(u32::try_from(took.as_nanos()).unwrap_or(u32::MAX));
        }
    }

    fn opened(&self, stream: &Stream) {
        if self.noting.get() {
            self.handshakes.set(self.handshakes.get() + 1);
            self.resumed.set(self.resumed.get() + u32::from(stream.has_resumed()));
        }
    }
}

/// One client. Any failure counts: the proxy has no reason to close a connection that is in use.
pub(crate) async fn ask(route: Route, tally: Rc<Tally>) {
    let mut buffer = vec![0; room(&route)];
    let mut open = None;
    while !tally.stop.get() {
        let started = Instant::now();
        match once(&route, &mut open, &mut buffer, &tally).await {
            Ok(()) => tally.succeeded(started.elapsed()),
            Err(error) => {
                tally.failed(&error.to_string());
                open = None;
                // A proxy that refuses everything must not be asked a million times.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        if route.anew {
            open = None;
        }
    }
}

/// Opens a connection and makes one request, to whose end the connection stays open.
pub(crate) async fn first(route: &Route) -> io::Result<Open> {
    let mut open = route.open().await?;
    again(route, &mut open, &mut vec![0; room(route)]).await?;
    Ok(open)
}

/// Makes one request.
pub(crate) async fn again(route: &Route, open: &mut Open, buffer: &mut [u8]) -> io::Result<()> {
    let Open { stream, request } = open;
    match stream {
        Stream::Plain(tcp) => exchange(tcp, request, route.work, buffer).await,
        Stream::Tls(tls) => exchange(tls, request, route.work, buffer).await,
    }
}

async fn once(route: &Route, open: &mut Option<Open>, buffer: &mut [u8], tally: &Tally) -> io::Result<()> {
    if let Some(open) = open {
        return again(route, open, buffer).await;
    }
    let opened = open.insert(route.open().await?);
    tally.opened(&opened.stream);
    again(route, opened, buffer).await
}

fn room(route: &Route) -> usize {
    if matches!(route.work, Work::Ask | Work::Post) { 8 << 10 } else { 256 << 10 }
}

async fn exchange<S>(io: &mut S, request: &[u8], work: Work, buffer: &mut [u8]) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    io.write_all(request).await?;
    match work {
        Work::Ask => io.flush().await?,
        Work::Post => {
            io.write_all(&bulk::SMALL).await?;
            io.flush().await?;
        }
        Work::Upload(length) => {
            bulk::write(io, length).await?;
            io.flush().await?;
        }
        Work::Download(length) => {
            io.flush().await?;
            return download(io, length, buffer).await;
        }
    }
    let mut filled = 0;
    loop {
        let got = io.read(&mut buffer[filled..]).await?;
        filled += got;
        match complete(&buffer[..filled]) {
            Some(true) => return Ok(()),
            None if got > 0 => (),
            Some(false) => return Err(unexpected("wrong answer", &buffer[..filled])),
            None => return Err(unexpected("the connection ended inside an answer", &buffer[..filled])),
        }
    }
}

async fn download<S: AsyncRead + Unpin>(io: &mut S, length: u64, buffer: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    let start = loop {
        if let Some(at) = memmem::find(&buffer[..filled], b"\r\n\r\n") {
            break at + 4;
        }
        match io.read(&mut buffer[filled..]).await? {
            0 => return Err(unexpected("the connection ended inside an answer", &buffer[..filled])),
            got => filled += got,
        }
    };
    if !buffer.starts_with(b"HTTP/1.1 200 ") {
        return Err(unexpected("wrong answer", &buffer[..filled]));
    }
    let begun = buffer[start..filled].to_vec();
    if bulk::is_next(io, &begun, length, buffer).await? {
        return Ok(());
    }
    Err(io::Error::other("a download brought other bytes than the origin sent"))
}

/// Whether these bytes are the one good answer, or nothing while they may still become it.
fn complete(bytes: &[u8]) -> Option<bool> {
    let start = memmem::find(bytes, b"\r\n\r\n")? + 4;
    if !bytes.starts_with(b"HTTP/1.1 200 ") || bytes.len() > start + BODY.len() {
        return Some(false);
    }
    (bytes.len() == start + BODY.len()).then(|| bytes[start..] == BODY)
}

fn unexpected(what: &str, answer: &[u8]) -> io::Error {
    let start = &answer[..answer.len().min(400)];
    io::Error::other(format!("{what}: {:?}", String::from_utf8_lossy(start)))
}

#[cfg(test)]
mod tests {
    use crate::answer;
    use crate::client::complete;

    #[test]
    fn only_the_whole_good_answer_is_complete() {
        let good = answer::good();
        assert_eq!(complete(&good), Some(true));
        for cut in [0, 10, 100, good.len() - 1] {
            assert_eq!(complete(&good[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn any_other_answer_is_wrong() {
        let mut changed = answer::good();
        let last = changed.len() - 5;
        changed[last] ^= 1;
        let longer = [answer::good(), b"x".to_vec()].concat();
        for wrong in [changed, longer, answer::unauthorized(), b"HTTP/1.1 503 Service Unavailable\r\n\r\n".to_vec()] {
            assert_eq!(complete(&wrong), Some(false), "{}", String::from_utf8_lossy(&wrong));
        }
    }
}
