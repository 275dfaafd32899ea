//! What RFC 9110 and 9112 have receivers forgive, where nothing could be read in two ways.

use h2::Reason;

use crate::support::{
    Agent, Appliance, Http2Client, Http2Origin, Origin, WAYS, Way,
    agent::NAMED,
    frames::{self, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, RST_STREAM, WINDOW_UPDATE, block, frame, head},
    http2_client::{RawClient, run},
    origin::OK,
    swarm::Swarm,
};

/// A request for `path`, whole.
fn get(agent: &Agent, path: &str) -> String {
    agent.head("GET", path, &[NAMED])
}

#[test]
fn blanks_behind_the_size_of_a_chunk_are_taken_in_an_answer_and_not_in_a_request() {
    let appliance = Appliance::start();
    for size in ["2 ", "2\t", "2 \t  ", "2 ;a=b", "2\t; a = \"b\" ", "2;a ;b"] {
        let origin = Origin::answering(format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{size}\r\nok\r\n0 \t\r\n\r\n"
        ));
        for way in WAYS {
            let mut agent = Agent::via(&appliance, way, &origin);
            assert_eq!(agent.get("/").expect_origins(200).text(), "ok", "{way:?} {size:?}");
            assert_eq!(agent.get("/").expect_origins(200).text(), "ok", "{way:?} {size:?}");
        }
        assert_eq!(Http2Client::to(&appliance, &origin.authority()).get("/").text(), "ok", "{size:?}");
    }
    for size in [" 2", "2 2", "2 x", "2 \u{b}", " ", "\t;a"] {
        let body = format!("2\r\nok\r\n{size}\r\nok\r\n0\r\n\r\n");
        let origin = Origin::answering(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}"));
        for way in WAYS {
            let mut agent = Agent::via(&appliance, way, &origin);
            let sent = get(&agent, "/");
            agent.send(sent);
            agent.rest();
            assert!(!agent.ended_well(), "{way:?} {size:?}");
        }
    }
    for size in ["2 ", "2\t", "2 ;a"] {
        for way in WAYS {
            let origin = Origin::https();
            let mut agent = Agent::via(&appliance, way, &origin);
            let head = agent.head("POST", "/", &[NAMED, ("Transfer-Encoding", "chunked")]);
            agent.send(format!("{head}{size}\r\nok\r\n0\r\n\r\n"));
            assert!(agent.try_answer("POST").map_or(true, |it| it.status() == 400), "{way:?} {size:?}");
            assert!(origin.requests().is_empty(), "{way:?} {size:?}");
        }
    }
}

#[test]
fn one_empty_line_before_a_later_request_is_ignored() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    for way in WAYS {
        let mut agent = Agent::via(&appliance, way, &origin);
        let post = agent.head("POST", "/", &[NAMED, ("Content-Length", "4")]);
        let get = get(&agent, "/");
        // As some clients end what they have posted, cut anywhere.
        agent.send(format!("{post}body\r\n"));
        agent.answer("POST").expect_origins(200);
        agent.send(&get);
        agent.answer("GET").expect_origins(200);
        agent.send("\r");
        appliance.health();
        agent.send(format!("\n{get}\r\n{get}"));
        agent.answer("GET").expect_origins(200);
        agent.answer("GET").expect_origins(200);
        for bad in ["\r\n\r\n", "\n", "\r\r\n", " \r\n"] {
            let mut agent = Agent::via(&appliance, way, &origin);
            agent.send(&get);
            agent.answer("GET").expect_origins(200);
            agent.send(format!("{bad}{get}"));
            agent.answer("GET").expect_refusal(400, "invalid_request");
            assert!(agent.is_closed(), "{way:?} {bad:?}");
        }
    }
    // One that ends behind it has said all.
    let mut agent = Agent::via(&appliance, Way::Path, &origin);
    let sent = format!("{}\r\n", get(&agent, "/"));
    agent.send(sent);
    agent.end_input();
    agent.answer("GET").expect_origins(200);
    assert!(agent.is_closed());
}

#[test]
fn one_empty_line_before_an_answer_is_ignored() {
    let appliance = Appliance::start();
    for way in WAYS {
        for (before, good) in [("\r\n", true), ("\r\n\r\n", false), ("\n", false), ("\r", false), (" \r\n", false)] {
            for interim in ["", "HTTP/1.1 103 Early Hints\r\n\r\n"] {
                let answer = [before.as_bytes(), interim.as_bytes(), before.as_bytes(), OK].concat();
                let answer = if interim.is_empty() { [before.as_bytes(), OK].concat() } else { answer };
                let origin = Origin::answering(answer);
                let mut agent = Agent::via(&appliance, way, &origin);
                let status = agent.get("/").status();
                assert_eq!(status, if good { 200 } else { 502 }, "{way:?} {before:?} {interim}");
                assert_eq!(agent.get("/").status(), status, "{way:?} {before:?} {interim}");
            }
        }
    }
}

#[test]
fn the_host_of_a_connect_may_be_the_proxy_itself() {
    let origin = Origin::https();
    for setting in ["\"all\"", "\"off\""] {
        let appliance = Appliance::builder().set("proxy.intercept", setting).reaching(&origin).start();
        let here = appliance.address();
        let own = here.to_string();
        let near = format!("localhost:{}", here.port());
        for (host, opens) in [
            (&*own, true),
            (&near, true),
            (&origin.authority(), true),
            ("localhost", true),
            ("elsewhere.test", false),
            ("elsewhere.test:443", false),
            ("8.8.8.8", false),
        ] {
            let mut agent = Agent::dial(here);
            agent.send(format!("CONNECT {} HTTP/1.1\r\nHost: {host}\r\n\r\n", origin.authority()));
            if opens {
                assert_eq!(agent.answer_head().start, "HTTP/1.1 200 Connection established", "{setting} {host}");
            } else {
                agent.answer("CONNECT").expect_refusal(400, "invalid_request");
            }
        }
    }
}

#[test]
fn blanks_at_the_ends_of_a_value_of_an_http2_origin_are_dropped() {
    let appliance = Appliance::start();
    let fields = [("x-a", " a"), ("x-b", "b\t"), ("x-c", " \tc d "), ("x-d", "  "), ("x-e", "e")];
    let expected = [("x-a", "a"), ("x-b", "b"), ("x-c", "c d"), ("x-d", ""), ("x-e", "e")];
    let origin = frames::origin(move |visit| {
        visit.greet()?;
        while let Some(stream) = visit.request()? {
            let block = block(&[&[(":status", "200")], &fields[..]].concat());
            visit.write(&frame(HEADERS, END_HEADERS, stream, &block))?;
            visit.write(&frame(DATA, 0, stream, b"ok"))?;
            let trailers = frames::block(&[("x-sum", " 7 ")]);
            visit.write(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &trailers))?;
        }
        Ok(())
    });
    let mut answers: Vec<_> = WAYS.map(|way| Agent::via(&appliance, way, &origin).get("/")).into();
    answers.push(Http2Client::to(&appliance, &origin.authority()).get("/"));
    for answer in answers {
        let answer = answer.expect_origins(200);
        for (name, value) in expected {
            assert_eq!(answer.values(name), [value], "{answer:#?}");
        }
        assert_eq!(answer.trailers, [("x-sum".to_owned(), "7".to_owned())]);
    }
}

/// Bytes of one frame of an upload.
const PIECE: usize = 16 << 10;

#[test]
fn an_early_answer_to_a_large_upload_comes_long_before_its_reset() {
    let appliance = Appliance::builder().set("server.max_body_size", "1000000").start();
    let early = Origin::https_with(|visit| {
        visit.head()?;
        visit.write("HTTP/1.1 429 Too soon\r\nContent-Length: 5\r\nConnection: close\r\n\r\nearly")
    });
    let new = Http2Origin::with(|mut call| async move { call.answer_whole(429, &[], "early") });
    let silent = Origin::https();
    let swarm = Swarm::of_http2(&appliance, None);
    // Of the origin, in both versions, and of our own: too large as it says, too large as it comes, a method that is refused.
    for (authority, method, length, status) in [
        (early.authority(), "POST", None, 429),
        (new.authority(), "POST", None, 429),
        (silent.authority(), "POST", Some("10000000"), 413),
        (silent.authority(), "TRACE", None, 405),
    ] {
        let mut fields = vec![(":method", method), (":scheme", "https"), (":authority", &authority), (":path", "/")];
        fields.extend(length.map(|it| ("content-length", it)));
        let piece = frame(DATA, 0, 1, &[b'x'; PIECE]);
        run(async {
            let mut client = RawClient::to(&swarm, &authority).await.unwrap();
            client.write(&[head(1, &fields), piece.repeat(3)].concat()).await.unwrap();
            let (mut sent, mut room, mut ended) = (3 * PIECE, 65_535, false);
            let reset = loop {
                // As a client goes on that has not looked at its answer yet.
                while ended && sent + PIECE <= room {
                    client.write(&piece).await.unwrap();
                    sent += PIECE;
                }
                let next = client.next().await.unwrap();
                match next.kind {
                    HEADERS => assert_eq!(next.status(), Some(status), "{authority}"),
                    DATA => ended |= next.flags & END_STREAM != 0,
                    WINDOW_UPDATE if next.stream == 1 => {
                        let more: [u8; 4] = next.payload.try_into().unwrap();
                        room += u32::from_be_bytes(more) as usize;
                    }
                    RST_STREAM => break next.reset(),
                    GOAWAY => panic!("{status}: {next:?}"),
                    _ => {}
                }
            };
            assert_eq!((ended, reset), (true, Some(Reason::NO_ERROR)), "{status}");
            assert!((1 << 20..2 << 20).contains(&sent), "{status}: reset after {sent} bytes");
        });
    }
}
