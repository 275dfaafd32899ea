//! Many exchanges on one connection, and what becomes of them when it ends.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use h2::{Reason, server};
use tokio::sync::Barrier;

use crate::{
    http2_upstream::{agent, one_worker, with_one_worker},
    streaming::stands_still,
    support::{
        Agent, Appliance, Credential, Http2Origin, WAYS, Way,
        agent::NAMED,
        appliance::ALIAS,
        frames::{self, DATA, HEADERS, frame, go_away, ok, reset},
        http2_origin::send,
        scrape::Scrape,
        wait::until,
    },
};

/// Asks for `path` with so many clients at once, and gives the statuses.
fn at_once(appliance: &Appliance, authority: &str, clients: usize, path: &str) -> Vec<u16> {
    let ask = |nth: usize| {
        let mut agent = Agent::to(appliance, WAYS[nth % 3], "https", authority);
        agent.get(path).status()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..clients).map(|nth| scope.spawn(move || ask(nth))).collect();
        threads.into_iter().map(|it| it.join().unwrap()).collect()
    })
}

#[test]
fn first_requests_that_come_at_once_share_one_connection() {
    let appliance = one_worker();
    let all = Arc::new(Barrier::new(20));
    // Nobody is answered before all have arrived.
    let origin = Http2Origin::with(move |mut call| {
        let all = Arc::clone(&all);
        async move {
            all.wait().await;
            call.answer_whole(200, &[], "ok");
        }
    });
    assert_eq!(at_once(&appliance, &origin.authority(), 20, "/"), [200; 20]);
    assert_eq!(origin.known().connections, 1);
}

#[test]
fn a_shared_connection_is_counted_once_and_its_reuses_each() {
    let appliance = one_worker();
    let (one, other) = (Http2Origin::start(), Http2Origin::start());
    for _ in 0..4 {
        agent(&appliance, Way::Path, &one).get("/").expect_origins(200);
    }
    agent(&appliance, Way::Tunnel, &other).get("/").expect_origins(200);
    let counts = until("both are idle", || {
        let scrape = Scrape::of(&appliance);
        let names = ["idle_connections", "dials_total", "reuses_total", "failed_dials_total"];
        let counts = names.map(|it| scrape.count(&format!("vultrino_upstream_{it}"), &[]));
        (counts[0] == 2).then_some(counts)
    });
    assert_eq!(counts, [2, 2, 3, 0]);
}

#[test]
fn no_more_streams_are_open_than_the_origin_permits() {
    let appliance = one_worker();
    let all = Arc::new(Barrier::new(6));
    let origin = Http2Origin::built(server::Builder::new().max_concurrent_streams(2), move |mut call| {
        let all = Arc::clone(&all);
        async move {
            all.wait().await;
            call.answer_whole(200, &[], "ok");
        }
    });
    assert_eq!(at_once(&appliance, &origin.authority(), 6, "/"), [200; 6]);
    let known = origin.known();
    assert_eq!((known.connections, known.heads.len()), (3, 6), "two on each, and none was refused");
}

#[test]
fn a_slow_reader_does_not_hold_up_the_others() {
    slow_readers_hold_up_nobody(1 << 16);
}

/// As in an event stream: each costs far more than its bytes, and all exchanges on the connection bear that together.
#[test]
fn a_slow_reader_of_small_pieces_does_not_end_the_others() {
    slow_readers_hold_up_nobody(24);
}

#[track_caller]
fn slow_readers_hold_up_nobody(piece: usize) {
    // Nobody is given up meanwhile.
    let appliance = with_one_worker(Appliance::builder().set("server.timeout", "600"));
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let origin = Http2Origin::with(move |mut call| {
        let counter = Arc::clone(&counter);
        async move {
            if call.path() == "/short" {
                return call.answer_whole(200, &[], "ok");
            }
            let mut stream = call.answer(200, &[]);
            while send(&mut stream, vec![b'x'; piece].into()).await {
                counter.fetch_add(piece, Ordering::SeqCst);
            }
        }
    });
    let mut slow = Vec::new();
    for way in WAYS.into_iter().cycle().take(6) {
        let mut agent = agent(&appliance, way, &origin);
        let head = agent.head("GET", "/endless", &[NAMED]);
        agent.send(head);
        agent.answer_head();
        slow.push(agent);
    }
    // Each has filled all the room there is for it.
    stands_still(&sent);
    for _ in 0..20 {
        agent(&appliance, Way::Path, &origin).get("/short").expect_origins(200);
    }
    assert_eq!(origin.known().connections, 1);
}

#[test]
fn a_connection_that_is_going_away_is_not_used_again() {
    let appliance = one_worker();
    let origin = frames::origin(|visit| {
        visit.greet()?;
        let stream = visit.request()?.unwrap_or_default();
        visit.write(&[ok(stream), go_away(stream, Reason::NO_ERROR)].concat())?;
        visit.drain();
        Ok(())
    });
    for nth in 1..=4 {
        Agent::via(&appliance, WAYS[nth % 3], &origin).get("/").expect_origins(200);
        assert_eq!(origin.connections(), nth);
    }
}

#[test]
fn a_connection_that_the_origin_closed_is_not_used_again() {
    let appliance = one_worker();
    let origin = frames::origin(|visit| {
        visit.greet()?;
        let stream = visit.request()?.unwrap_or_default();
        visit.write(&ok(stream))
    });
    for nth in 1..=4 {
        Agent::via(&appliance, WAYS[nth % 3], &origin).get("/").expect_origins(200);
        origin.closed();
        assert_eq!(origin.connections(), nth);
    }
}

/// Does this with the first request, and answers what comes on later connections.
fn refusing(refusal: impl Fn(u32) -> Vec<u8> + Send + Sync + 'static) -> crate::support::Origin {
    let first = Mutex::new(true);
    frames::origin(move |visit| {
        visit.greet()?;
        if std::mem::take(&mut *first.lock().unwrap()) {
            let stream = visit.request()?.unwrap_or_default();
            visit.write(&refusal(stream))?;
        }
        visit.answer_each()
    })
}

#[test]
fn what_the_origin_has_not_begun_with_is_sent_once_more() {
    let appliance = one_worker();
    for way in WAYS {
        for method in ["GET", "POST"] {
            let refused = refusing(|stream| reset(stream, Reason::REFUSED_STREAM));
            Agent::via(&appliance, way, &refused).ask(method, "/", &[NAMED]).expect_origins(200);
            assert_eq!(refused.connections(), 2, "{way:?}");
            let left = refusing(|_| go_away(0, Reason::NO_ERROR));
            Agent::via(&appliance, way, &left).ask(method, "/", &[NAMED]).expect_origins(200);
            assert_eq!(left.connections(), 2, "{way:?}");
        }
        // It had begun, so it may have done what was asked.
        for refusal in [Reason::INTERNAL_ERROR, Reason::CANCEL, Reason::NO_ERROR] {
            let begun = refusing(move |stream| reset(stream, refusal));
            let answer = Agent::via(&appliance, way, &begun).ask("GET", "/", &[NAMED]);
            answer.expect_refusal(502, "upstream_error");
            assert_eq!(begun.connections(), 1, "{way:?}");
        }
        // A body that came whole is still here, one of which nothing was read is still to come.
        let refused = refusing(|stream| reset(stream, Reason::REFUSED_STREAM));
        Agent::via(&appliance, way, &refused).post("/", &[], b"short").expect_origins(200);
        let refused = refusing(|stream| reset(stream, Reason::REFUSED_STREAM));
        let mut agent = Agent::via(&appliance, way, &refused);
        let head = agent.head("POST", "/", &[NAMED, ("Content-Length", "5")]);
        agent.send(head);
        agent.answer("POST").expect_origins(200);
        assert_eq!(refused.connections(), 2, "{way:?}");
        // What has been read of a longer one is gone.
        let refused = refusing(|stream| reset(stream, Reason::REFUSED_STREAM));
        let mut agent = Agent::via(&appliance, way, &refused);
        let head = agent.head("POST", "/", &[NAMED, ("Transfer-Encoding", "chunked")]);
        agent.send(head + "1\r\na\r\n");
        agent.answer("POST").expect_refusal(502, "upstream_error");
        assert_eq!(refused.connections(), 1, "{way:?}");
    }
}

#[test]
fn an_origin_that_refuses_all_is_asked_twice() {
    let appliance = one_worker();
    let origin = frames::origin(|visit| {
        visit.greet()?;
        while let Some(stream) = visit.request()? {
            visit.write(&reset(stream, Reason::REFUSED_STREAM))?;
        }
        Ok(())
    });
    Agent::via(&appliance, Way::Path, &origin).get("/").expect_refusal(502, "upstream_error");
    assert_eq!(origin.connections(), 2);
}

#[test]
fn exchanges_that_go_on_outlive_the_farewell_of_their_connection() {
    let appliance = one_worker();
    let origin = frames::origin(|visit| {
        visit.greet()?;
        let stream = visit.request()?.unwrap_or_default();
        visit.write(&frames::head(stream, &[(":status", "200")]))?;
        visit.write(&frame(DATA, 0, stream, b"begin "))?;
        visit.write(&go_away(stream, Reason::NO_ERROR))?;
        // The client has seen it: what it asks next does not come here.
        while let Ok(frame) = visit.next() {
            assert_ne!(frame.kind, HEADERS);
        }
        Ok(())
    });
    let mut first = Agent::via(&appliance, Way::Path, &origin);
    let head = first.head("GET", "/", &[NAMED]);
    first.send(head);
    first.read_until("begin ");
    let mut second = Agent::via(&appliance, Way::Path, &origin);
    let head = second.head("GET", "/", &[NAMED]);
    second.send(head);
    second.read_until("begin ");
    assert_eq!(origin.connections(), 2);
}

#[test]
fn callers_share_no_connection_with_each_other() {
    let builder = Appliance::builder().server().credential(Credential::key(ALIAS, "k", &["localhost:*"]));
    let builder = builder.role("agents", "execute", "").key("ann", "agents").key("bob", "agents");
    let appliance = with_one_worker(builder);
    let origin = Http2Origin::start();
    let mut used = ["ann", "bob"].map(|name| {
        let bearer = format!("Bearer {}", appliance.key(name));
        for _ in 0..3 {
            let mut agent = agent(&appliance, Way::Path, &origin);
            agent.ask("GET", "/", &[NAMED, ("Authorization", &bearer)]).expect_origins(200);
        }
        origin.known().heads.iter().map(|(connection, _)| *connection).collect::<Vec<_>>()
    });
    used[1].drain(..3);
    assert_eq!(used, [[0; 3], [1; 3]]);
}
