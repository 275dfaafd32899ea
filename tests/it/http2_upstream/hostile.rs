//! Origin servers that break HTTP/2 or wear it out: the answer is 502 or does not look whole, and others do not notice.

use std::io;

use h2::Reason;

use crate::{
    http2_upstream::{agent, one_worker, with_one_worker},
    support::{
        Agent, Appliance, Http2Origin, Origin, WAYS, Way,
        agent::NAMED,
        frames::{
            self, ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, HEADERS, PING, PUSH_PROMISE, RST_STREAM,
            SETTINGS, WINDOW_UPDATE, bare, block, frame, go_away, head, last, ok, reset,
        },
        memory::Peak,
    },
};

const STATUS: (&str, &str) = (":status", "200");

/// Says this to the first request of each connection, of which the stream is always the first.
fn saying(bytes: impl Into<Vec<u8>>) -> Origin {
    let bytes = bytes.into();
    frames::origin(move |visit| {
        visit.greet()?;
        visit.request()?;
        // The proxy may hang up before it has heard it all.
        drop(visit.write(&bytes));
        visit.drain();
        Ok(())
    })
}

#[test]
fn answers_that_break_the_rules_are_a_bad_gateway() {
    let appliance = Appliance::start();
    let good = Http2Origin::start();
    let answer = |fields: &[(&str, &str)]| [head(1, fields), last(1, b"ok")].concat();
    let long = "y".repeat(20_000);
    let bad: Vec<(&str, Vec<u8>)> = vec![
        ("no status", answer(&[("x", "y")])),
        ("status that is no number", answer(&[(":status", "2x0")])),
        ("status too low", answer(&[(":status", "099")])),
        ("status twice", answer(&[STATUS, STATUS])),
        ("status behind a field", answer(&[("x", "y"), STATUS])),
        ("name in capitals", answer(&[STATUS, ("X-Upper", "y")])),
        ("line break in a value", answer(&[STATUS, ("x", "a\r\nb: c")])),
        ("NUL in a value", answer(&[STATUS, ("x", "a\0b")])),
        ("blank in a name", answer(&[STATUS, ("x y", "z")])),
        ("colon in a name", answer(&[STATUS, ("x:y", "z")])),
        ("connection", answer(&[STATUS, ("connection", "close")])),
        ("transfer-encoding", answer(&[STATUS, ("transfer-encoding", "chunked")])),
        ("upgrade", answer(&[STATUS, ("upgrade", "h2c")])),
        ("two lengths", answer(&[STATUS, ("content-length", "2"), ("content-length", "3")])),
        ("one length twice", answer(&[STATUS, ("content-length", "2"), ("content-length", "2")])),
        ("length with a sign", answer(&[STATUS, ("content-length", "+2")])),
        ("length and no body", bare(1, &[STATUS, ("content-length", "2")])),
        ("switch of protocols", answer(&[(":status", "101")])),
        ("interim answer that ends", bare(1, &[(":status", "103")])),
        ("interim answers without end", [head(1, &[(":status", "103"), ("x", "y")]).repeat(1000), ok(1)].concat()),
        ("data before the head", [frame(DATA, 0, 1, b"early"), ok(1)].concat()),
        ("data on a stream that is not there", [frame(DATA, 0, 7, b"x"), ok(1)].concat()),
        ("head on a stream that is not there", ok(7)),
        ("head on a stream of the server's", ok(2)),
        (
            "push",
            [frame(PUSH_PROMISE, END_HEADERS, 1, &[&[0, 0, 0, 2], &block(&[(":path", "/")])[..]].concat()), ok(1)]
                .concat(),
        ),
        ("frame too long", [frame(DATA, 0, 1, &[b'x'; 16_385]), ok(1)].concat()),
        ("settings of a wrong length", [frame(SETTINGS, 0, 0, &[0; 5]), ok(1)].concat()),
        ("settings on a stream", [frame(SETTINGS, 0, 1, &[]), ok(1)].concat()),
        ("window that overflows", [frame(WINDOW_UPDATE, 0, 0, &[0x7f, 255, 255, 255]), ok(1)].concat()),
        ("window of nothing", [frame(WINDOW_UPDATE, 0, 1, &[0; 4]), ok(1)].concat()),
        ("continuation of nothing", [frame(CONTINUATION, END_HEADERS, 1, &[]), ok(1)].concat()),
        ("head that is cut by data", [frame(HEADERS, 0, 1, &block(&[STATUS])), last(1, b"ok")].concat()),
        (
            "head without end",
            [frame(HEADERS, 0, 1, &[]), frame(CONTINUATION, 0, 1, &[]).repeat(10_000), ok(1)].concat(),
        ),
        (
            "head that grows",
            [frame(HEADERS, 0, 1, &[]), frame(CONTINUATION, 0, 1, &block(&[("x", &long[..9_000])])).repeat(100), ok(1)]
                .concat(),
        ),
        ("compression that is none", frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xff; 20])),
        ("table that is not there", frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0x88, 0xfe])),
        ("reset of a stream that is not there", [reset(9, Reason::CANCEL), ok(1)].concat()),
        ("unknown error", frame(RST_STREAM, 0, 1, &[9, 9, 9, 9])),
        ("HTTP/1", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec()),
        ("nonsense", vec![0xa5; 10_000]),
    ];
    for (way, (what, bad)) in WAYS.iter().cycle().zip(bad) {
        let origin = saying(bad);
        // Only what the origin says it has not begun with would be asked for again.
        let answer = Agent::via(&appliance, *way, &origin).ask("GET", "/bad", &[NAMED]);
        assert_eq!(answer.status(), 502, "{way:?} {what}: {}", answer.text());
        answer.expect_refusal(502, "upstream_error");
        assert_eq!(origin.connections(), 1, "{way:?} {what}");
        let line = appliance.audit_of(&format!("{}/bad", origin.authority()));
        assert_eq!(line.get("outcome"), "upstream_error", "{what} {}", line.text);
        agent(&appliance, *way, &good).get("/").expect_origins(200);
    }
}

#[test]
fn bodies_that_break_the_rules_never_look_whole() {
    let appliance = Appliance::start();
    let begin = |length: &str| [head(1, &[STATUS, ("content-length", length)]), frame(DATA, 0, 1, b"begin")].concat();
    let open = || [head(1, &[STATUS]), frame(DATA, 0, 1, b"begin")].concat();
    let bad: Vec<(&str, Vec<u8>)> = vec![
        ("shorter than said", [begin("10"), last(1, b"")].concat()),
        ("longer than said", [begin("6"), last(1, b"longer")].concat()),
        ("reset", [open(), reset(1, Reason::INTERNAL_ERROR)].concat()),
        ("reset without an error", [open(), reset(1, Reason::NO_ERROR)].concat()),
        ("refused too late", [open(), reset(1, Reason::REFUSED_STREAM)].concat()),
        ("gone", [open(), go_away(0, Reason::NO_ERROR)].concat()),
        ("second head", [open(), head(1, &[STATUS])].concat()),
        ("trailers in capitals", [open(), bare(1, &[("X", "y")])].concat()),
        ("trailers too large", [open(), bare(1, &[("x", &*"y".repeat(16_000)); 5])].concat()),
        ("too much", [open(), frame(DATA, 0, 1, &[b'x'; 16_384]).repeat(100)].concat()),
        ("padding longer than the frame", [open(), frame(DATA, 8, 1, &[9, b'x'])].concat()),
        ("nonsense", [open(), vec![0xa5; 10_000]].concat()),
    ];
    for (way, (what, bad)) in WAYS.iter().cycle().zip(bad) {
        let origin = saying(bad);
        let mut client = Agent::via(&appliance, *way, &origin);
        let head = client.head("GET", "/", &[NAMED]);
        client.send(head);
        let heard = client.try_answer("GET");
        // It may all break before the head has gone down.
        let refused = heard.as_ref().is_ok_and(|it| it.status() == 502);
        assert!(heard.is_err() || refused, "{way:?} {what}: {heard:?}");
    }
}

#[test]
fn stray_pseudo_fields_do_not_pass() {
    let appliance = Appliance::start();
    let head = head(1, &[STATUS, (":path", "/evil"), ("x", "y")]);
    let origin = saying([head, frame(DATA, 0, 1, b"ok"), bare(1, &[(":status", "500"), ("x-sum", "2")])].concat());
    let answer = Agent::via(&appliance, Way::Path, &origin).get("/").expect_origins(200);
    assert_eq!((answer.text().as_str(), &*answer.trailers), ("ok", &[("x-sum".into(), "2".into())][..]));
    assert!(!answer.fields.iter().any(|(name, value)| name.contains("path") || value.contains("evil")));
}

/// What a flood is made of.
fn floods() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("settings", frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100])),
        ("settings that are confirmed", frame(SETTINGS, ACK, 0, &[])),
        ("pings", frame(PING, 0, 0, &[7; 8])),
        ("pongs", frame(PING, ACK, 0, &[7; 8])),
        ("windows", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("empty data", frame(DATA, 0, 1, &[])),
        ("resets", reset(1, Reason::CANCEL)),
        ("interim answers", head(1, &[(":status", "103"), ("link", "</a>; rel=preload")])),
        ("unknown frames", frame(0xbe, 0, 1, b"what")),
        ("priorities", frame(2, 0, 1, &[0, 0, 0, 0, 16])),
    ]
}

#[test]
fn a_flood_wears_nobody_out() {
    let appliance = one_worker();
    let good = Http2Origin::start();
    agent(&appliance, Way::Path, &good).get("/").expect_origins(200);
    for (what, unit) in floods() {
        let peak = Peak::of(appliance.pid());
        let flood = unit.repeat(1 + 100_000 / unit.len());
        let origin = frames::origin(move |visit| {
            visit.greet()?;
            visit.request()?;
            pour(visit, &flood)
        });
        let mut victim = Agent::via(&appliance, Way::Path, &origin);
        let head = victim.head("GET", "/", &[NAMED]);
        victim.send(head);
        // While it goes on.
        origin.until("the flood has begun", |seen| (!seen.is_empty()).then_some(()));
        for _ in 0..20 {
            agent(&appliance, Way::Path, &good).get("/").expect_origins(200);
        }
        victim.break_off();
        let peak = peak.mib();
        assert!(peak < 128, "{what}: {peak} MiB");
    }
    assert_eq!(good.known().connections, 1, "the good one was never given up");
}

/// Writes as long as somebody listens, 30 MB at most.
fn pour(visit: &mut Frames<'_>, flood: &[u8]) -> io::Result<()> {
    for _ in 0..300 {
        visit.write(flood)?;
    }
    Ok(())
}

#[test]
fn an_origin_that_talks_without_being_asked_is_left() {
    let appliance = one_worker();
    // To these there are answers, and an origin that reads none is not read either.
    let unanswered = |it: &(&str, Vec<u8>)| !["settings", "pings"].contains(&it.0);
    for (what, unit) in floods().into_iter().filter(unanswered) {
        let flood = unit.repeat(1 + 10_000 / unit.len());
        let origin = frames::origin(move |visit| {
            visit.greet()?;
            visit.request()?;
            visit.write(&ok(1))?;
            // Ends with an error, since the other side does.
            loop {
                visit.write(&flood)?;
            }
        });
        Agent::via(&appliance, Way::Path, &origin).get("/").status();
        origin.until(what, |seen| seen[0].over.then_some(()));
    }
}

#[test]
fn an_origin_that_is_silent_is_given_up_and_others_are_not() {
    let appliance = with_one_worker(Appliance::builder().set("server.timeout", "1"));
    let greeted = frames::origin(|visit| {
        visit.greet()?;
        visit.drain();
        Ok(())
    });
    let mute = frames::origin(|visit| {
        visit.drain();
        Ok(())
    });
    for (way, origin) in [(Way::Path, greeted), (Way::Tunnel, mute)] {
        for nth in 1..=2 {
            Agent::via(&appliance, way, &origin).get("/").expect_refusal(504, "upstream_timeout");
            // It may be dead, so the next request does not rely on it.
            assert_eq!(origin.connections(), nth, "{way:?}");
        }
    }
    let stalled = saying([head(1, &[STATUS]), frame(DATA, 0, 1, b"begin")].concat());
    let mut agent = Agent::via(&appliance, Way::Absolute, &stalled);
    let head = agent.head("GET", "/", &[NAMED]);
    agent.send(head);
    assert!(agent.try_answer("GET").is_err());
}
