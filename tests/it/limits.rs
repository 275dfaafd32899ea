//! Time and size have limits: an upstream that does not answer is given up, a body that is too large is not carried.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::channel,
    },
};

use crate::support::{
    Agent, Appliance, Origin, WAYS,
    agent::NAMED,
    origin::{Rest, break_off, judge},
    wait::{PATIENCE, until},
};

/// More than all buffers on the way together hold.
const ENDLESS: usize = 1 << 30;

#[test]
fn an_upstream_that_never_answers_is_given_up() {
    let appliance = Appliance::builder().set("server.timeout", "1").start();
    for way in WAYS {
        let origin = Origin::https_with(|visit| {
            visit.request()?;
            visit.drain();
            Ok(())
        });
        Agent::via(&appliance, way, &origin).get("/").expect_refusal(504, "upstream_timeout");
        // Its connection is of no further use.
        origin.closed();
        let line = appliance.audit_of(&origin.authority());
        assert_eq!((line.get("status"), line.get("outcome")), ("504", "upstream_error"), "{}", line.text);
    }
}

#[test]
fn an_upstream_that_stalls_within_its_answer_is_cut() {
    let appliance = Appliance::builder().set("server.timeout", "1").start();
    for way in WAYS {
        let origin = Origin::https_with(|visit| {
            visit.request()?;
            visit.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")?;
            visit.drain();
            Ok(())
        });
        let mut agent = Agent::via(&appliance, way, &origin);
        let head = agent.head("GET", "/", &[NAMED]);
        agent.send(head);
        agent.read_until("half");
        assert!(agent.is_closed(), "{way:?}");
        origin.closed();
        let line = appliance.audit_of(&origin.authority());
        assert_eq!((line.get("status"), line.get("outcome")), ("200", "upstream_abort"), "{}", line.text);
    }
}

#[test]
fn a_client_that_stalls_within_its_body_is_let_go() {
    let appliance = Appliance::builder().set("server.timeout", "1").start();
    for way in WAYS {
        for (framing, part) in
            [(("Content-Length", "100"), "part"), (("Transfer-Encoding", "chunked"), "4\r\npart\r\n")]
        {
            let origin = Origin::https();
            let mut agent = Agent::via(&appliance, way, &origin);
            let head = agent.head("POST", "/", &[NAMED, framing]);
            agent.send(head + part);
            // With or without a word why.
            let rest = String::from_utf8_lossy(&agent.rest()).into_owned();
            assert!(agent.is_closed(), "{way:?} {framing:?} {rest}");
            let seen = origin.closed();
            assert_eq!(judge(&seen[0].bytes), (vec![], Rest::Cut), "{way:?} {framing:?}");
        }
    }
}

#[test]
fn a_client_that_stops_reading_is_cut() {
    let appliance = Appliance::builder().set("server.timeout", "1").start();
    for way in WAYS {
        let origin = Origin::https_with(|visit| {
            visit.request()?;
            visit.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            // Small ones: TLS has room for each, and only what is below it can tell that nothing moves.
            let chunk = format!("1F40\r\n{}\r\n", "x".repeat(8_000));
            (0..ENDLESS / 8_000).try_for_each(|_| visit.write(&chunk))
        });
        let mut agent = Agent::via(&appliance, way, &origin);
        let head = agent.head("GET", "/", &[NAMED]);
        agent.send(head);
        // It does not read, nor does it go.
        origin.closed();
        let line = appliance.audit_of(&origin.authority());
        assert_eq!((line.get("status"), line.get("outcome")), ("200", "client_abort"), "{way:?} {}", line.text);
        assert!(agent.rest().len() < ENDLESS && !agent.ended_well(), "{way:?}: it looks whole");
    }
}

#[test]
fn an_origin_that_stops_reading_an_upload_is_given_up() {
    let appliance = Appliance::builder().set("server.timeout", "1").set("server.max_body_size", "0").start();
    for way in WAYS {
        for piece in [8_000, 1 << 20] {
            let (end, ended) = channel::<()>();
            let ended = Mutex::new(ended);
            let origin = Origin::https_with(move |visit| {
                visit.head()?;
                ended.lock().unwrap().recv_timeout(PATIENCE).map_err(io::Error::other)?;
                break_off()
            });
            let mut agent = Agent::via(&appliance, way, &origin);
            let head = agent.head("POST", "/", &[NAMED, ("Content-Length", &ENDLESS.to_string())]);
            agent.send(head);
            let bytes = vec![b'x'; piece];
            let sent = (0..ENDLESS / piece).try_for_each(|_| agent.try_send(&bytes));
            // The proxy has stopped listening, not our own patience.
            let stopped = sent.unwrap_err();
            assert!(
                !matches!(stopped.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
                "{way:?} {stopped}"
            );
            if let Ok(answer) = agent.try_answer("POST") {
                answer.expect_refusal(504, "upstream_timeout");
            }
            let line = appliance.audit_of(&origin.authority());
            assert_eq!((line.get("status"), line.get("outcome")), ("504", "upstream_error"), "{way:?} {}", line.text);
            end.send(()).unwrap();
            assert_eq!(judge(&origin.closed()[0].bytes), (vec![], Rest::Cut), "{way:?}");
        }
    }
}

#[test]
fn requests_that_are_held_do_not_disturb_others() {
    let appliance = Appliance::start();
    let released = Arc::new(AtomicBool::new(false));
    let release = released.clone();
    let origin = Origin::https_with(move |visit| {
        while let Some(request) = visit.request()? {
            let target = request.target();
            if target.starts_with("/held") {
                until("they are released", || released.load(Ordering::SeqCst).then_some(()));
            }
            visit.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{target}", target.len()))?;
        }
        Ok(())
    });
    let mut held: Vec<(String, Agent)> = WAYS
        .iter()
        .cycle()
        .take(20)
        .enumerate()
        .map(|(at, way)| {
            let path = format!("/held/{at}");
            let mut agent = Agent::via(&appliance, *way, &origin);
            let head = agent.head("GET", &path, &[NAMED]);
            agent.send(head);
            (path, agent)
        })
        .collect();
    let arrived = |seen: &[crate::support::visit::Seen]| {
        let count = seen.iter().filter(|it| it.bytes.starts_with(b"GET /held")).count();
        (count == 20).then_some(())
    };
    origin.until("all of them have arrived", arrived);
    for way in WAYS {
        let mut agent = Agent::via(&appliance, way, &origin);
        for at in 0..20 {
            let path = format!("/other/{at}");
            assert_eq!(agent.get(&path).expect_origins(200).text(), path, "{way:?}");
        }
    }
    release.store(true, Ordering::SeqCst);
    for (path, agent) in &mut held {
        assert_eq!(agent.answer("GET").expect_origins(200).text(), *path);
    }
}

#[test]
fn a_declared_body_over_the_limit_is_refused_before_any_dial() {
    let appliance = Appliance::builder().set("server.max_body_size", "1000").start();
    for way in WAYS {
        let origin = Origin::https();
        for fields in [&[NAMED, ("Content-Length", "1001")][..], &[NAMED, ("Content-Length", "999999999999")]] {
            let mut agent = Agent::via(&appliance, way, &origin);
            let head = agent.head("POST", "/", fields);
            agent.send(head);
            agent.answer("POST").expect_refusal(413, "payload_too_large");
        }
        let mut agent = Agent::via(&appliance, way, &origin);
        let head = agent.head("POST", "/", &[NAMED, ("Content-Length", "1001"), ("Expect", "100-continue")]);
        agent.send(head);
        let answer = agent.answer("POST");
        assert!(answer.interim.is_empty(), "{way:?} {answer:#?}");
        answer.expect_refusal(413, "payload_too_large");
        assert_eq!(origin.connections(), 0, "{way:?}");
    }
}

#[test]
fn a_streamed_body_over_the_limit_is_cut() {
    let appliance = Appliance::builder().set("server.max_body_size", "1000").start();
    for way in WAYS {
        let origin = Origin::https();
        let mut agent = Agent::via(&appliance, way, &origin);
        let head = agent.head("POST", "/", &[NAMED, ("Transfer-Encoding", "chunked")]);
        agent.send(head);
        let chunk = format!("1f4\r\n{}\r\n", "x".repeat(500));
        agent.send(&chunk);
        origin.until("the first chunk has arrived", |seen| seen.iter().any(|it| it.count > 500).then_some(()));
        for _ in 0..2 {
            // It may be refused before all is sent.
            drop(agent.try_send(&chunk));
        }
        match agent.try_answer("POST") {
            Ok(answer) => drop(answer.expect_refusal(413, "payload_too_large")),
            Err(_) => assert!(agent.is_closed(), "{way:?}"),
        }
        let seen = origin.closed();
        assert_eq!(judge(&seen[0].bytes), (vec![], Rest::Cut), "{way:?}");
    }
}

#[test]
fn a_body_of_exactly_the_limit_is_carried() {
    let appliance = Appliance::builder().set("server.max_body_size", "1000").start();
    for way in WAYS {
        let origin = Origin::https();
        let mut agent = Agent::via(&appliance, way, &origin);
        agent.post("/", &[], &[b'x'; 1000]).expect_origins(200);
        let head = agent.head("POST", "/", &[NAMED, ("Transfer-Encoding", "chunked")]);
        agent.send(format!("{head}3e8\r\n{}\r\n0\r\n\r\n", "x".repeat(1000)));
        agent.answer("POST").expect_origins(200);
        assert!(origin.requests().iter().all(|it| it.body.len() == 1000), "{way:?}");
        assert_eq!(origin.requests().len(), 2, "{way:?}");
    }
}

#[test]
fn no_limit_is_no_limit() {
    let appliance = Appliance::builder().set("server.max_body_size", "0").start();
    let origin = Origin::https_with(|visit| {
        visit.head()?;
        visit.take(20_000_000)?;
        visit.write(crate::support::origin::OK)
    });
    let mut agent = Agent::via(&appliance, WAYS[0], &origin);
    agent.post("/", &[], &vec![b'x'; 20_000_000]).expect_origins(200);
}
