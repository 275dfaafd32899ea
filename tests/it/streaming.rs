//! Nothing is buffered: events come at once, gigabytes pass in flat memory, and who reads slowly slows the other side.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::channel,
    },
    thread,
    time::Duration,
};

use crate::support::{
    Agent, Appliance, Origin, WAYS, Way,
    agent::NAMED,
    memory::Peak,
    origin::{OK, break_off},
    wait::{PATIENCE, until},
};

/// What is carried each way.
const SIZE: usize = 1 << 30;
/// More than this at any time after the start is a buffer somewhere.
const MOST_MIB: u64 = 64;

#[test]
fn an_event_arrives_before_the_next_is_sent() {
    let appliance = Appliance::start();
    for (fields, before, after) in [("Transfer-Encoding: chunked\r\n", "f\r\n", "\r\n"), ("", "", "")] {
        for way in WAYS {
            let (go, gone) = channel::<u32>();
            let gone = Mutex::new(gone);
            let origin = Origin::https_with(move |visit| {
                visit.request()?;
                visit.write(format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{fields}\r\n"))?;
                while let Ok(at) = gone.lock().unwrap().recv_timeout(PATIENCE) {
                    visit.write(format!("{before}data: event {at}\n\n{after}"))?;
                }
                Ok(())
            });
            let mut agent = Agent::via(&appliance, way, &origin);
            let head = agent.head("GET", "/events", &[NAMED, ("Accept", "text/event-stream")]);
            agent.send(head);
            let head = agent.answer_head();
            assert_eq!(head.values("content-type"), ["text/event-stream"], "{way:?}");
            for at in 0..5 {
                go.send(at).unwrap();
                let text = agent.read_until("\n\n");
                assert!(text.ends_with(&format!("data: event {at}\n\n")), "{way:?} {text:?}");
            }
            agent.break_off();
        }
    }
}

#[test]
fn a_gibibyte_comes_down_in_flat_memory() {
    let appliance = Appliance::builder().with_default_kdf().start();
    for way in [Way::Path, Way::Tunnel] {
        let origin = Origin::https_with(|visit| {
            visit.request()?;
            visit.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n"))?;
            let pattern = pattern();
            (0..SIZE / pattern.len()).try_for_each(|_| visit.write(&pattern))
        });
        let mut peak = Peak::of(appliance.pid());
        let mut agent = Agent::via(&appliance, way, &origin);
        let head = agent.head("GET", "/", &[NAMED]);
        agent.send(head);
        agent.answer_head();
        let (pattern, mut at) = (pattern().repeat(2), 0);
        while at < SIZE {
            let bytes = agent.some().unwrap();
            let from = at % (pattern.len() / 2);
            assert!(!bytes.is_empty() && bytes == pattern[from..from + bytes.len()], "{way:?}: other bytes at {at}");
            at += bytes.len();
            peak.look();
        }
        assert_eq!(at, SIZE);
        let peak = peak.mib();
        assert!(peak < MOST_MIB, "{way:?}: {peak} MiB at the peak");
    }
}

#[test]
fn a_gibibyte_goes_up_in_flat_memory() {
    let appliance = Appliance::builder().with_default_kdf().set("server.max_body_size", "0").start();
    for way in [Way::Path, Way::Tunnel] {
        let origin = Origin::https_with(|visit| {
            visit.head()?;
            visit.take(SIZE)?;
            visit.write(OK)
        });
        let mut peak = Peak::of(appliance.pid());
        let mut agent = Agent::via(&appliance, way, &origin);
        let head = agent.head("POST", "/", &[NAMED, ("Content-Length", &SIZE.to_string())]);
        agent.send(head);
        let pattern = pattern();
        for _ in 0..SIZE / pattern.len() {
            agent.send(&pattern);
            peak.look();
        }
        agent.answer("POST").expect_origins(200);
        assert!(origin.received() > SIZE, "{way:?}");
        let peak = peak.mib();
        assert!(peak < MOST_MIB, "{way:?}: {peak} MiB at the peak");
    }
}

#[test]
fn a_client_that_does_not_read_stops_the_origin() {
    let appliance = Appliance::start();
    for way in WAYS {
        let written = Arc::new(AtomicUsize::new(0));
        let counter = written.clone();
        let origin = Origin::https_with(move |visit| {
            visit.request()?;
            visit.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n"))?;
            pump(&counter, |bytes| visit.write(bytes))
        });
        let peak = Peak::of(appliance.pid());
        let mut agent = Agent::via(&appliance, way, &origin);
        let head = agent.head("GET", "/", &[NAMED]);
        agent.send(head);
        assert!(stands_still(&written) < SIZE / 2, "{way:?}: who took all that?");
        let peak = peak.mib();
        assert!(peak < MOST_MIB, "{way:?}: {peak} MiB at the peak");
        agent.break_off();
        origin.closed();
    }
}

#[test]
fn an_origin_that_does_not_read_stops_the_client() {
    let appliance = Appliance::builder().set("server.max_body_size", "0").start();
    for way in WAYS {
        let (stop, stopped) = channel::<()>();
        let stopped = Mutex::new(stopped);
        let origin = Origin::https_with(move |visit| {
            visit.head()?;
            stopped.lock().unwrap().recv_timeout(PATIENCE).map_err(io::Error::other)?;
            break_off()
        });
        let peak = Peak::of(appliance.pid());
        let mut agent = Agent::via(&appliance, way, &origin);
        let head = agent.head("POST", "/", &[NAMED, ("Content-Length", &SIZE.to_string())]);
        agent.send(head);
        let written = AtomicUsize::new(0);
        thread::scope(|scope| {
            let sender = scope.spawn(|| pump(&written, |bytes| agent.try_send(bytes)));
            assert!(stands_still(&written) < SIZE / 2, "{way:?}: who took all that?");
            let peak = peak.mib();
            assert!(peak < MOST_MIB, "{way:?}: {peak} MiB at the peak");
            stop.send(()).unwrap();
            assert!(sender.join().unwrap().is_err(), "{way:?}: the upload went on without its origin");
        });
    }
}

/// Writes [`SIZE`] bytes and counts them.
fn pump(written: &AtomicUsize, mut write: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let pattern = pattern();
    (0..SIZE / pattern.len()).try_for_each(|_| {
        write(&pattern)?;
        written.fetch_add(pattern.len(), Ordering::SeqCst);
        Ok(())
    })
}

/// Waits until nothing is taken any more, and tells how much was.
pub(crate) fn stands_still(written: &AtomicUsize) -> usize {
    let mut last = 0;
    until("the other side is full", || {
        let now = written.load(Ordering::SeqCst);
        let still = now > 0 && now == last;
        last = now;
        // Not to wait for anything: a pause is what is looked for.
        thread::sleep(Duration::from_millis(300));
        still.then_some(now)
    })
}

/// A mebibyte in which no part looks like its neighbour.
fn pattern() -> Vec<u8> {
    (0..=250_u8).cycle().take(1 << 20).collect()
}
