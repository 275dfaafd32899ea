//! Pipes through which the system moves bytes from one socket to another, so that they never come up to us.

use std::{
    cell::RefCell,
    io,
    os::fd::{AsFd, OwnedFd},
    task::{Context, Poll, ready},
};

use rustix::{
    io::Errno,
    pipe::{self, PipeFlags, SpliceFlags},
};
use tokio::{io::Interest, net::TcpStream};

/// What a pipe has room for, and so the most that moves at once. The system counts in pages, of which a small packet from
/// the network takes one as well.
const SIZE: usize = 262_144;
/// Most pipes of a thread: what is in them is memory of the system. Who gets none copies.
pub const MOST: usize = 16;

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { idle: Vec::new(), lent: 0, refused: false }) };
}

/// One of the few pipes of a thread, from [`Pipe::take`] until it is dropped. Only an empty one is then used again, so that
/// nothing gets to where it should not.
#[derive(Debug)]
pub struct Pipe {
    /// Set until it is dropped.
    ends: Option<Ends>,
    holds: usize,
}

#[derive(Debug)]
struct Ends {
    read: OwnedFd,
    write: OwnedFd,
}

#[derive(Debug)]
struct Pool {
    idle: Vec<Ends>,
    lent: usize,
    /// Whether the system does not move bytes this way.
    refused: bool,
}

impl Pipe {
    /// An empty one, unless all are in use or the system gives none.
    pub fn take() -> Option<Self> {
        POOL.with_borrow_mut(|pool| {
            if pool.refused || pool.lent == MOST {
                return None;
            }
            let ends = pool
                .idle
                .pop()
                .or_else(|| open().inspect_err(|error| tracing::debug!(%error, "there is no pipe")).ok())?;
            pool.lent += 1;
            Some(Self { ends: Some(ends), holds: 0 })
        })
    }

    /// Moves what has come on `from` into this pipe, which is empty. `None` if the system does not do that for this
    /// socket; zero is the end of what comes.
    pub fn poll_fill(&mut self, from: &TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<Option<usize>>> {
        let Some(ends) = &self.ends else { return Poll::Ready(Ok(None)) };
        loop {
            ready!(from.poll_read_ready(cx))?;
            match from.try_io(Interest::READABLE, || splice(from, &ends.write, SIZE)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if is_refusal(&error) => {
                    POOL.with_borrow_mut(|pool| pool.refused = true);
                    return Poll::Ready(Ok(None));
                }
                moved => {
                    self.holds = moved?;
                    return Poll::Ready(Ok(Some(self.holds)));
                }
            }
        }
    }

    /// Moves some of what it holds on to `to`.
    pub fn poll_empty(&mut self, to: &TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(ends) = &self.ends else { return Poll::Ready(Ok(0)) };
        loop {
            ready!(to.poll_write_ready(cx))?;
            match to.try_io(Interest::WRITABLE, || splice(&ends.read, to, self.holds)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                moved => {
                    let moved = moved?;
                    self.holds -= moved;
                    return Poll::Ready(Ok(moved));
                }
            }
        }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.holds == 0
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let ends = self.ends.take().filter(|_| self.holds == 0);
        let back = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            pool.lent = pool.lent.saturating_sub(1);
            pool.idle.extend(ends);
        });
        // Where the thread is at its end, the pool is gone, and the pipe is closed.
        back.unwrap_or(());
    }
}

fn open() -> io::Result<Ends> {
    let (read, write) = pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    pipe::fcntl_setpipe_size(&write, SIZE)?;
    Ok(Ends { read, write })
}

fn splice(from: impl AsFd, to: impl AsFd, most: usize) -> io::Result<usize> {
    Ok(pipe::splice(from, None, to, None, most, SpliceFlags::MOVE | SpliceFlags::NONBLOCK)?)
}

/// What the system says of a socket or a call that it does not do this with, as in some sandboxes.
fn is_refusal(error: &io::Error) -> bool {
    let refusals = [Errno::INVAL, Errno::NOSYS, Errno::PERM, Errno::OPNOTSUPP];
    Errno::from_io_error(error).is_some_and(|it| refusals.contains(&it))
}
