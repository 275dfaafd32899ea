//! Origins that break off, drip or say more than they were asked: the client is told, and nobody else notices.

use std::{
    io,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use socket2::SockRef;

use crate::support::{
    Agent, Appliance, Origin, WAYS,
    agent::NAMED,
    origin::{OK, answer_each, break_off, judge},
    visit::Visit,
};

/// Treats the first connection with `script`, later ones as one should.
fn once(script: impl Fn(&mut Visit) -> io::Result<()> + Send + Sync + 'static) -> Origin {
    let visits = AtomicUsize::new(0);
    Origin::https_with(
        move |visit| if visits.fetch_add(1, Ordering::SeqCst) > 0 { answer_each(visit) } else { script(visit) },
    )
}

/// Ends the connection so that the other side sees a reset.
fn reset(visit: &Visit) -> io::Result<()> {
    SockRef::from(visit.socket()).set_linger(Some(Duration::ZERO))?;
    break_off()
}

/// Writes byte by byte, for as long as anybody listens.
fn drip(visit: &mut Visit, bytes: &[u8], pause: u64) -> io::Result<()> {
    for byte in bytes {
        visit.write([*byte])?;
        thread::sleep(Duration::from_millis(pause));
    }
    Ok(())
}

#[test]
fn an_answer_that_is_reset_is_cut_and_not_mended() {
    let appliance = Appliance::start();
    let heads = ["Content-Length: 1000\r\n\r\nsome", "Transfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n", "\r\nsome"];
    for way in WAYS {
        for head in heads {
            for at_once in [false, true] {
                let origin = once(move |visit| {
                    visit.request()?;
                    visit.write(format!("HTTP/1.1 200 OK\r\n{head}"))?;
                    if at_once { reset(visit) } else { break_off() }
                });
                let mut agent = Agent::via(&appliance, way, &origin);
                let asked = agent.head("GET", "/cut", &[NAMED]);
                agent.send(asked);
                match agent.try_answer("GET") {
                    Ok(answer) => drop(answer.expect_refusal(502, "upstream_error")),
                    Err(_) => assert!(!agent.ended_well() || !agent.rest().ends_with(b"0\r\n\r\n"), "{way:?} {head:?}"),
                }
                let mut next = Agent::via(&appliance, way, &origin);
                assert_eq!(next.get("/next").expect_origins(200).text(), "ok");
                assert_eq!(origin.connections(), 2, "{way:?} {head:?}");
                let line = appliance.audit_of(&format!("{}/cut", origin.authority()));
                assert!(line.get("outcome").starts_with("upstream_"), "{way:?} {head:?} {}", line.text);
            }
        }
    }
}

#[test]
fn a_head_that_comes_in_drops_is_given_up() {
    let appliance = Appliance::builder().set("server.timeout", "1").start();
    for way in WAYS {
        let origin = once(|visit| {
            visit.request()?;
            drip(visit, &[b"HTTP/1.1 200 OK\r\nX: ", &b"y".repeat(200)[..]].concat(), 100)
        });
        Agent::via(&appliance, way, &origin).get("/").expect_refusal(504, "upstream_timeout");
        Agent::via(&appliance, way, &origin).get("/next").expect_origins(200);
        assert_eq!(origin.connections(), 2, "{way:?}");
    }
}

#[test]
fn a_body_that_comes_in_drops_is_passed_on() {
    let appliance = Appliance::builder().set("server.timeout", "1").start();
    for way in WAYS {
        let origin = once(|visit| {
            visit.request()?;
            visit.write("HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n")?;
            drip(visit, b"a drop of a tea", 100)
        });
        assert_eq!(Agent::via(&appliance, way, &origin).get("/").expect_origins(200).text(), "a drop of a tea");
    }
}

#[test]
fn a_second_answer_behind_the_first_reaches_nobody() {
    let appliance = Appliance::start();
    let evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    for way in WAYS {
        for first in [OK, b"HTTP/1.1 204 No\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"]
        {
            let origin = once(move |visit| {
                visit.request()?;
                visit.write([first, evil].concat())?;
                visit.drain();
                Ok(())
            });
            let mut agent = Agent::via(&appliance, way, &origin);
            assert_ne!(agent.get("/first").text(), "evil", "{way:?}");
            assert_eq!(agent.get("/second").expect_origins(200).text(), "ok", "{way:?}");
            assert_eq!(Agent::via(&appliance, way, &origin).get("/other").expect_origins(200).text(), "ok", "{way:?}");
            let (requests, _) = judge(&origin.seen()[0].bytes);
            assert_eq!(requests.len(), 1, "{way:?}: the connection was used again");
        }
    }
}
