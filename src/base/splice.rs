//! Two connections joined to one: what comes from either goes to the other as it is, and so does its end.

use std::{
    cell::RefCell,
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::base::{idle::Idle, pipe::Pipe};

/// Most bytes that are read at once, and most that wait for a peer that does not take them.
const MOST_AT_ONCE: usize = 65_536;
/// Most reads until others have their turn.
const MOST_READS: usize = 16;
/// From how many bytes at once on it is cheaper to have the system move them than to copy them.
const MUCH: usize = 16_384;

thread_local! {
    /// Every splice reads into this; only what the other side does not take at once is copied, so a quiet one owns no
    /// buffer.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; MOST_AT_ONCE].into());
}

/// A byte stream that can also be cut.
pub trait Line: AsyncRead + AsyncWrite + Unpin + Send + Sync + fmt::Debug {
    /// Makes its end unmistakable: when it is dropped, the peer sees that it was cut.
    fn abort(&self);

    /// The socket, if nothing but the socket stands between these bytes and the peer.
    fn tcp(&self) -> Option<&TcpStream>;
}

/// One of the two.
#[derive(Debug)]
pub struct Side {
    line: Box<dyn Line>,
    held: Held,
    input: Input,
    /// Whether much came when it was last read from.
    flows: bool,
    passed: u64,
}

/// What was read from a side and is not yet passed on.
#[derive(Debug)]
enum Held {
    /// The bytes from there on.
    Bytes(Vec<u8>, usize),
    /// What is in the pipe. Both sides are TCP then.
    Piped(Pipe),
}

/// How far reading from a side has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Input {
    Open,
    /// It said farewell.
    Ended,
    /// It ended as if it had been cut.
    Torn,
    /// The other side has been told of the end.
    PassedOn,
}

/// A client and an origin server, joined.
#[derive(Debug)]
pub struct Splice {
    client: Side,
    origin: Side,
    idle: Idle,
}

/// How it ended.
#[derive(Debug)]
pub enum End {
    /// Both sides said farewell, and all that they sent was passed on.
    Both,
    /// The client is gone.
    Client(io::Error),
    /// The origin server is gone.
    Origin(io::Error),
    /// Nothing moved for too long.
    Idle,
}

impl Side {
    /// A connection from which these bytes have been read already.
    pub fn new(line: impl Line + 'static, read: Vec<u8>) -> Self {
        Self { line: Box::new(line), held: Held::Bytes(read, 0), input: Input::Open, flows: false, passed: 0 }
    }

    /// Passes on to `to` what is here and what comes. Ready when the end of it has been passed on.
    fn poll_pass(&mut self, to: &mut dyn Line, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        for _ in 0..MOST_READS {
            ready!(self.poll_drain(to, cx))?;
            match self.input {
                Input::Open => match self.poll_move_on(to, cx) {
                    Some(moved) => ready!(moved)?,
                    None => ready!(self.poll_read_on(to, cx))?,
                },
                Input::Torn => {
                    // What it sent before shall still arrive.
                    ready!(Pin::new(to).poll_flush(cx)).map_err(Broken::To)?;
                    return Poll::Ready(Err(Broken::From(io::ErrorKind::UnexpectedEof.into())));
                }
                Input::Ended => {
                    // Whoever cannot be told any more is gone, which reading from there shows.
                    drop(ready!(Pin::new(&mut *to).poll_shutdown(cx)));
                    self.input = Input::PassedOn;
                }
                Input::PassedOn => return Poll::Ready(Ok(())),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// It is gone. What merely ended too early ends so on the other side, too; all else is cut.
    fn lose(&self, other: &dyn Line) {
        if self.input != Input::Torn {
            other.abort();
        }
    }

    fn poll_drain(&mut self, to: &mut dyn Line, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        loop {
            let taken = match (&mut self.held, to.tcp()) {
                (Held::Bytes(bytes, at), _) if *at < bytes.len() => {
                    let taken = ready!(poll_write(to, cx, &bytes[*at..])).map_err(Broken::To)?;
                    *at += taken;
                    taken
                }
                (Held::Piped(pipe), Some(to)) if !pipe.is_empty() => {
                    ready!(pipe.poll_empty(to, cx)).map_err(Broken::To)?
                }
                _ => break,
            };
            self.passed += taken as u64;
        }
        self.held = Held::Bytes(Vec::new(), 0);
        Poll::Ready(Ok(()))
    }

    /// Has the system move what comes, where much comes and nothing is done to it on the way.
    fn poll_move_on(&mut self, to: &dyn Line, cx: &mut Context<'_>) -> Option<Poll<Result<(), Broken>>> {
        let from = self.line.tcp().filter(|_| self.flows && to.tcp().is_some())?;
        let mut pipe = Pipe::take()?;
        let Poll::Ready(moved) = pipe.poll_fill(from, cx) else { return Some(Poll::Pending) };
        match moved.transpose()? {
            Ok(0) => self.input = Input::Ended,
            Ok(moved) => {
                self.flows = moved >= MUCH;
                self.held = Held::Piped(pipe);
            }
            Err(error) => return Some(Poll::Ready(Err(Broken::From(error)))),
        }
        Some(Poll::Ready(Ok(())))
    }

    /// Reads once, and passes on at once what `to` takes. While nothing comes, nothing is held back.
    fn poll_read_on(&mut self, to: &mut dyn Line, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut room = ReadBuf::new(scratch);
            match Pin::new(&mut *self.line).poll_read(cx, &mut room) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.input = Input::Torn;
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Broken::From(error))),
                Poll::Pending => {
                    ready!(Pin::new(to).poll_flush(cx)).map_err(Broken::To)?;
                    return Poll::Pending;
                }
            }
            let mut rest = room.filled();
            self.flows = rest.len() >= MUCH;
            if rest.is_empty() {
                self.input = Input::Ended;
            }
            while !rest.is_empty() {
                let Poll::Ready(taken) = poll_write(to, cx, rest) else {
                    self.held = Held::Bytes(rest.to_vec(), 0);
                    break;
                };
                let taken = taken.map_err(Broken::To)?;
                self.passed += taken as u64;
                rest = &rest[taken..];
            }
            Poll::Ready(Ok(()))
        })
    }
}

/// Which of two sides cannot go on, and why.
#[derive(Debug)]
enum Broken {
    From(io::Error),
    To(io::Error),
}

impl Splice {
    /// Joins the two. After so long a silence of both it ends.
    pub fn new(client: Side, origin: Side, idle: Duration) -> Self {
        Self { client, origin, idle: Idle::new(idle) }
    }

    /// Bytes that were passed on so far: up, down.
    pub fn passed(&self) -> (u64, u64) {
        (self.client.passed, self.origin.passed)
    }

    /// Passes on what there is. Ready at the end of both directions.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let before = self.passed();
        let up = self.client.poll_pass(&mut *self.origin.line, cx);
        let down = self.origin.poll_pass(&mut *self.client.line, cx);
        match (up, down) {
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => return Poll::Ready(End::Both),
            (Poll::Ready(Err(Broken::From(error))), _) | (_, Poll::Ready(Err(Broken::To(error)))) => {
                self.client.lose(&*self.origin.line);
                return Poll::Ready(End::Client(error));
            }
            (Poll::Ready(Err(Broken::To(error))), _) | (_, Poll::Ready(Err(Broken::From(error)))) => {
                self.origin.lose(&*self.client.line);
                return Poll::Ready(End::Origin(error));
            }
            _ => {}
        }
        if self.passed() != before {
            self.idle.touch();
        }
        ready!(self.idle.poll_over(cx));
        self.cut();
        Poll::Ready(End::Idle)
    }

    /// Ends both so that neither takes what it got for whole.
    pub fn cut(&self) {
        self.client.line.abort();
        self.origin.line.abort();
    }
}

fn poll_write(to: &mut dyn Line, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    match ready!(Pin::new(to).poll_write(cx, bytes)) {
        Ok(0) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        taken => Poll::Ready(taken),
    }
}
