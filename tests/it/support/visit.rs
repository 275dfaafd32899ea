//! One connection as an origin sees it: what arrived, byte by byte, and the means to answer.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{Arc, Condvar, Mutex},
};

use rustls::{ServerConnection, StreamOwned};

use crate::support::{
    wait::{PATIENCE, until},
    wire::{self, Fault, Message, Parsed},
};

/// Of what arrives on a connection no more than this is kept; the rest is counted.
const KEPT: usize = 2 << 20;

/// What became of one connection so far.
#[derive(Clone, Default, Debug)]
pub(crate) struct Seen {
    /// Application bytes, after TLS; the first [`KEPT`].
    pub bytes: Vec<u8>,
    /// How many there were.
    pub count: usize,
    /// The server name that the TLS client named.
    pub server_name: Option<String>,
    /// Whether the TLS handshake failed.
    pub refused: bool,
    /// Whether the origin has said farewell.
    pub closing: bool,
    /// Whether the connection is over.
    pub over: bool,
}

/// All connections of an origin, in the order of their acceptance.
#[derive(Default)]
pub(crate) struct Log {
    pub seen: Mutex<Vec<Seen>>,
    pub changed: Condvar,
}

impl Log {
    /// Changes what is known of one connection and wakes who waits for it.
    pub(crate) fn note(&self, index: usize, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap()[index]);
        self.changed.notify_all();
    }

    /// Waits until `ask` finds what it looks for.
    #[track_caller]
    pub(crate) fn until<T>(&self, what: &str, ask: impl Fn(&[Seen]) -> Option<T>) -> T {
        let waiting = |seen: &mut Vec<Seen>| ask(seen).is_none();
        let guard = self.seen.lock().unwrap();
        let (seen, _) = self.changed.wait_timeout_while(guard, PATIENCE, waiting).unwrap();
        ask(&seen).unwrap_or_else(|| panic!("waited in vain until {what}; the origin saw {seen:#?}"))
    }
}

/// The stream of a connection.
pub(crate) enum Line {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

/// One connection, handed to an origin's script.
pub(crate) struct Visit {
    pub line: Line,
    pub log: Arc<Log>,
    pub index: usize,
    pub unread: Vec<u8>,
}

impl Visit {
    /// Reads one whole request; `None` at the end of input.
    pub(crate) fn request(&mut self) -> io::Result<Option<Message>> {
        self.read_as(wire::request)
    }

    /// Reads one head and leaves the body unread; `None` at the end of input.
    pub(crate) fn head(&mut self) -> io::Result<Option<Message>> {
        self.read_as(wire::head)
    }

    fn read_as(&mut self, parse: fn(&[u8]) -> Parsed) -> io::Result<Option<Message>> {
        loop {
            match parse(&self.unread) {
                Ok((message, length)) => {
                    self.unread.drain(..length);
                    return Ok(Some(message));
                }
                Err(Fault::Short) => (),
                Err(Fault::Dirty(why)) => return Err(io::Error::new(ErrorKind::InvalidData, why)),
            }
            let mut buffer = [0; 16 << 10];
            match self.read(&mut buffer)? {
                0 if self.unread.is_empty() => return Ok(None),
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                count => self.unread.extend_from_slice(&buffer[..count]),
            }
        }
    }

    /// Reads what comes next, and keeps it unread.
    pub(crate) fn more(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 << 10];
        match self.read(&mut buffer)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            count => {
                self.unread.extend_from_slice(&buffer[..count]);
                Ok(())
            }
        }
    }

    /// Reads one whole request that ends with these bytes, and looks at it only then: for those of many small chunks.
    pub(crate) fn request_ending(&mut self, end: &[u8]) -> io::Result<Message> {
        let mut buffer = vec![0; 64 << 10];
        while !self.unread.ends_with(end) {
            match self.read(&mut buffer)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                count => self.unread.extend_from_slice(&buffer[..count]),
            }
        }
        let all = std::mem::take(&mut self.unread);
        match wire::request(&all) {
            Ok((message, length)) if length == all.len() => Ok(message),
            other => Err(io::Error::new(ErrorKind::InvalidData, format!("{:?}", other.map(|(_, length)| length)))),
        }
    }

    /// Waits, without reading, until the other side has broken the connection off.
    pub(crate) fn broken_off(&self) {
        until("the connection is broken off", || self.socket().take_error().ok().flatten());
    }

    /// What it is written to.
    pub(crate) fn socket(&self) -> &TcpStream {
        match &self.line {
            Line::Plain(it) => it,
            Line::Tls(it) => &it.sock,
        }
    }

    /// Takes at least `count` bytes of a body.
    pub(crate) fn take(&mut self, count: usize) -> io::Result<()> {
        let mut buffer = vec![0; 64 << 10];
        let mut left = count.saturating_sub(self.unread.len());
        self.unread.clear();
        while left > 0 {
            match self.read(&mut buffer)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                count => left = left.saturating_sub(count),
            }
        }
        Ok(())
    }

    /// Reads until the other side ends or the connection breaks.
    pub(crate) fn drain(&mut self) {
        let mut buffer = vec![0; 64 << 10];
        while self.read(&mut buffer).is_ok_and(|count| count > 0) {}
    }

    /// Sends bytes as they are.
    pub(crate) fn write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let bytes = bytes.as_ref();
        match &mut self.line {
            Line::Plain(it) => it.write_all(bytes).and_then(|()| it.flush()),
            Line::Tls(it) => it.write_all(bytes).and_then(|()| it.flush()),
        }
    }

    /// Ends our side in good order: with a close-notify where there is TLS.
    pub(crate) fn close(&mut self) {
        let socket = match &mut self.line {
            Line::Plain(it) => it,
            Line::Tls(it) => {
                it.conn.send_close_notify();
                drop(it.flush());
                &mut it.sock
            }
        };
        drop(socket.shutdown(Shutdown::Write));
        self.log.note(self.index, |seen| seen.closing = true);
    }

    /// Reads what is there; nothing is the end of input.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.line {
            Line::Plain(it) => it.read(buffer),
            Line::Tls(it) => it.read(buffer),
        }?;
        self.log.note(self.index, |seen| {
            let kept = count.min(KEPT - seen.bytes.len().min(KEPT));
            seen.bytes.extend_from_slice(&buffer[..kept]);
            seen.count += count;
        });
        Ok(count)
    }
}
