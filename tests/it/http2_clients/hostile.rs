//! Requests that break the rules of HTTP/2, or would mean another thing in HTTP/1 than they seem to: none comes through.

use h2::Reason;

use crate::support::{
    Appliance, Http2Client, Origin,
    frames::{DATA, END_HEADERS, END_STREAM, HEADERS, bare, block, frame, head, last},
    http2_client::{RawClient, answer, run},
    origin::{Rest, judge},
    swarm::Swarm,
};

/// What becomes of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// An answer.
    Status(u16),
    /// A reset of its stream.
    Reset(Reason),
    /// The end of its connection.
    GoAway(Reason),
}

/// No field of HTTP at all: what follows on the connection cannot be trusted either.
const BROKEN: Fate = Fate::GoAway(Reason::PROTOCOL_ERROR);
const REFUSED: Fate = Fate::Reset(Reason::PROTOCOL_ERROR);
const MALFORMED: Fate = Fate::Status(400);
const MISDIRECTED: Fate = Fate::Status(421);

/// What becomes of the request on the first stream.
fn fate(swarm: &Swarm, authority: &str, bytes: &[u8]) -> Fate {
    run(async {
        let mut client = RawClient::to(swarm, authority).await.unwrap();
        client.write(bytes).await.unwrap();
        loop {
            let next = client.next().await.unwrap();
            if let Some(end) = next.go_away() {
                return Fate::GoAway(end.reason);
            } else if let Some(reason) = next.reset() {
                return Fate::Reset(reason);
            } else if let Some(status) = next.status() {
                return Fate::Status(status);
            }
        }
    })
}

/// A good request, but for these: fields that begin with a colon stand in for those of the same name, or leave them out.
fn request(authority: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let good = [(":method", "GET"), (":scheme", "https"), (":authority", authority), (":path", "/seen")];
    let instead = |name: &str| fields.iter().find(|it| it.0 == name).map(|it| it.1);
    let first = good.map(|(name, value)| (name, instead(name).unwrap_or(value)));
    let first = first.into_iter().filter(|it| it.1 != NONE);
    let others = fields.iter().copied().filter(|it| good.iter().all(|good| good.0 != it.0));
    bare(1, &first.chain(others).collect::<Vec<_>>())
}

/// Leaves a pseudo-field out.
const NONE: &str = "(none)";

#[test]
fn heads_that_break_the_rules_do_not_arrive() {
    let (appliance, origin) = (Appliance::start(), Origin::https());
    let (swarm, authority) = (Swarm::of_http2(&appliance, None), origin.authority());
    let absolute = "https://elsewhere.test/";
    let cases: Vec<(Vec<(&str, &str)>, Fate)> = vec![
        (vec![("x", "a\r\nevil: b")], BROKEN),
        (vec![("x", "a\nb")], BROKEN),
        (vec![("x", "a\rb")], BROKEN),
        (vec![("x", "a\0b")], BROKEN),
        (vec![("x", " a")], MALFORMED),
        (vec![("x", "a\t")], MALFORMED),
        (vec![("X-Upper", "a")], BROKEN),
        (vec![("x y", "a")], BROKEN),
        (vec![("x:y", "a")], BROKEN),
        (vec![("x\r\nevil", "a")], BROKEN),
        (vec![("", "a")], BROKEN),
        (vec![("transfer-encoding", "chunked")], REFUSED),
        (vec![("connection", "close")], REFUSED),
        (vec![("keep-alive", "1")], REFUSED),
        (vec![("proxy-connection", "close")], REFUSED),
        (vec![("upgrade", "websocket")], REFUSED),
        (vec![("te", "gzip")], REFUSED),
        (vec![("content-length", "5")], REFUSED),
        (vec![("content-length", "0"), ("content-length", "0")], MALFORMED),
        (vec![("content-length", "+0")], REFUSED),
        (vec![("content-length", "0, 0")], REFUSED),
        (vec![(":path", "/a b")], REFUSED),
        (vec![(":path", "/a HTTP/1.1\r\nevil: b\r\n\r\n")], REFUSED),
        (vec![(":path", "/\u{e9}")], MALFORMED),
        (vec![(":path", "")], REFUSED),
        (vec![(":path", NONE)], REFUSED),
        (vec![(":path", "*")], MALFORMED),
        (vec![(":path", "a")], REFUSED),
        (vec![(":path", absolute)], REFUSED),
        (vec![(":path", "/a/../b")], MALFORMED),
        (vec![(":scheme", "http")], MALFORMED),
        (vec![(":scheme", "ftp")], MALFORMED),
        (vec![(":scheme", NONE)], REFUSED),
        (vec![(":method", NONE)], REFUSED),
        (vec![(":method", "G ET")], BROKEN),
        (vec![(":method", "TRACE")], Fate::Status(405)),
        (vec![(":method", "CONNECT"), (":scheme", NONE), (":path", NONE)], Fate::Status(405)),
        (vec![(":method", "CONNECT")], REFUSED),
        (vec![(":method", "CONNECT"), (":protocol", "websocket")], REFUSED),
        (vec![(":status", "200")], REFUSED),
        (vec![(":other", "a")], BROKEN),
        (vec![("x", "a"), (":late", "/")], BROKEN),
    ];
    check(&swarm, &authority, &cases);
    assert_eq!(origin.connections(), 0, "{:#?}", origin.seen());
    for fields in [&[][..], &[("te", "trailers")]] {
        assert_eq!(fate(&swarm, &authority, &request(&authority, fields)), Fate::Status(200), "{fields:?}");
    }
    assert!(origin.requests().iter().all(|it| it.target() == "/seen"));
}

#[track_caller]
fn check(swarm: &Swarm, authority: &str, cases: &[(Vec<(&str, &str)>, Fate)]) {
    let mut wrong = Vec::new();
    for (fields, expected) in cases {
        let got = fate(swarm, authority, &request(authority, fields));
        if got != *expected {
            wrong.push(format!("{fields:?}: {got:?}, expected {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_host_is_named_once_or_twice_alike() {
    let (appliance, origin) = (Appliance::start(), Origin::https());
    let (swarm, authority) = (Swarm::of_http2(&appliance, None), origin.authority());
    let upper = authority.to_uppercase();
    let elsewhere = format!("elsewhere.test:{}", origin.port());
    let user = format!("user@{authority}");
    let cases: Vec<(Vec<(&str, &str)>, Fate)> = vec![
        (vec![(":authority", &elsewhere)], MISDIRECTED),
        (vec![(":authority", "localhost:1")], MISDIRECTED),
        (vec![(":authority", "localhost")], MISDIRECTED),
        (vec![(":authority", &user)], MISDIRECTED),
        (vec![(":authority", "a b")], REFUSED),
        (vec![(":authority", "")], REFUSED),
        (vec![(":authority", NONE)], MALFORMED),
        (vec![(":authority", NONE), ("host", &elsewhere)], MISDIRECTED),
        (vec![(":authority", NONE), ("host", "localhost")], MISDIRECTED),
        (vec![(":authority", NONE), ("host", &user)], MALFORMED),
        (vec![(":authority", NONE), ("host", "")], MALFORMED),
        (vec![(":authority", NONE), ("host", "a/b")], MALFORMED),
        (vec![(":authority", NONE), ("host", &authority), ("host", &authority)], MALFORMED),
        (vec![(":authority", NONE), ("host", &authority), ("host", &elsewhere)], MALFORMED),
        (vec![(":authority", NONE), ("host", &authority), (":method", "TRACE")], Fate::Status(405)),
        (vec![("host", &elsewhere)], MALFORMED),
        (vec![("host", "localhost")], MALFORMED),
        (vec![("host", &user)], MALFORMED),
        (vec![("host", "")], MALFORMED),
        (vec![(":authority", &elsewhere), ("host", &authority)], MALFORMED),
        (vec![(":authority", &elsewhere), ("host", &elsewhere)], MISDIRECTED),
        (vec![("host", &authority), ("host", &authority)], MALFORMED),
    ];
    check(&swarm, &authority, &cases);
    assert_eq!(origin.connections(), 0, "{:#?}", origin.seen());
    for fields in [
        &[("host", &*authority)][..],
        &[("host", &upper)],
        &[(":authority", &upper)],
        &[(":authority", NONE), ("host", &authority)],
        &[(":authority", NONE), ("host", &upper)],
    ] {
        assert_eq!(fate(&swarm, &authority, &request(&authority, fields)), Fate::Status(200), "{fields:?}");
    }
    for request in origin.requests() {
        assert_eq!((request.target(), request.values("host")), ("/seen", vec![&*authority]));
    }
    assert_eq!(origin.requests().len(), 5);
}

#[test]
fn messages_that_break_the_rules_do_not_arrive() {
    let (appliance, origin) = (Appliance::start(), Origin::https());
    let (swarm, authority) = (Swarm::of_http2(&appliance, None), origin.authority());
    let post = [(":method", "POST"), (":scheme", "https"), (":authority", &*authority), (":path", "/seen")];
    let with = |more: &[(&'static str, &'static str)]| [&post[..], more].concat();
    let five = head(1, &with(&[("content-length", "5")]));
    let open = head(1, &post);
    let trailers = |fields: &[(&str, &str)]| frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(fields));
    for (name, bytes, expected) in [
        ("a path twice", bare(1, &with(&[(":path", "/seen")])), REFUSED),
        ("an authority twice", bare(1, &with(&[(":authority", "localhost")])), REFUSED),
        ("less than it says", [&*five, &last(1, b"four")].concat(), REFUSED),
        ("more than it says", [&*five, &last(1, b"six by")].concat(), REFUSED),
        ("more, in two pieces", [&*five, &frame(DATA, 0, 1, b"five!"), &last(1, b"x")].concat(), REFUSED),
        ("less, and trailers", [&*five, &frame(DATA, 0, 1, b"four"), &trailers(&[("x", "a")])].concat(), REFUSED),
        ("a pseudo-field in trailers", [&*open, &trailers(&[(":path", "/")])].concat(), BROKEN),
        ("one behind a field", [&*open, &trailers(&[("x", "a"), (":method", "GET")])].concat(), BROKEN),
        ("one by its number", [&*open, &frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0x82])].concat(), BROKEN),
        ("a line break in trailers", [&*open, &trailers(&[("x", "a\r\nb: c")])].concat(), BROKEN),
        ("trailers that do not end", [&*open, &head(1, &[("x", "a")])].concat(), REFUSED),
        ("data behind the end", [&*open, &last(1, b""), &last(1, b"x")].concat(), BROKEN),
    ] {
        assert_eq!(fate(&swarm, &authority, &bytes), expected, "{name}");
    }
    drop(appliance);
    let mut whole = 0;
    for seen in origin.closed() {
        let (requests, rest) = judge(&seen.bytes);
        assert!(matches!(rest, Rest::Nothing | Rest::Cut), "{:?}", String::from_utf8_lossy(&seen.bytes));
        assert!(requests.iter().all(|it| it.body.is_empty() && it.trailers.is_empty()), "{requests:#?}");
        whole += requests.len();
    }
    assert_eq!(whole, 0);
}

/// What came first is judged when it has ended, not when it is as long as it says.
#[test]
fn a_body_that_goes_on_behind_its_length_is_never_executed() {
    let (appliance, origin) = (Appliance::start(), Origin::https());
    let (swarm, authority) = (Swarm::of_http2(&appliance, None), origin.authority());
    let post = |path: &'static str, length: &'static str| {
        let of_length = ("content-length", length);
        head(1, &[(":method", "POST"), (":scheme", "https"), (":authority", &authority), (":path", path), of_length])
    };
    let other = [(":method", "GET"), (":scheme", "https"), (":authority", &*authority), (":path", "/other")];
    run(async {
        for (path, length, data) in [("/none", "0", ""), ("/five", "5", "five!")] {
            let mut client = RawClient::to(&swarm, &authority).await.unwrap();
            client.write(&[post(path, length), frame(DATA, 0, 1, data.as_bytes())].concat()).await.unwrap();
            client.write(&bare(3, &other)).await.unwrap();
            client.until(|it| it.stream == 3 && it.status() == Some(200)).await.unwrap();
            client.write(&last(1, b"x")).await.unwrap();
            let end = client.until(|it| it.stream == 1).await.unwrap();
            assert_eq!(end.reset(), Some(Reason::PROTOCOL_ERROR), "{path} {end:?}");
            let line = appliance.audit_of(path);
            assert_eq!(line.get("outcome"), "client_abort", "{}", line.text);
        }
        for (path, length, data) in [("/none", "0", ""), ("/five", "5", "five!")] {
            let mut client = RawClient::to(&swarm, &authority).await.unwrap();
            let parts = [post(path, length), frame(DATA, 0, 1, data.as_bytes()), last(1, b"")];
            client.write(&parts.concat()).await.unwrap();
            client.until(|it| it.stream == 1 && it.status() == Some(200)).await.unwrap();
            let trailers = frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&[("x", "a")]));
            let mut client = RawClient::to(&swarm, &authority).await.unwrap();
            let parts = [post(path, length), frame(DATA, 0, 1, data.as_bytes()), trailers];
            client.write(&parts.concat()).await.unwrap();
            client.until(|it| it.stream == 1 && it.status() == Some(200)).await.unwrap();
        }
    });
    drop(appliance);
    let whole = origin.closed().into_iter().flat_map(|it| judge(&it.bytes).0).map(|it| it.target().to_owned());
    let mut whole: Vec<String> = whole.collect();
    whole.sort();
    assert_eq!(whole, ["/five", "/five", "/none", "/none", "/other", "/other"]);
}

#[test]
fn one_connection_outlives_the_requests_that_it_refuses() {
    let (appliance, origin) = (Appliance::start(), Origin::https());
    let mut client = Http2Client::to(&appliance, &origin.authority());
    for _ in 0..3 {
        let elsewhere = http::Request::get("https://elsewhere.test/").body(()).unwrap();
        let asked = client.begin(elsewhere, true).unwrap();
        run(answer(asked.response)).unwrap().expect_refusal(421, "misdirected_request");
        client.ask("TRACE", "/", &[]).expect_refusal(405, "invalid_request");
        client.get("/").expect_origins(200);
    }
    let large = "x".repeat(70_000);
    assert_eq!(client.ask("GET", "/", &[("x", &large)]).status(), 431);
    client.get("/").expect_origins(200);
    assert_eq!(origin.requests().len(), 4);
}
