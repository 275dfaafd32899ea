//! The attacks: each takes as much as it can of what all callers share, and holds it.

use std::{
    any::Any,
    io::{self, Write as _},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use h2::Reason;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    siege::Scene,
    support::{
        Agent, Http2Origin,
        appliance::ALIAS,
        frames::{PING, SETTINGS, bare, frame, reset},
        http2_client::{RawClient, run},
        http2_origin::send,
        swarm::{Swarm, read_head, serve},
        wait::until,
    },
};

/// One attack.
pub(crate) struct Attack {
    pub name: &'static str,
    /// How often it is repeated in `make test`, and in full.
    pub times: [usize; 2],
    /// By how many MiB the memory of the process may grow under it, in `make test` and in full.
    pub most_mib: [u64; 2],
    /// Begins it; what it gives holds on to what was taken.
    pub begin: fn(&Scene, usize) -> Box<dyn Any>,
}

pub(crate) const ALL: [Attack; 11] = [
    Attack { name: "unfinished messages", times: [15, 100], most_mib: [90, 120], begin: unfinished_messages },
    Attack { name: "unread HTTP/2 answers", times: [120, 1536], most_mib: [50, 450], begin: unread_http2 },
    Attack { name: "unread HTTP/1.1 answers", times: [100, 1536], most_mib: [40, 300], begin: unread_http1 },
    Attack { name: "loopback addresses", times: [450, 14_000], most_mib: [20, 400], begin: loopback_addresses },
    Attack { name: "unfinished heads", times: [250, 1000], most_mib: [30, 50], begin: unfinished_heads },
    Attack { name: "large messages", times: [8, 400], most_mib: [60, 120], begin: large_messages },
    Attack { name: "many Connection options", times: [50, 20_000], most_mib: [30, 60], begin: connection_options },
    Attack { name: "large heads", times: [100, 1536], most_mib: [30, 100], begin: large_heads },
    Attack { name: "reads of the log", times: [100, 20_000], most_mib: [30, 60], begin: reads_of_the_log },
    Attack { name: "made-up keys", times: [100, 20_000], most_mib: [30, 60], begin: made_up_keys },
    Attack { name: "HTTP/2 floods", times: [4, 20_000], most_mib: [30, 60], begin: http2_floods },
];

/// All of a message of MCP but its last byte.
fn unfinished_messages(scene: &Scene, times: usize) -> Box<dyn Any> {
    const LONGEST: usize = 4 << 20;
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {LONGEST}\r\n\r\n",
        scene.appliance.address(),
        scene.appliance.key("hostile"),
    );
    let rest = vec![b' '; LONGEST - 1];
    let one = |_| {
        let mut agent = scene.dial(1);
        // Who is refused need not be heard to the end.
        drop(agent.try_send(&head).and_then(|()| agent.try_send(&rest)));
        agent
    };
    Box::new((0..times).map(one).collect::<Vec<Agent>>())
}

/// Long answers of HTTP/2 origins of its own, of which nothing is read.
fn unread_http2(scene: &Scene, times: usize) -> Box<dyn Any> {
    let sent = Arc::<AtomicUsize>::default();
    let origins: Vec<Http2Origin> = (0..times.div_ceil(8)).map(|_| endless(&sent)).collect();
    let authority = |at: usize| origins[at % origins.len()].authority();
    let agents: Vec<Agent> = (0..times).map(|at| ask(scene, &authority(at))).collect();
    until("all have been asked", || {
        (origins.iter().map(|it| it.known().heads.len()).sum::<usize>() == times).then_some(())
    });
    settle(&sent);
    Box::new((origins, agents))
}

fn endless(sent: &Arc<AtomicUsize>) -> Http2Origin {
    let counter = Arc::clone(sent);
    Http2Origin::with(move |mut call| {
        let counter = Arc::clone(&counter);
        async move {
            let mut stream = call.answer(200, &[]);
            while send(&mut stream, vec![b'x'; 16 << 10].into()).await {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
    })
}

/// The same over HTTP/1.1, where what is unread waits in the system.
fn unread_http1(scene: &Scene, times: usize) -> Box<dyn Any> {
    let [asked, sent] = <[Arc<AtomicUsize>; 2]>::default();
    let (of_origin, counter) = (Arc::clone(&asked), Arc::clone(&sent));
    let authority = serve(move |mut line| {
        let (asked, sent) = (Arc::clone(&of_origin), Arc::clone(&counter));
        async move {
            read_head(&mut line).await?;
            asked.fetch_add(1, Ordering::Relaxed);
            // What is sent before would keep others from asking.
            while asked.load(Ordering::Relaxed) < times {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            line.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n").await?;
            loop {
                line.write_all(&[b'x'; 16 << 10]).await?;
                line.flush().await?;
                sent.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let agents: Vec<Agent> = (0..times).map(|_| ask(scene, &authority)).collect();
    until("all have been asked", || (asked.load(Ordering::Relaxed) >= times).then_some(()));
    settle(&sent);
    Box::new(agents)
}

/// Asks and does not read.
fn ask(scene: &Scene, authority: &str) -> Agent {
    ask_with(scene, authority, "")
}

/// The same with more field lines.
fn ask_with(scene: &Scene, authority: &str, more: &str) -> Agent {
    let mut agent = scene.dial(1);
    let (host, key) = (scene.appliance.address(), scene.appliance.key("hostile"));
    let fields = format!("Host: {host}\r\nAuthorization: Bearer {key}\r\nX-Vultrino-Credential: {ALIAS}");
    agent.send(format!("GET /https://{authority}/ HTTP/1.1\r\n{fields}\r\n{more}\r\n"));
    agent
}

/// Until every buffer on the way is full.
fn settle(moved: &AtomicUsize) {
    let mut before = 0;
    until("nothing moves any more", || {
        thread::sleep(Duration::from_millis(300));
        let now = moved.load(Ordering::Relaxed);
        (std::mem::replace(&mut before, now) == now && now > 0).then_some(())
    });
}

/// A program without a key that connects from many addresses of its machine.
fn loopback_addresses(scene: &Scene, times: usize) -> Box<dyn Any> {
    Box::new((0..times).filter_map(|at| scene.try_dial(at).ok()).collect::<Vec<_>>())
}

/// Programs that go on until they have attacked often enough, or until this is dropped.
struct Busy {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Busy {
    /// Two of them, which share these times; each does what a function that is made for it does.
    fn new<F: FnMut(usize) + Send + 'static>(times: usize, each: impl Fn() -> F) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let one = |first: usize| {
            let (stop, each) = (Arc::clone(&stop), each());
            thread::spawn(move || {
                (first..times).step_by(2).take_while(|_| !stop.load(Ordering::Relaxed)).for_each(each);
            })
        };
        let threads = [0, 1].map(one).into();
        Self { stop, threads }
    }

    /// The same with a connection each over HTTP/1.1, and another one when that has ended.
    fn asking(
        scene: &Scene,
        times: usize,
        each: impl Fn(&mut Agent, usize) -> io::Result<()> + Clone + Send + 'static,
    ) -> Self {
        let proxy = scene.appliance.address();
        Self::new(times, || {
            let (mut agent, each) = (Agent::dial(proxy), each.clone());
            move |at| {
                // Refused with an end of the connection, or at its limit.
                if each(&mut agent, at).is_err() {
                    agent = Agent::dial(proxy);
                }
            }
        })
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}

/// Messages of MCP that are whole, of the longest kind: to be read, checked and parsed.
fn large_messages(scene: &Scene, times: usize) -> Box<dyn Any> {
    let filler = "x".repeat((4 << 20) - 1024);
    let message =
        format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{{\"x\":\"{filler}\"}}}}");
    let fields =
        format!("Host: {}\r\nAuthorization: Bearer {}", scene.appliance.address(), scene.appliance.key("hostile"));
    let kind = "Content-Type: application/json\r\nAccept: application/json, text/event-stream";
    let head = format!("POST /mcp HTTP/1.1\r\n{fields}\r\n{kind}\r\nContent-Length: {}\r\n\r\n", message.len());
    let whole = Arc::new(head + &message);
    Box::new(Busy::asking(scene, times, move |agent, _| {
        agent.try_send(whole.as_bytes())?;
        agent.try_answer("POST").map(drop)
    }))
}

/// Requests whose `Connection` names as many fields as fit, and which have as many.
fn connection_options(scene: &Scene, times: usize) -> Box<dyn Any> {
    let options: Vec<String> = (0..9000).map(|at| format!("x{at}")).collect();
    let fields =
        format!("Host: {}\r\nAuthorization: Bearer {}", scene.appliance.address(), scene.appliance.key("hostile"));
    let request = format!(
        "GET /https://localhost:1/ HTTP/1.1\r\n{fields}\r\nX-Vultrino-Credential: {ALIAS}\r\nConnection: {}\r\n\r\n",
        options.join(","),
    );
    Box::new(Busy::asking(scene, times, move |agent, _| {
        agent.try_send(&request)?;
        agent.try_answer("GET").map(drop)
    }))
}

/// Requests whose heads are as long as they may be, at an origin of its own that takes them and never answers.
fn large_heads(scene: &Scene, times: usize) -> Box<dyn Any> {
    let taken = Arc::<AtomicUsize>::default();
    let counter = Arc::clone(&taken);
    let authority = serve(move |mut line| {
        let counter = Arc::clone(&counter);
        async move {
            let (mut head, mut piece) = (Vec::new(), [0; 16 << 10]);
            while !head.ends_with(b"\r\n\r\n") {
                match line.read(&mut piece).await? {
                    0 => return Ok(()),
                    count => head.extend_from_slice(&piece[..count]),
                }
            }
            counter.fetch_add(1, Ordering::Relaxed);
            std::future::pending().await
        }
    });
    let long = format!("X-Long: {}\r\n", "y".repeat(60 << 10));
    let agents: Vec<Agent> = (0..times).map(|_| ask_with(scene, &authority, &long)).collect();
    settle(&taken);
    // The others are refused: all heads of a client take at most 16 MiB.
    assert!(taken.load(Ordering::Relaxed) <= (16 << 20) / (60 << 10));
    Box::new(agents)
}

/// Reads of the audit log that find nothing: each looks at all of its lines.
fn reads_of_the_log(scene: &Scene, times: usize) -> Box<dyn Any> {
    let (host, key) = (scene.appliance.address(), scene.appliance.key("hostile"));
    let fields = format!("Host: {host}\r\nAuthorization: Bearer {key}");
    let request = format!("GET /v1/audit?name=nobody HTTP/1.1\r\n{fields}\r\n\r\n");
    Box::new(Busy::asking(scene, times, move |agent, _| {
        agent.try_send(&request)?;
        assert_eq!(agent.try_answer("GET")?.status(), 200);
        Ok(())
    }))
}

/// Requests of a program without a key that makes one up each time: each is to be refused, counted and recorded. The
/// counters know a key by the eight characters after `vk_`, so those differ.
fn made_up_keys(scene: &Scene, times: usize) -> Box<dyn Any> {
    let host = scene.appliance.address();
    Box::new(Busy::asking(scene, times, move |agent, at| {
        let key = format!("Authorization: Bearer vk_{at:08}{:024}", 0);
        agent.try_send(format!("GET /https://localhost:1/ HTTP/1.1\r\nHost: {host}\r\n{key}\r\n\r\n"))?;
        assert_eq!(agent.try_answer("GET")?.status(), 401);
        Ok(())
    }))
}

/// Connections over HTTP/2 whose requests are reset at once, between frames that ask for an answer each: until they are
/// sent away.
fn http2_floods(scene: &Scene, times: usize) -> Box<dyn Any> {
    let swarm = Swarm::of_http2(&scene.appliance, Some(scene.appliance.key("hostile")));
    let fields = [(":method", "GET"), (":scheme", "https"), (":authority", "localhost:1"), (":path", "/")];
    let asked = [frame(PING, 0, 0, &[7; 8]), frame(SETTINGS, 0, 0, &[])].concat().repeat(10);
    let one = |at: u32| [bare(2 * at + 1, &fields), reset(2 * at + 1, Reason::CANCEL), asked.clone()].concat();
    let pieces: Arc<[Vec<u8>]> = (0..2000).map(one).collect();
    Box::new(Busy::new(times, || {
        let (swarm, pieces) = (swarm.clone(), Arc::clone(&pieces));
        move |_| {
            let flood = async {
                // It may be sent away before it has said its preface.
                if let Ok(client) = RawClient::to(&swarm, "localhost:1").await {
                    client.flood(pieces.iter().cloned()).await;
                }
            };
            run(flood);
        }
    }))
}

/// Long heads without their ends, from a program without a key.
fn unfinished_heads(scene: &Scene, times: usize) -> Box<dyn Any> {
    let long = |it: &str| it.repeat(60_000);
    let head = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\nX: {}", long("p"), long("y"));
    let one = |at: usize| -> io::Result<std::net::TcpStream> {
        let mut socket = scene.try_dial(at)?;
        socket.write_all(head.as_bytes())?;
        Ok(socket)
    };
    Box::new((0..times).filter_map(|at| one(at).ok()).collect::<Vec<_>>())
}
