//! `Expect: 100-continue`: the origin decides, and nobody is told to go on with a request that is refused.

use crate::support::{Agent, Appliance, Credential, Origin, WAYS, agent::NAMED, appliance::ALIAS, wire::status};

const EXPECTING: [(&str, &str); 3] = [NAMED, ("Expect", "100-continue"), ("Content-Length", "5")];

#[test]
fn the_origins_100_comes_back_before_the_body_goes_up() {
    let appliance = Appliance::start();
    for way in WAYS {
        let origin = Origin::https_with(|visit| {
            let head = visit.head()?.unwrap();
            assert_eq!(head.values("expect"), ["100-continue"]);
            assert!(visit.unread.is_empty(), "a body before the 100");
            visit.write("HTTP/1.1 100 Continue\r\n\r\n")?;
            visit.take(5)?;
            visit.write("HTTP/1.1 201 Made\r\nContent-Length: 4\r\n\r\ndone")
        });
        let mut agent = Agent::via(&appliance, way, &origin);
        let head = agent.head("POST", "/", &EXPECTING);
        agent.send(head);
        assert_eq!(status(&agent.answer_head().start), Ok(100), "{way:?}");
        agent.send("hello");
        assert_eq!(agent.answer("POST").expect_origins(201).text(), "done", "{way:?}");
        assert_eq!(origin.only_request().body, b"hello", "{way:?}");
    }
}

#[test]
fn an_origin_that_refuses_gets_no_body() {
    let appliance = Appliance::start();
    for way in WAYS {
        let origin = Origin::https_with(|visit| {
            visit.head()?;
            visit.write("HTTP/1.1 413 Too big\r\nContent-Length: 3\r\n\r\nno!")
        });
        let mut agent = Agent::via(&appliance, way, &origin);
        let head = agent.head("POST", "/", &EXPECTING);
        agent.send(head);
        let answer = agent.answer("POST").expect_origins(413);
        assert!(answer.interim.is_empty(), "{way:?} {answer:#?}");
        agent.break_off();
        let seen = origin.closed();
        assert!(seen[0].bytes.ends_with(b"\r\n\r\n"), "{way:?} a body arrived");
    }
}

#[test]
fn a_refused_request_is_not_asked_for_its_body() {
    let key = Credential::key(ALIAS, "k", &["api.example.com"]);
    let origin = Origin::https();
    let appliance = Appliance::builder().credential(key).reaching(&origin).start();
    for way in WAYS {
        let mut agent = Agent::via(&appliance, way, &origin);
        let head = agent.head("POST", "/", &EXPECTING);
        agent.send(head);
        let answer = agent.answer("POST");
        assert!(answer.interim.is_empty(), "{way:?} {answer:#?}");
        answer.expect_refusal(403, "forbidden");
        assert_eq!(origin.received(), 0, "{way:?}");
    }
}

#[test]
fn an_expectation_that_nobody_knows_fails() {
    let appliance = Appliance::start();
    for way in WAYS {
        let origin = Origin::https();
        for what in ["200-ok", "100-continue, more", "100-continue=1", ""] {
            let mut agent = Agent::via(&appliance, way, &origin);
            let head = agent.head("POST", "/", &[NAMED, ("Expect", what), ("Content-Length", "5")]);
            agent.send(head);
            agent.answer("POST").expect_refusal(417, "expectation_failed");
        }
        assert_eq!(origin.received(), 0, "{way:?}");
    }
}

#[test]
fn an_expectation_in_any_case_is_known() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    for way in WAYS {
        let mut agent = Agent::via(&appliance, way, &origin);
        let head = agent.head("POST", "/", &[NAMED, ("expect", "100-Continue"), ("Content-Length", "5")]);
        agent.send(head + "hello");
        agent.answer("POST").expect_origins(200);
    }
}
