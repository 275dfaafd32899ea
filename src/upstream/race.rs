//! Happy eyeballs (RFC 8305): an address that does not answer delays the next by a quarter of a second only.

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use tokio::{
    net::TcpStream,
    time::{Instant, sleep},
};

/// How long an attempt goes on alone: the connection attempt delay of RFC 8305 section 5.
const HEAD_START: Duration = Duration::from_millis(250);
/// Attempts that wait at once. Who chooses the addresses chooses how many of them are dead.
const MOST_AT_ONCE: usize = 4;

type Attempt = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

/// A connection to the first of these addresses that answers, and that address. They are tried in this order, but the families
/// take turns.
///
/// # Errors
/// Why the last one failed, if all did.
pub async fn connect(addresses: Vec<SocketAddr>) -> io::Result<(TcpStream, SocketAddr)> {
    let mut waiting = in_turns(addresses).into_iter();
    let mut attempts: Vec<(SocketAddr, Attempt)> = Vec::new();
    let mut pause = pin!(sleep(HEAD_START));
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    poll_fn(|cx| {
        loop {
            let before = attempts.len();
            let mut at = 0;
            while let Some((address, attempt)) = attempts.get_mut(at) {
                match attempt.as_mut().poll(cx) {
                    Poll::Ready(Ok(tcp)) => return Poll::Ready(Ok((tcp, *address))),
                    Poll::Ready(Err(error)) => {
                        last = error;
                        drop(attempts.swap_remove(at));
                    }
                    Poll::Pending => at += 1,
                }
            }
            let is_due = attempts.len() < before || attempts.is_empty() || pause.as_mut().poll(cx).is_ready();
            if !is_due || attempts.len() == MOST_AT_ONCE {
                return Poll::Pending;
            }
            match waiting.next() {
                Some(address) => {
                    attempts.push((address, attempt(address)));
                    pause.as_mut().reset(Instant::now() + HEAD_START);
                }
                None if attempts.is_empty() => {
                    return Poll::Ready(Err(std::mem::replace(&mut last, io::ErrorKind::AddrNotAvailable.into())));
                }
                None => return Poll::Pending,
            }
        }
    })
    .await
}

/// The same one after the other: for a single address, and for those of this machine, which answer at once or not at all.
///
/// # Errors
/// As [`connect`].
pub async fn connect_in_turn(addresses: Vec<SocketAddr>) -> io::Result<(TcpStream, SocketAddr)> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match connect_to(address).await {
            Ok(tcp) => return Ok((tcp, address)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[expect(clippy::disallowed_methods, reason = "the addresses have passed the guard")]
fn connect_to(address: SocketAddr) -> impl Future<Output = io::Result<TcpStream>> + Send {
    TcpStream::connect(address)
}

fn attempt(address: SocketAddr) -> Attempt {
    Box::pin(connect_to(address))
}

/// One of each family after the other, for as long as there are both, beginning with that of the first (RFC 8305 section 4).
fn in_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (same, other): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|it| it.is_ipv6() == first);
    let (mut same, mut other) = (same.into_iter(), other.into_iter());
    std::iter::from_fn(|| Some([same.next(), other.next()]))
        .take_while(|it| it.iter().any(Option::is_some))
        .flatten()
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use crate::upstream::race::in_turns;

    #[test]
    fn families_take_turns() {
        for (given, expected) in [
            (&["1.1.1.1:1"][..], &["1.1.1.1:1"][..]),
            (&["[::2]:1", "[::3]:1", "1.1.1.1:1"], &["[::2]:1", "1.1.1.1:1", "[::3]:1"]),
            (&["1.1.1.1:1", "1.1.1.2:1", "1.1.1.3:1", "[::2]:1"], &["1.1.1.1:1", "[::2]:1", "1.1.1.2:1", "1.1.1.3:1"]),
            (&[], &[]),
        ] {
            let parse = |them: &[&str]| them.iter().map(|it| it.parse().unwrap()).collect::<Vec<SocketAddr>>();
            assert_eq!(in_turns(parse(given)), parse(expected));
        }
    }
}
