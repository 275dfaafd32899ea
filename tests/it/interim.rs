//! Interim answers reach those who can read them, and clients of HTTP/1.0 get only what they can.

use std::{thread, time::Duration};

use crate::support::{
    Agent, Appliance, Http2Client, Http2Origin, Origin, WAYS, Way,
    agent::NAMED,
    appliance::ALIAS,
    origin::{OK, break_off},
};

#[test]
fn interim_answers_come_back_before_the_final_one() {
    let appliance = Appliance::start();
    let origin = Origin::answering(
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n\
         HTTP/1.1 103 Early Hints\r\nLink: </b.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    for way in WAYS {
        let mut agent = Agent::via(&appliance, way, &origin);
        for _ in 0..2 {
            let answer = agent.get("/").expect_origins(200);
            let links: Vec<_> = answer.interim.iter().map(|it| it.values("link")).collect();
            assert_eq!(links, [vec!["</a.css>; rel=preload"], vec![], vec!["</b.css>"]], "{way:?}");
        }
    }
}

#[test]
fn interim_answers_are_freed_of_what_is_not_for_the_client() {
    let appliance = Appliance::start();
    let origin = Origin::answering(
        "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\nConnection: X-Hop\r\nX-Hop: a\r\nKeep-Alive: b\r\nLink: </a>\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    for way in WAYS {
        let answer = Agent::via(&appliance, way, &origin).get("/");
        // It may also be refused as a whole: a length in an interim answer is not allowed.
        if answer.status() == 502 {
            answer.expect_refusal(502, "upstream_error");
            continue;
        }
        let names: Vec<_> = answer.interim.iter().flat_map(|it| it.fields.iter().map(|(name, _)| &**name)).collect();
        assert_eq!(names, ["Link"], "{way:?}");
        assert_eq!(answer.expect_origins(200).text(), "ok", "{way:?}");
    }
}

#[test]
fn a_client_of_http_1_0_gets_no_chunks_and_no_interim_answers() {
    let appliance = Appliance::start();
    let origin = Origin::answering(
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
    );
    let mut agent = Agent::via(&appliance, Way::Tunnel, &origin);
    let head = agent.head("GET", "/", &[NAMED]).replace("HTTP/1.1", "HTTP/1.0");
    agent.send(head);
    let answer = agent.answer("GET").expect_origins(200);
    assert!(answer.interim.is_empty() && answer.values("transfer-encoding").is_empty(), "{answer:#?}");
    assert_eq!(answer.text(), "abcde");
}

#[test]
fn to_a_client_of_http_1_0_a_body_that_breaks_off_does_not_look_whole_either() {
    let appliance = Appliance::start();
    let origin = Origin::https_with(|visit| {
        visit.request()?;
        visit.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhalf of it\r\n")?;
        break_off()
    });
    for way in WAYS {
        let mut agent = Agent::via(&appliance, way, &origin);
        let head = agent.head("GET", "/", &[NAMED]).replace("HTTP/1.1", "HTTP/1.0");
        agent.send(head);
        let rest = agent.rest();
        assert!(!agent.ended_well(), "{way:?}: {:?}", String::from_utf8_lossy(&rest));
    }
}

/// So many interim answers before the final one, over HTTP/1.1.
fn many(count: usize, interim: &'static str) -> Origin {
    Origin::https_with(move |visit| {
        while visit.request()?.is_some() {
            visit.write(interim.repeat(count))?;
            visit.write(OK)?;
        }
        Ok(())
    })
}

#[test]
fn many_interim_answers_come_back() {
    let appliance = Appliance::start();
    let origin = many(60, "HTTP/1.1 102 Processing\r\n\r\n");
    for way in WAYS {
        let mut agent = Agent::via(&appliance, way, &origin);
        for _ in 0..2 {
            assert_eq!(agent.get("/").expect_origins(200).interim.len(), 60, "{way:?}");
        }
    }
    assert_eq!(Http2Client::to(&appliance, &origin.authority()).get("/").expect_origins(200).interim.len(), 60);
    assert_eq!(appliance.api_without_key().execute(ALIAS, "GET", &origin.url("/")).status(), 200);
    let new = Http2Origin::with(|mut call| async move {
        for _ in 0..60 {
            call.interim(103, &[("link", "</a>")]);
        }
        call.answer_whole(200, &[], "ok");
    });
    for way in WAYS {
        let mut agent = Agent::to(&appliance, way, "https", &new.authority());
        assert_eq!(agent.get("/").expect_origins(200).interim.len(), 60, "{way:?}");
    }
}

#[test]
fn an_origin_may_take_its_time_between_interim_answers_and_no_longer() {
    let appliance = Appliance::builder().set("server.timeout", "1").start();
    // In all far longer than an origin may be silent.
    let slow = |last: u64| {
        Origin::https_with(move |visit| {
            while visit.request()?.is_some() {
                for _ in 0..20 {
                    thread::sleep(Duration::from_millis(200));
                    visit.write("HTTP/1.1 102 Processing\r\n\r\n")?;
                }
                thread::sleep(Duration::from_millis(last));
                visit.write(OK)?;
            }
            Ok(())
        })
    };
    let (patient, silent) = (slow(200), slow(3000));
    let asked = |origin: &Origin| Http2Client::to(&appliance, &origin.authority()).get("/").status();
    thread::scope(|scope| {
        for way in WAYS {
            let (appliance, patient, silent) = (&appliance, &patient, &silent);
            scope.spawn(move || Agent::via(appliance, way, patient).get("/").expect_origins(200));
            scope.spawn(move || Agent::via(appliance, way, silent).get("/").expect_refusal(504, "upstream_timeout"));
        }
        scope.spawn(|| assert_eq!(asked(&patient), 200));
        assert_eq!(asked(&silent), 504);
    });
}

#[test]
fn interim_answers_are_too_many_or_too_large_at_last() {
    let appliance = Appliance::start();
    let large: &str = Box::leak(format!("HTTP/1.1 103 Early Hints\r\nX: {}\r\n\r\n", "y".repeat(60_000)).into());
    for origin in [many(1000, "HTTP/1.1 102 Processing\r\n\r\n"), many(50, large)] {
        for way in WAYS {
            let mut agent = Agent::via(&appliance, way, &origin);
            agent.get("/").expect_refusal(502, "upstream_error");
        }
        let mut client = Http2Client::to(&appliance, &origin.authority());
        client.get("/").expect_refusal(502, "upstream_error");
    }
}
