//! Characters that no URI holds: a URL with them has one verdict, whatever version of HTTP it is asked for and served in.

use h2::Reason;

use crate::support::{
    Agent, Appliance, Http2Client, Http2Origin, Origin, WAYS,
    agent::NAMED,
    appliance::ALIAS,
    frames::{DATA, END_HEADERS, END_STREAM, HEADERS, bare, frame, head, last},
    http2_client::{RawClient, run},
    swarm::Swarm,
};

/// Paths with them, behind a part that tells them apart in the audit log.
const REFUSED: [&str; 7] = ["<", "a>b", "`", "x?a=\"b\"", "x?<", "x?a=>", "<b>?c=\"d\""];
/// Paths with others that no URI holds either, and that arrive as they are.
const TAKEN: [&str; 4] = ["\"a\"", "{b}|^", "x?`a`", "x?{b}|^'[]"];

#[test]
fn what_no_version_takes_is_refused_in_every_way_with_a_line() {
    let appliance = Appliance::start();
    let swarm = Swarm::of_http2(&appliance, None);
    let (old, new) = (Origin::https(), Http2Origin::start());
    for (at, authority) in [old.authority(), new.authority()].iter().enumerate() {
        for (nth, bad) in REFUSED.iter().enumerate() {
            let path = |way: &str| format!("/{way}-{at}-{nth}-{bad}");
            let is_recorded = |way: &str, method: &str| {
                let line = appliance.audit_of(&format!("/{way}-{at}-{nth}-"));
                assert_eq!((line.get("status"), line.get("outcome")), ("400", "denied"), "{}", line.text);
                assert_eq!((line.get("method"), line.get("name")), (method, "local"), "{}", line.text);
            };
            for way in WAYS {
                let shown = format!("{way:?}");
                let mut agent = Agent::to(&appliance, way, "https", authority);
                agent.ask("GET", &path(&shown), &[NAMED]).expect_refusal(400, "invalid_request");
                is_recorded(&shown, "GET");
            }
            let url = format!("https://{authority}{}", path("api"));
            appliance.api_without_key().execute(ALIAS, "GET", &url).expect_refusal(400, "invalid_request");
            for method in ["GET", "POST", "PUT"] {
                let sent = path(method);
                let fields = [(":method", method), (":scheme", "https"), (":authority", authority), (":path", &*sent)];
                run(async {
                    let mut client = RawClient::to(&swarm, authority).await.unwrap();
                    client.write(&bare(1, &fields)).await.unwrap();
                    let answer = client.until(|it| it.stream == 1).await.unwrap();
                    assert_eq!((answer.status(), answer.flags & END_STREAM), (Some(400), END_STREAM), "{sent}");
                    // Others on the connection do not suffer, before or behind.
                    let good =
                        [(":method", "GET"), (":scheme", "https"), (":authority", authority), (":path", "/good")];
                    client.write(&bare(3, &good)).await.unwrap();
                    client.until(|it| it.stream == 3 && it.status() == Some(200)).await.unwrap();
                });
                is_recorded(method, method);
            }
        }
    }
    let paths = |it: &str| it == "/good";
    assert!(old.requests().iter().all(|it| paths(it.target())), "{:#?}", old.requests());
    assert!(new.heads().iter().all(|it| paths(it.uri.path())), "{:#?}", new.heads());
}

#[test]
fn what_every_version_takes_arrives_byte_for_byte() {
    let appliance = Appliance::start();
    let (old, new) = (Origin::https(), Http2Origin::start());
    for authority in [old.authority(), new.authority()] {
        for path in TAKEN {
            let path = format!("/{path}");
            for way in WAYS {
                Agent::to(&appliance, way, "https", &authority).ask("GET", &path, &[NAMED]).expect_origins(200);
            }
            Http2Client::to(&appliance, &authority).get(&path).expect_origins(200);
        }
    }
    let arrived: Vec<String> = old.requests().iter().map(|it| it.target().to_owned()).collect();
    let over_http2: Vec<String> =
        new.heads().iter().map(|it| it.uri.path_and_query().unwrap().as_str().to_owned()).collect();
    for path in TAKEN {
        let of = |all: &[String]| all.iter().filter(|it| **it == format!("/{path}")).count();
        assert_eq!((of(&arrived), of(&over_http2)), (4, 4), "{path}");
    }
}

#[test]
fn a_path_is_refused_however_it_is_written_in_its_frames() {
    let (appliance, origin) = (Appliance::start(), Origin::https());
    let (swarm, authority) = (Swarm::of_http2(&appliance, None), origin.authority());
    // GET, https and the authority, then the path: in the code, from the table, and as one that others share.
    let host = [&[0x01, u8::try_from(authority.len()).unwrap()], authority.as_bytes()].concat();
    let block = |path: &[u8]| [&[0x82, 0x87], &host[..], path].concat();
    let coded = block(b"\x04\x84\x60\x7f\xff\x23");
    let kept = block(b"\x44\x04/c<d");
    let shared = block(b"\xbe");
    let whole = |stream, block: &[u8]| frame(HEADERS, END_HEADERS | END_STREAM, stream, block);
    let (first, rest) = kept.split_at(kept.len() - 2);
    let cut = [frame(HEADERS, END_STREAM, 7, first), frame(9, END_HEADERS, 7, rest)].concat();
    let upload = [(":method", "POST"), (":scheme", "https"), (":authority", &*authority), (":path", "/e>f")];
    let sent = [
        whole(1, &coded),
        whole(3, &kept),
        whole(5, &shared),
        cut,
        // A body that comes all the same does no harm.
        head(9, &upload),
        frame(DATA, 0, 9, &[b'x'; 1000]),
        last(9, b"x"),
    ];
    run(async {
        for by in [usize::MAX, 1] {
            let mut client = RawClient::to(&swarm, &authority).await.unwrap();
            for piece in sent.concat().chunks(by.min(4096)) {
                client.write(piece).await.unwrap();
            }
            for stream in [1, 3, 5, 7, 9] {
                let answer = client.until(|it| it.stream == stream && it.kind == HEADERS).await.unwrap();
                assert_eq!(answer.status(), Some(400), "{stream}");
            }
            let good = [(":method", "GET"), (":scheme", "https"), (":authority", &*authority), (":path", "/good")];
            client.write(&bare(11, &good)).await.unwrap();
            client.until(|it| it.stream == 11 && it.status() == Some(200)).await.unwrap();
        }
    });
    let count = |lines: &[crate::support::audit_line::AuditLine], path: &str| {
        lines.iter().filter(|it| it.get("url").ends_with(path) && it.get("status") == "400").count()
    };
    appliance.audit("each of them twice", |lines| {
        (["/a<b", "/c<d", "/e>f"].map(|it| count(lines, it)) == [2, 6, 2]).then_some(())
    });
    assert!(origin.requests().iter().all(|it| it.target() == "/good"), "{:#?}", origin.requests());
}

/// An answer of ours stands between frames of others, never within one.
#[test]
fn answers_that_are_on_their_way_are_not_torn() {
    let appliance = Appliance::start();
    let body = "0123456789abcdef".repeat(1 << 17);
    let origin = Origin::answering(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    let (swarm, authority) = (Swarm::of_http2(&appliance, None), origin.authority());
    let ask = |path: &'static str| {
        let fields = [(":method", "GET"), (":scheme", "https"), (":authority", &*authority), (":path", path)];
        fields.map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let of = |stream, path| {
        let fields = ask(path);
        bare(stream, &fields.each_ref().map(|(name, value)| (&**name, &**value)))
    };
    run(async {
        let mut client = RawClient::to(&swarm, &authority).await.unwrap();
        let wide = frame(crate::support::frames::WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes());
        let settings = frame(crate::support::frames::SETTINGS, 0, 0, &[0, 4, 0x40, 0, 0, 0]);
        client.write(&[settings, wide, of(1, "/large")].concat()).await.unwrap();
        let (mut read, mut refused, mut next) = (0, 0, 3);
        while read < body.len() || refused < 20 {
            if next < 43 {
                client.write(&of(next, "/<")).await.unwrap();
                next += 2;
            }
            let frame = client.next().await.unwrap();
            match (frame.kind, frame.stream) {
                (DATA, 1) => read += frame.payload.len(),
                (HEADERS, 1) => assert_eq!(frame.status(), Some(200)),
                (HEADERS, _) => {
                    assert_eq!(frame.status(), Some(400));
                    refused += 1;
                }
                (_, 1) => panic!("{frame:?}"),
                _ => assert!(frame.reset().is_none_or(|it| it == Reason::PROTOCOL_ERROR), "{frame:?}"),
            }
        }
        assert_eq!((read, refused), (body.len(), 20));
    });
}
