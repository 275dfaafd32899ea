//! What an upstream answers is parsed as strictly as what a client asks: bad answers are 502, and their connection is dropped.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{
    Agent, Appliance, Origin, WAYS, Way,
    agent::NAMED,
    origin::{OK, answer_each},
};

/// Answers the first connection with `bytes`, later ones as one should.
fn once(bytes: impl Into<Vec<u8>>) -> Origin {
    let (bytes, visits) = (bytes.into(), AtomicUsize::new(0));
    Origin::https_with(move |visit| {
        if visits.fetch_add(1, Ordering::SeqCst) > 0 {
            return answer_each(visit);
        }
        visit.request()?;
        // The proxy may hang up before it has heard it all.
        drop(visit.write(&bytes));
        visit.drain();
        Ok(())
    })
}

#[test]
fn heads_that_are_ambiguous_are_a_bad_gateway() {
    let appliance = Appliance::start();
    let field = |it: &str| format!("HTTP/1.1 200 OK\r\n{it}\r\n\r\nok").into_bytes();
    let mut bad = vec![
        field("Content-Length: 2\r\nTransfer-Encoding: chunked"),
        field("Content-Length: 2\r\nContent-Length: 3"),
        field("Content-Length: 2\r\nContent-Length: 2"),
        field("Content-Length: 2, 2"),
        field("Content-Length: +2"),
        field("Content-Length: -2"),
        field("Content-Length: 0x2"),
        field("Content-Length:"),
        field("Content-Length: 18446744073709551616"),
        field("Transfer-Encoding: gzip, chunked"),
        field("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        field("Transfer-Encoding: identity"),
        field("Transfer-Encoding: xchunked"),
        field("Content-Length: 2\r\nX: a\r\n b"),
        field("Content-Length: 2\r\nX : a"),
        field("Content-Length: 2\r\n: a"),
        field("Content-Length: 2\r\nX"),
        field("Content-Length: 2\r\nX: a\rb"),
        field("Content-Length: 2\r\nX: a\nY: b"),
        field("Content-Length: 2\r\nX: a\0b"),
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok".to_vec(),
        b"HTTP/1.1 200 OK\r\n Content-Length: 2\r\n\r\nok".to_vec(),
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n".to_vec(),
        b"HTTP/1.1 99 Low\r\nContent-Length: 2\r\n\r\nok".to_vec(),
        b"HTTP/1.1 1000 High\r\nContent-Length: 2\r\n\r\nok".to_vec(),
        b"HTTP/1.1 2x0 Odd\r\nContent-Length: 2\r\n\r\nok".to_vec(),
        b"HTTP/1.1 200OK\r\nContent-Length: 2\r\n\r\nok".to_vec(),
        b"HTTP/2 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec(),
        b"HTTP/1.1 200 O\rK\r\nContent-Length: 2\r\n\r\nok".to_vec(),
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: evil\r\nConnection: upgrade\r\n\r\nevil".to_vec(),
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n".to_vec(),
        b"\0\0\0\0\0\0\0\0\r\n\r\n".to_vec(),
        b"<html>no head at all</html>\r\n\r\n".to_vec(),
    ];
    bad.push([b"HTTP/1.1 200 OK\r\nX: ", &b"y".repeat(300_000)[..], b"\r\n\r\n"].concat());
    bad.push([&b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n".repeat(1000)[..], OK].concat());
    for (way, bad) in WAYS.iter().cycle().zip(&bad) {
        let origin = once(&bad[..]);
        let shown = String::from_utf8_lossy(&bad[..bad.len().min(90)]).into_owned();
        let mut agent = Agent::via(&appliance, *way, &origin);
        let answer = agent.ask("GET", "/bad", &[NAMED]);
        assert_eq!(answer.refusal().status, 502, "{way:?} {shown:?}");
        answer.expect_refusal(502, "upstream_error");
        // Another client, so that it matters not whether this one was closed.
        Agent::via(&appliance, *way, &origin).get("/next").expect_origins(200);
        assert_eq!(origin.connections(), 2, "{way:?} {shown:?}: the bad connection was used again");
        let line = appliance.audit_of(&format!("{}/bad", origin.authority()));
        assert_eq!(line.get("outcome"), "upstream_error", "{shown:?} {}", line.text);
    }
}

#[test]
fn bodies_that_are_ambiguous_are_cut() {
    let appliance = Appliance::start();
    for (way, bad) in WAYS.iter().cycle().zip([
        "0x2\r\nok\r\n0\r\n\r\n",
        "-1\r\nok\r\n0\r\n\r\n",
        "\r\nok\r\n0\r\n\r\n",
        "2\nok\r\n0\r\n\r\n",
        "2\r\nokay\r\n0\r\n\r\n",
        "00000000000000002\r\nok\r\n0\r\n\r\n",
        "ffffffffffffffff\r\nok\r\n0\r\n\r\n",
        "2\r\nok\r\n0\r\nno trailer\r\n\r\n",
        "2;\n\r\nok\r\n0\r\n\r\n",
    ]) {
        let origin = once(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n{bad}"));
        let mut agent = Agent::via(&appliance, *way, &origin);
        let head = agent.head("GET", "/", &[NAMED]);
        agent.send(head);
        match agent.try_answer("GET") {
            Ok(answer) => drop(answer.expect_refusal(502, "upstream_error")),
            Err(_) => assert!(agent.rest().len() < 2000, "{way:?} {bad:?}"),
        }
        Agent::via(&appliance, *way, &origin).get("/next").expect_origins(200);
        assert_eq!(origin.connections(), 2, "{way:?} {bad:?}: the bad connection was used again");
    }
}

#[test]
fn the_fields_of_the_hop_stay_at_their_hop() {
    let appliance = Appliance::start();
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Named\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\n\
         Proxy-Connection: keep-alive\r\nUpgrade: h2c\r\nX-Named: a\r\nX-Kept: b\r\nContent-Length: 2\r\n\r\nok",
    );
    for way in WAYS {
        let answer = Agent::via(&appliance, way, &origin).get("/").expect_origins(200);
        let mut names: Vec<String> = answer.fields.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        names.sort();
        assert_eq!(names, ["content-length", "x-kept"], "{way:?}");
    }
}

#[test]
fn interim_answers_bring_no_framing_and_nothing_of_the_hop() {
    let appliance = Appliance::start();
    for way in WAYS {
        let origin = Origin::answering(
            "HTTP/1.1 103 Early Hints\r\nContent-Length: 46\r\nLink: </a>\r\n\r\n\
             HTTP/1.1 103 Early Hints\r\nLink: </b>\r\nTransfer-Encoding: chunked\r\n\r\n\
             HTTP/1.1 103 Early Hints\r\nConnection: close, X-Named\r\nX-Named: a\r\nLink: </c>\r\nUpgrade: h2c\r\n\
             Keep-Alive: timeout=5\r\nProxy-Connection: close\r\nProxy-Status: vultrino; error=x\r\n\r\n\
             HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        );
        let mut agent = Agent::via(&appliance, way, &origin);
        for _ in 0..2 {
            let answer = agent.get("/").expect_origins(200);
            let fields: Vec<_> = answer.interim.iter().map(|it| it.fields.clone()).collect();
            let link = |to: &str| vec![("Link".to_owned(), to.to_owned())];
            assert_eq!(fields, [link("</a>"), link("</b>"), link("</c>")], "{way:?}");
            assert_eq!(answer.text(), "ok", "{way:?}");
        }
        assert_eq!(origin.connections(), 1, "{way:?}");
    }
}

#[test]
fn an_answer_that_claims_to_be_ours_does_not() {
    let appliance = Appliance::start();
    let origin = Origin::answering(
        "HTTP/1.1 403 No\r\nProxy-Status: vultrino; error=http_request_denied; details=\"forbidden\"\r\n\
         Proxy-Status: cdn.example; error=connection_refused\r\nContent-Length: 2\r\n\r\nno",
    );
    let answer = Agent::via(&appliance, Way::Path, &origin).get("/");
    assert_eq!(answer.status(), 403);
    let statuses = answer.values("proxy-status").join(", ");
    assert!(!statuses.contains("vultrino"), "{statuses}");
}
