//! Clients that are slow, silent or long-winded are let go in time, however they come, and others do not notice.

use std::{
    io,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::support::{Agent, Appliance, Origin, WAYS, agent::NAMED, scrape::Scrape, skip, visit::Visit, wait::until};

#[test]
fn a_head_that_comes_byte_by_byte_is_not_waited_for() {
    let appliance = Appliance::builder().set("limits.header_timeout", "1").start();
    for way in WAYS {
        let origin = Origin::https();
        let mut agent = Agent::via(&appliance, way, &origin);
        // The first request does not make a later one more welcome.
        agent.get("/first").expect_origins(200);
        let head = agent.head("GET", "/slow", &[NAMED]);
        agent.send(head.trim_end());
        // Each byte is a sign of life, and none counts.
        until("the connection is closed", || agent.try_send("y").err());
        assert!(agent.rest().is_empty(), "{way:?}");
        assert_eq!(origin.requests().len(), 1, "{way:?}");
    }
}

#[test]
fn a_connection_that_idles_is_closed_in_good_order() {
    let appliance = Appliance::builder().set("limits.idle_timeout", "1").start();
    for way in WAYS {
        let origin = Origin::https();
        let mut fresh = Agent::via(&appliance, way, &origin);
        assert!(fresh.is_closed() && fresh.ended_well(), "{way:?}");
        let mut used = Agent::via(&appliance, way, &origin);
        used.get("/").expect_origins(200);
        assert!(used.is_closed() && used.ended_well(), "{way:?}");
    }
}

#[test]
fn a_tunnel_that_never_becomes_tls_is_closed() {
    let appliance = Appliance::builder().set("limits.handshake_timeout", "1").start();
    let origin = Origin::https();
    for begun in [&b""[..], b"\x16\x03\x01\x01\x00\x01"] {
        let mut agent = Agent::dial(appliance.address());
        agent.connect(&origin.authority(), &[]).unwrap();
        agent.send(begun);
        assert!(agent.is_closed(), "{begun:?}");
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn header_fields_over_the_limit_are_refused() {
    let appliance = Appliance::builder().set("limits.header_bytes", "2000").start();
    let origin = Origin::https();
    for way in WAYS {
        let mut agent = Agent::via(&appliance, way, &origin);
        let answer = agent.ask("GET", &format!("/{}", "p".repeat(3000)), &[NAMED, ("X-Long", &"y".repeat(1800))]);
        answer.expect_origins(200);
        let answer = agent.ask("GET", "/", &[NAMED, ("X-Long", &"y".repeat(2000))]);
        answer.expect_refusal(431, "headers_too_large");
        assert!(agent.is_closed(), "{way:?}");
    }
    assert_eq!(origin.requests().len(), 3);
}

#[test]
fn a_changed_deadline_counts_for_what_begins_then() {
    let (appliance, origin) = (Appliance::start(), Origin::https());
    for way in WAYS {
        Agent::via(&appliance, way, &origin).get("/").expect_origins(200);
    }
    appliance.set("limits.idle_timeout", "1");
    appliance.expect_printed("is in force");
    for way in WAYS {
        let mut agent = Agent::via(&appliance, way, &origin);
        assert!(agent.is_closed() && agent.ended_well(), "{way:?}");
    }
}

/// How many of them there are.
const SLOW: u64 = 1000;

#[test]
fn a_thousand_that_send_heads_slowly_are_let_go_and_others_served() {
    besieged("-H");
}

#[test]
fn a_thousand_that_send_bodies_slowly_are_let_go_and_others_served() {
    besieged("-B");
}

#[test]
fn a_thousand_that_read_slowly_are_let_go_and_others_served() {
    besieged("-X");
}

/// Lets slowhttptest loose in this mode, whose clients have something to say every four seconds, and are heard for two.
#[track_caller]
fn besieged(mode: &str) {
    if Command::new("slowhttptest").arg("-h").output().is_err() {
        return skip::note(&format!("slowhttptest {mode}"), "slowhttptest is not here");
    }
    let appliance = Appliance::builder().set("limits.header_timeout", "2").set("server.timeout", "2").start();
    let (origin, target) = (Origin::https(), Origin::http_with(long_answers));
    let (proxy, url, count) = (appliance.address().to_string(), target.url("/"), SLOW.to_string());
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let others = scope.spawn(|| {
            let mut longest = Duration::ZERO;
            for way in WAYS.into_iter().cycle() {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let begun = Instant::now();
                Agent::via(&appliance, way, &origin).get("/").expect_origins(200);
                longest = longest.max(begun.elapsed());
            }
            longest
        });
        let mut attack = Command::new("slowhttptest");
        attack.args([mode, "-c", &count, "-r", "500", "-i", "4", "-l", "60", "-d", &proxy, "-u", &url]);
        let attack = Attack(attack.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap(), &over);
        let open = || Scrape::of(&appliance).count("vultrino_client_connections", &[]);
        until("they have come", || (open() > SLOW / 5).then_some(()));
        // Whether they have noticed or not.
        until("they are gone", || (open() < 10).then_some(()));
        drop(attack);
        let longest = others.join().unwrap();
        assert!(longest < Duration::from_secs(5), "somebody waited {longest:?}");
    });
}

/// It ends, and what goes on beside it, however its test does.
struct Attack<'a>(Child, &'a AtomicBool);

impl Drop for Attack<'_> {
    fn drop(&mut self) {
        self.1.store(true, Ordering::Relaxed);
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// More than fits on the way.
fn long_answers(visit: &mut Visit) -> io::Result<()> {
    const LENGTH: usize = 4_000_000;
    while visit.request()?.is_some() {
        visit.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n"))?;
        visit.write(vec![b'x'; LENGTH])?;
    }
    Ok(())
}

#[test]
fn an_unfinished_head_over_the_limit_is_refused_before_its_end() {
    let appliance = Appliance::builder().set("limits.header_bytes", "1024").set("limits.header_timeout", "60").start();
    let origin = Origin::https();
    for way in WAYS {
        let mut agent = Agent::via(&appliance, way, &origin);
        let head = agent.head("GET", "/", &[NAMED, ("X-Long", &"y".repeat(1024))]);
        agent.send(head.trim_end());
        agent.answer("GET").expect_refusal(431, "headers_too_large");
        assert!(agent.is_closed(), "{way:?}");
    }
    assert!(origin.requests().is_empty());
}
