//! What many connections at once cost in memory, whatever they do: idle, or with bodies both ways that nobody reads.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf, split},
    sync::watch,
    task::JoinSet,
};

use crate::support::{
    Appliance, Origin,
    appliance::{ALIAS, Builder},
    memory::{Peak, resident_kib},
    scrape::Scrape,
    skip,
    swarm::{Line, Swarm, may_open, read_head, runtime, serve},
    wait::until,
};

/// Intercepted connections that wait for their next request.
const IDLE: usize = 5000;
/// What each of them may cost.
const MOST_IDLE_KIB: u64 = 32;
/// What may be left of all of them when they are gone.
const LEFT_KIB: u64 = 10 << 10;
/// Requests whose bodies move at once, up and down.
const BUSY: usize = 1000;
/// What each of them says that its bodies are long.
const BODY: usize = 10 << 20;
/// How much of them moves each way before they are cut: more than fits on the way while nobody reads.
const MOVED: usize = 1 << 20;
/// What all of them may take.
const MOST_BUSY_MIB: u64 = 256;

#[test]
fn thousands_of_idle_intercepted_connections_cost_little_and_nothing_when_they_are_gone() {
    if !may_open(IDLE as u64) {
        return skip::note("thousands_of_idle_intercepted_connections_cost_little", "too few open files are allowed");
    }
    let (appliance, origin) = (Appliance::start(), Origin::https());
    let authority = origin.authority();
    let swarm = Swarm::of(&appliance);
    let runtime = runtime();
    // What is made once: a certificate, connections to the origin.
    let first = runtime.block_on(open(&swarm, &authority, 50)).unwrap();
    drop(first);
    let before = until("the memory of the start is given back", || {
        let now = resident_kib(appliance.pid());
        (now < 40 << 10).then_some(now)
    });
    let idle = runtime.block_on(open(&swarm, &authority, IDLE)).unwrap();
    let each = (resident_kib(appliance.pid()) - before) / IDLE as u64;
    let open = Scrape::of(&appliance);
    assert_eq!(open.count("vultrino_tunnels", &[]), IDLE as u64);
    assert!(each <= MOST_IDLE_KIB, "{each} KiB each");
    drop(idle);
    until("it is given back", || (resident_kib(appliance.pid()) < before + LEFT_KIB).then_some(()));
}

#[test]
fn a_thousand_long_bodies_both_ways_at_once_are_streamed() {
    if !may_open(2 * BUSY as u64) {
        return skip::note("a_thousand_long_bodies_both_ways_at_once_are_streamed", "too few open files are allowed");
    }
    let (read, reading) = watch::channel(false);
    let of_origin = reading.clone();
    let authority = serve(move |line| {
        let reading = of_origin.clone();
        async move {
            let mut line = line;
            let request = read_head(&mut line).await?;
            assert!(request.starts_with("POST /busy"), "{request}");
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY}\r\n\r\n");
            line.write_all(head.as_bytes()).await?;
            let (mut from, _to) = both_ways(line, reading, Arc::default(), Arc::default()).await?;
            // An end before the client's would take from it what it has not read.
            from.read_u8().await.map(drop)
        }
    });
    // A thousand handshakes at once take a busy machine long, and so do buffers that fill until nothing moves.
    let timeouts = |it: Builder| it.set("upstream.connect_timeout", "120").set("server.timeout", "600");
    let appliance = timeouts(Appliance::builder().set("server.max_body_size", "0")).start();
    let (swarm, runtime) = (Swarm::of(&appliance), runtime());
    let mut peak = Peak::of(appliance.pid());
    let [written, moved] = <[Arc<AtomicUsize>; 2]>::default();
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for at in 0..BUSY {
            let (swarm, authority) = (swarm.clone(), authority.clone());
            let (reading, written, moved) = (reading.clone(), Arc::clone(&written), Arc::clone(&moved));
            tasks.spawn(async move {
                let (mut line, target) = if at % 2 == 0 {
                    (swarm.tunnel(&authority).await?, "/busy".to_owned())
                } else {
                    (Box::pin(swarm.dial()?) as Line, format!("https://{authority}/busy"))
                };
                let named = format!("X-Vultrino-Credential: {ALIAS}\r\nContent-Length: {BODY}");
                let head = format!("POST {target} HTTP/1.1\r\nHost: {authority}\r\n{named}\r\n\r\n");
                line.write_all(head.as_bytes()).await?;
                let head = read_head(&mut line).await?;
                assert!(head.starts_with("HTTP/1.1 200"), "{head}");
                both_ways(line, reading, written, moved).await.map(drop)
            });
        }
        // Until nothing moves: then every buffer on the way is full.
        let mut before = 0;
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let now = written.load(Ordering::Relaxed);
            if now > BUSY * (64 << 10) && now == before {
                break;
            }
            before = now;
        }
        read.send_replace(true);
        while let Some(done) = tasks.join_next().await {
            done.unwrap().unwrap();
        }
    });
    peak.look();
    assert_eq!(moved.load(Ordering::Relaxed), BUSY * MOVED);
    let peak = peak.mib();
    assert!(peak < MOST_BUSY_MIB, "{peak} MiB");
}

/// Writes as long as that is possible, and reads only later.
async fn both_ways(
    line: Line,
    mut reading: watch::Receiver<bool>,
    written: Arc<AtomicUsize>,
    moved: Arc<AtomicUsize>,
) -> io::Result<(ReadHalf<Line>, WriteHalf<Line>)> {
    let (mut from, mut to) = split(line);
    let write = async {
        let piece = vec![b'x'; 16 << 10];
        for _ in 0..MOVED / piece.len() {
            to.write_all(&piece).await?;
            to.flush().await?;
            written.fetch_add(piece.len(), Ordering::Relaxed);
        }
        Ok::<_, io::Error>(())
    };
    let read = async {
        reading.wait_for(|it| *it).await.map_err(io::Error::other)?;
        let (mut left, mut piece) = (MOVED, vec![0; 16 << 10]);
        while left > 0 {
            let count = from.read(&mut piece).await?;
            assert!(count > 0 && count <= left, "{count} of {left}");
            left -= count;
            moved.fetch_add(count, Ordering::Relaxed);
        }
        Ok(())
    };
    tokio::try_join!(write, read)?;
    Ok((from, to))
}

/// Tunnels with a request behind them.
async fn open(swarm: &Swarm, authority: &str, count: usize) -> io::Result<Vec<Line>> {
    let (left, mut tasks) = (Arc::new(AtomicUsize::new(count)), JoinSet::new());
    for _ in 0..32 {
        let (swarm, authority, left) = (swarm.clone(), authority.to_owned(), Arc::clone(&left));
        tasks.spawn(async move {
            let mut lines = Vec::new();
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |it| it.checked_sub(1)).is_ok() {
                let mut line = swarm.tunnel(&authority).await?;
                line.write_all(format!("GET / HTTP/1.1\r\nHost: {authority}\r\n\r\n").as_bytes()).await?;
                let head = read_head(&mut line).await?;
                assert!(head.starts_with("HTTP/1.1 200"), "{head}");
                line.read_exact(&mut [0; 2]).await?;
                lines.push(line);
            }
            Ok::<_, io::Error>(lines)
        });
    }
    let mut all = Vec::new();
    while let Some(lines) = tasks.join_next().await {
        all.extend(lines.unwrap()?);
    }
    Ok(all)
}
