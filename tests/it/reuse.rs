//! Connections are kept and used again on both sides, and one that has gone stale or bad costs nobody an answer.

use std::{
    io,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::channel,
    },
    thread,
};

use crate::support::{
    Agent, Appliance, Origin, WAYS,
    agent::NAMED,
    audit_line::AuditLine,
    origin::{OK, break_off},
    wait::PATIENCE,
};

#[test]
fn a_hundred_requests_without_a_body_use_one_connection() {
    let appliance = Appliance::start();
    for way in WAYS {
        let origin = Origin::https();
        let mut agent = Agent::via(&appliance, way, &origin);
        for at in 0..50 {
            agent.get(&format!("/{at}")).expect_origins(200);
            agent.ask("POST", &format!("/{at}"), &[NAMED]).expect_origins(200);
        }
        assert_eq!((origin.connections(), origin.requests().len()), (1, 100), "{way:?}");
    }
}

#[test]
fn clients_after_each_other_share_connections() {
    let appliance = Appliance::start();
    let workers = thread::available_parallelism().unwrap().get();
    let origin = Origin::https();
    for _ in 0..10 {
        for way in WAYS {
            let mut agent = Agent::via(&appliance, way, &origin);
            agent.get("/").expect_origins(200);
            agent.close();
        }
    }
    assert!(origin.connections() <= workers, "{} connections, {workers} workers", origin.connections());
}

#[test]
fn a_client_that_wants_to_close_is_let_go() {
    let appliance = Appliance::start();
    for way in WAYS {
        let origin = Origin::https();
        let mut agent = Agent::via(&appliance, way, &origin);
        let answer = agent.ask("GET", "/", &[NAMED, ("Connection", "close")]).expect_origins(200);
        assert_eq!(answer.values("connection"), ["close"], "{way:?}");
        assert!(agent.is_closed() && agent.ended_well(), "{way:?}");
    }
}

#[test]
fn an_origin_that_closes_does_not_close_the_client() {
    let appliance = Appliance::start();
    for way in WAYS {
        let origin = Origin::https_with(|visit| {
            visit.request()?;
            visit.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
        });
        let mut agent = Agent::via(&appliance, way, &origin);
        for count in 1..=3 {
            let answer = agent.post("/", &[], b"x").expect_origins(200);
            assert!(answer.values("connection").is_empty(), "{way:?} {answer:#?}");
            assert_eq!(origin.connections(), count, "{way:?}");
        }
    }
}

#[test]
fn a_connection_that_died_while_idle_is_noticed() {
    let appliance = Appliance::start();
    for way in WAYS {
        let origin = Origin::https_with(|visit| {
            visit.request()?;
            visit.write(OK)
        });
        let mut agent = Agent::via(&appliance, way, &origin);
        for count in 1..=3 {
            agent.post("/", &[], b"x").expect_origins(200);
            // Only when the origin has said farewell is the next request sent.
            origin
                .until("the farewell", |seen| (seen.len() == count && seen.iter().all(|it| it.closing)).then_some(()));
        }
    }
}

/// Answers the first request of each connection and breaks off at the second, once it is whole.
fn dies_at_the_second() -> Origin {
    Origin::https_with(|visit| {
        visit.request()?;
        visit.write(OK)?;
        visit.request()?;
        break_off()
    })
}

#[test]
fn a_request_that_is_safe_to_repeat_is_repeated_once_on_a_fresh_connection() {
    let appliance = Appliance::start();
    for way in WAYS {
        let origin = dies_at_the_second();
        let mut agent = Agent::via(&appliance, way, &origin);
        for target in ["/1", "/2", "/3"] {
            agent.get(target).expect_origins(200);
        }
        let arrived: Vec<String> = origin.requests().iter().map(|it| it.target().to_owned()).collect();
        assert_eq!(arrived, ["/1", "/2", "/2", "/3", "/3"], "{way:?}");
        let lines = appliance.audit("three lines", |lines| {
            let mine = |it: &&AuditLine| it.get("url").contains(&origin.authority());
            let count = lines.iter().filter(mine).count();
            (count >= 3).then_some(count)
        });
        assert_eq!(lines, 3, "{way:?}: a repeated request has one line");
    }
}

#[test]
fn a_request_that_might_have_had_an_effect_is_not_repeated() {
    let appliance = Appliance::start();
    for way in WAYS {
        let origin = dies_at_the_second();
        let mut agent = Agent::via(&appliance, way, &origin);
        agent.get("/1").expect_origins(200);
        agent.post("/2", &[], b"order").expect_refusal(502, "upstream_error");
        let mut agent = Agent::via(&appliance, way, &origin);
        agent.get("/3").expect_origins(200);
        let posts = origin.requests().iter().filter(|it| it.target() == "/2").count();
        assert_eq!(posts, 1, "{way:?}");
    }
}

#[test]
fn a_request_whose_body_has_gone_up_is_not_repeated_whatever_its_method() {
    let appliance = Appliance::start();
    for way in WAYS {
        for (method, size) in [("PUT", 2), ("PUT", 200_000), ("DELETE", 2)] {
            let origin = dies_at_the_second();
            let mut agent = Agent::via(&appliance, way, &origin);
            agent.get("/1").expect_origins(200);
            let head = agent.head(method, "/2", &[NAMED, ("Content-Length", &size.to_string())]);
            agent.send([head.as_bytes(), &vec![b'x'; size]].concat());
            agent.answer(method).expect_refusal(502, "upstream_error");
            let mut agent = Agent::via(&appliance, way, &origin);
            for target in ["/3", "/4"] {
                agent.get(target).expect_origins(200);
            }
            let arrived: Vec<String> = origin.requests().iter().map(|it| it.target().to_owned()).collect();
            assert_eq!(arrived, ["/1", "/2", "/3", "/4", "/4"], "{way:?} {method} {size}");
        }
    }
}

#[test]
fn a_fresh_connection_that_dies_is_not_tried_again() {
    let appliance = Appliance::start();
    for way in WAYS {
        let origin = Origin::https_with(|visit| {
            visit.request()?;
            break_off()
        });
        Agent::via(&appliance, way, &origin).get("/").expect_refusal(502, "upstream_error");
        assert_eq!(origin.connections(), 1, "{way:?}");
    }
}

#[test]
fn an_answer_that_nobody_asked_for_reaches_nobody() {
    let appliance = Appliance::start();
    for way in WAYS {
        let visits = AtomicUsize::new(0);
        let origin = Origin::https_with(move |visit| {
            let mine = visits.fetch_add(1, Ordering::SeqCst);
            while visit.request()?.is_some() {
                let own = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{mine}");
                let poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
                visit.write(own + poison)?;
            }
            Ok(())
        });
        let mut agent = Agent::via(&appliance, way, &origin);
        for count in 0..3 {
            let answer = agent.get("/").expect_origins(200);
            assert_eq!(answer.text(), count.to_string(), "{way:?}");
        }
    }
}

#[test]
fn bytes_that_come_while_a_connection_is_idle_reach_nobody() {
    let appliance = Appliance::start();
    for way in WAYS {
        let ((go, gone), (say, said)) = (channel::<()>(), channel::<()>());
        let (gone, say) = (Mutex::new(gone), Mutex::new(say));
        let origin = Origin::https_with(move |visit| {
            visit.request()?;
            visit.write(OK)?;
            gone.lock().unwrap().recv_timeout(PATIENCE).map_err(io::Error::other)?;
            visit.write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")?;
            say.lock().unwrap().send(()).map_err(io::Error::other)?;
            visit.drain();
            Ok(())
        });
        let mut agent = Agent::via(&appliance, way, &origin);
        for _ in 0..3 {
            assert_eq!(agent.get("/").expect_origins(200).text(), "ok", "{way:?}");
            // What the origin writes now is with the proxy, unread, before the next request is.
            go.send(()).unwrap();
            said.recv_timeout(PATIENCE).unwrap();
        }
        assert_eq!(origin.connections(), 3, "{way:?}");
    }
}

#[test]
fn a_body_where_none_may_be_reaches_nobody() {
    let appliance = Appliance::start();
    let poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
    for (method, head) in [
        ("HEAD", format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", poison.len())),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n".to_owned()),
        ("GET", format!("HTTP/1.1 304 Not Modified\r\nContent-Length: {}\r\n\r\n", poison.len())),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned()),
    ] {
        for way in WAYS {
            let head = head.clone();
            let origin = Origin::https_with(move |visit| {
                while let Some(request) = visit.request()? {
                    if request.target() == "/first" {
                        visit.write(format!("{head}{poison}"))?;
                    } else {
                        visit.write(OK)?;
                    }
                }
                Ok(())
            });
            let mut agent = Agent::via(&appliance, way, &origin);
            let answer = agent.ask(method, "/first", &[NAMED]);
            assert_eq!(answer.body, b"", "{way:?} {head:?}", head = answer.start);
            for _ in 0..2 {
                let mut agent = Agent::via(&appliance, way, &origin);
                assert_eq!(agent.get("/next").expect_origins(200).text(), "ok", "{way:?} {method}");
            }
        }
    }
}
