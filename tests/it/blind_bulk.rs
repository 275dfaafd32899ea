//! Tunnels through which much goes: whoever moves it, the system or we, it arrives as it was sent, and little of it is
//! kept on the way.

use std::{
    fs,
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    path::Path,
    thread,
};

use tempfile::TempDir;

use crate::support::{Agent, Appliance, Origin, memory::Peak, queues::queued, visit::Visit, wait::until};

/// How much goes each way: more than fits on the way while nobody reads.
const LENGTH: usize = 16 << 20;
/// Pipes that a worker may have.
const PIPES: usize = 16;

/// A stream of which no two near pieces are alike.
struct Stream(Vec<u8>);

impl Stream {
    fn numbered(number: u32) -> Self {
        Self((number..number + 16_381).flat_map(|it| it.wrapping_mul(2_654_435_761).to_be_bytes()).collect())
    }

    fn send(&self, to: &mut impl Write) -> io::Result<()> {
        let mut left = LENGTH;
        while left > 0 {
            let piece = &self.0[..left.min(self.0.len())];
            to.write_all(piece)?;
            left -= piece.len();
        }
        Ok(())
    }

    /// Reads to the end; fails if anything else arrives, or less.
    fn expect(&self, from: &mut impl Read) -> io::Result<()> {
        let (mut at, mut buffer) = (0, vec![0; 64 << 10]);
        loop {
            let count = from.read(&mut buffer)?;
            if count == 0 {
                let short = || io::Error::new(ErrorKind::UnexpectedEof, format!("the stream ended after {at} bytes"));
                return if at == LENGTH { Ok(()) } else { Err(short()) };
            }
            for piece in buffer[..count].chunks(4 << 10) {
                let place = at % self.0.len();
                let here = piece.len().min(self.0.len() - place);
                if piece[..here] != self.0[place..place + here] || piece[here..] != self.0[..piece.len() - here] {
                    return Err(io::Error::new(ErrorKind::InvalidData, format!("other bytes after {at}")));
                }
                at += piece.len();
            }
        }
    }
}

/// Sends one stream and reads another, both at once.
fn exchange(mut socket: TcpStream, sent: &Stream, expected: &Stream) -> io::Result<()> {
    let mut reading = socket.try_clone()?;
    thread::scope(|scope| {
        let reader = scope.spawn(move || expected.expect(&mut reading));
        sent.send(&mut socket)?;
        socket.shutdown(Shutdown::Write)?;
        reader.join().unwrap()
    })
}

fn origin() -> Origin {
    Origin::not_tls(|visit: &mut Visit| {
        exchange(visit.socket().try_clone()?, &Stream::numbered(1), &Stream::numbered(2))
    })
}

/// A tunnel that is open, of which nothing else has been read.
fn tunnel(agent: Agent, origin: &Origin) -> TcpStream {
    let mut socket = agent.into_socket();
    let authority = origin.authority();
    socket.write_all(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n").as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    assert!(head.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&head));
    socket
}

/// Pipes that the process has open.
fn pipes(pid: u32) -> usize {
    let ends = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let is_pipe = |link: &Path| link.to_string_lossy().starts_with("pipe:");
    ends.filter_map(|end| fs::read_link(end.unwrap().path()).ok()).filter(|it| is_pipe(it)).count() / 2
}

/// Waits until the proxy reads no more from the origin because nobody reads from the proxy: bytes wait for it, and all its
/// threads sleep.
fn full(origin: &Origin, appliance: &Appliance) {
    let mut last = 0;
    until("all buffers are full", || {
        let now = queued(origin.port());
        let is_steady = std::mem::replace(&mut last, now) == now && now > 0;
        (is_steady && is_asleep(appliance.pid())).then_some(())
    });
}

/// Whether no thread of a process runs or waits for a core.
fn is_asleep(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    threads
        .map(|it| fs::read_to_string(it.unwrap().path().join("stat")))
        .all(|it| it.is_ok_and(|it| it.contains(") S ")))
}

#[test]
fn between_sockets_the_system_moves_it_and_from_elsewhere_it_is_copied() {
    let folder = TempDir::with_prefix("vs-").unwrap();
    let unix = folder.path().join("proxy.sock");
    let origin = origin();
    let appliance = Appliance::builder()
        .reaching(&origin)
        .set("proxy.intercept", "\"off\"")
        .set("server.socket", &format!("{:?}", unix.display().to_string()))
        .start();
    let before = pipes(appliance.pid());
    for (agent, moved) in [(Agent::dial_unix(&unix), false), (Agent::dial(appliance.address()), true)] {
        let socket = tunnel(agent, &origin);
        full(&origin, &appliance);
        exchange(socket, &Stream::numbered(2), &Stream::numbered(1)).unwrap();
        assert_eq!(pipes(appliance.pid()) > before, moved);
    }
    let lines = appliance.audit("two tunnels", |lines| {
        let all: Vec<_> = lines.iter().filter(|it| it.door == "TUNNEL").cloned().collect();
        (all.len() == 2).then_some(all)
    });
    let length = LENGTH.to_string();
    for line in lines {
        assert_eq!(["outcome", "up", "down"].map(|it| line.get(it)), ["ok", &*length, &*length], "{}", line.text);
    }
}

#[test]
fn more_tunnels_than_there_are_pipes_are_served_all_the_same() {
    let origin = origin();
    let appliance = Appliance::builder().reaching(&origin).set("proxy.intercept", "\"off\"").start();
    let before = pipes(appliance.pid());
    let mut peak = Peak::of(appliance.pid());
    let workers = thread::available_parallelism().unwrap().get();
    // On a machine of so many cores that each worker has pipes enough, all of it is moved.
    let tunnels: Vec<_> = (0..3 * PIPES).map(|_| tunnel(Agent::dial(appliance.address()), &origin)).collect();
    full(&origin, &appliance);
    let owned = pipes(appliance.pid()) - before;
    assert!(owned > 0 && owned <= PIPES * workers, "{owned} pipes");
    peak.look();
    thread::scope(|scope| {
        for tunnel in tunnels {
            scope.spawn(move || exchange(tunnel, &Stream::numbered(2), &Stream::numbered(1)).unwrap());
        }
    });
    assert!(pipes(appliance.pid()) - before <= PIPES * workers);
    let peak = peak.mib();
    assert!(peak < 48, "{peak} MiB at the peak");
}

#[test]
fn a_tunnel_that_is_cut_takes_what_was_on_the_way_with_it() {
    let origin = origin();
    let appliance = Appliance::builder().reaching(&origin).set("proxy.intercept", "\"off\"").start();
    let cut = tunnel(Agent::dial(appliance.address()), &origin);
    full(&origin, &appliance);
    socket2::SockRef::from(&cut).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(cut);
    origin.until("it is cut, too", |seen| seen[0].over.then_some(()));
    for _ in 0..4 {
        let socket = tunnel(Agent::dial(appliance.address()), &origin);
        exchange(socket, &Stream::numbered(2), &Stream::numbered(1)).unwrap();
    }
}
