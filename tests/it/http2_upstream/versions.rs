//! Which version of HTTP is spoken: the origin server chooses, unless the request can be told in one alone.

use std::{collections::BTreeSet, io};

use h2::Reason;

use crate::{
    http2_upstream::one_worker,
    support::{
        Agent, Origin, WAYS, Way,
        agent::NAMED,
        certificates,
        frames::{Frames, reset},
        origin::{OK, answer_each},
        visit::{Line, Visit},
    },
};

/// Answers in whichever version was agreed on, of those that it offers.
fn offering(protocols: &[&str]) -> Origin {
    Origin::tls(
        certificates::speaking(protocols),
        |visit| if is_http2(visit) { http2(visit) } else { answer_each(visit) },
    )
}

fn is_http2(visit: &Visit) -> bool {
    matches!(&visit.line, Line::Tls(it) if it.conn.alpn_protocol() == Some(b"h2"))
}

fn http2(visit: &mut Visit) -> io::Result<()> {
    let mut frames = Frames::begin(visit)?;
    frames.greet()?;
    frames.answer_each()
}

/// How each connection so far has begun.
fn spoken(origin: &Origin) -> Vec<&'static str> {
    let version = |bytes: &[u8]| if bytes.starts_with(b"PRI * HTTP/2.0") { "h2" } else { "http/1.1" };
    origin.seen().iter().filter(|it| !it.bytes.is_empty()).map(|it| version(&it.bytes)).collect()
}

#[test]
fn the_origin_chooses_the_version() {
    for (offered, chosen) in [
        (&["h2", "http/1.1"][..], "h2"),
        (&["http/1.1", "h2"], "http/1.1"),
        (&["http/1.1"], "http/1.1"),
        (&["h2"], "h2"),
        (&[], "http/1.1"),
    ] {
        let appliance = one_worker();
        let origin = offering(offered);
        for way in WAYS {
            assert_eq!(Agent::via(&appliance, way, &origin).get("/").expect_origins(200).text(), "ok", "{offered:?}");
        }
        assert_eq!(spoken(&origin), [chosen], "{offered:?}");
    }
}

#[test]
fn what_no_uri_holds_is_refused_whatever_the_origin_speaks() {
    let appliance = one_worker();
    for origin in [offering(&["h2", "http/1.1"]), offering(&["h2"]), offering(&["http/1.1"])] {
        for way in WAYS {
            // An origin that spoke one version for some paths would speak it for whom a path forces to it.
            Agent::via(&appliance, way, &origin).get("/a<b>?c=`d`").expect_refusal(400, "invalid_request");
            Agent::via(&appliance, way, &origin).get("/plain?`{d}|^").expect_origins(200);
        }
        let versions: BTreeSet<_> = spoken(&origin).into_iter().collect();
        assert_eq!(versions.len(), 1, "{versions:?}");
    }
}

#[test]
fn a_websocket_goes_over_http1_even_where_http2_is_open() {
    let appliance = one_worker();
    let origin = Origin::tls(certificates::speaking(&["h2", "http/1.1"]), |visit| {
        if is_http2(visit) {
            return http2(visit);
        }
        visit.head()?;
        visit.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello")?;
        visit.drain();
        Ok(())
    });
    let fields = [NAMED, ("Connection", "Upgrade"), ("Upgrade", "websocket")];
    for way in WAYS {
        Agent::via(&appliance, way, &origin).get("/").expect_origins(200);
        let mut agent = Agent::via(&appliance, way, &origin);
        let head = agent.head("GET", "/", &fields);
        agent.send(head);
        assert_eq!(agent.answer_head().start, "HTTP/1.1 101 Switching Protocols", "{way:?}");
        agent.read_until("hello");
        agent.break_off();
    }
    assert_eq!(spoken(&origin), ["h2", "http/1.1", "http/1.1", "http/1.1"]);
    // Where nothing else is spoken there is none.
    let only = offering(&["h2"]);
    let answer = Agent::via(&appliance, Way::Path, &only).ask("GET", "/", &fields);
    answer.expect_refusal(502, "upstream_error");
}

#[test]
fn an_origin_may_want_http1_for_a_request() {
    let appliance = one_worker();
    let origin = Origin::tls(certificates::speaking(&["h2", "http/1.1"]), |visit| {
        if !is_http2(visit) {
            return answer_each(visit);
        }
        let mut frames = Frames::begin(visit)?;
        frames.greet()?;
        while let Some(stream) = frames.request()? {
            frames.write(&reset(stream, Reason::HTTP_1_1_REQUIRED))?;
        }
        Ok(())
    });
    for way in WAYS {
        Agent::via(&appliance, way, &origin).post("/", &[], b"whole").expect_origins(200);
    }
    assert_eq!(spoken(&origin), ["h2", "http/1.1", "http/1.1", "http/1.1"], "the other one is still good");
}

#[test]
fn an_origin_that_was_to_speak_http2_and_does_not_is_a_bad_gateway() {
    let appliance = one_worker();
    let origin = Origin::tls(certificates::speaking(&["h2"]), |visit| {
        visit.more()?;
        visit.write(OK)?;
        visit.drain();
        Ok(())
    });
    Agent::via(&appliance, Way::Path, &origin).get("/").expect_refusal(502, "upstream_error");
}
