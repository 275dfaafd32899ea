//! One exchange over HTTP/2.

use std::sync::{Arc, mpsc};

use tokio::sync::Notify;

use crate::{
    http2_upstream::{agent, with_one_worker},
    support::{
        Agent, Appliance, Credential, Http2Origin, WAYS,
        agent::NAMED,
        frames::{self, HEADERS, ok},
        http2_origin::send,
    },
};

#[test]
fn requests_one_after_the_other_share_one_connection() {
    let appliance = Appliance::start();
    let origin = Http2Origin::start();
    let mut agents: Vec<_> = WAYS.map(|way| agent(&appliance, way, &origin)).into();
    for round in 0..5 {
        for agent in &mut agents {
            assert_eq!(agent.get(&format!("/{round}")).expect_origins(200).text(), "ok");
        }
    }
    assert_eq!(origin.heads().len(), 15);
    assert!(origin.known().connections <= 2, "one a worker: {}", origin.known().connections);
}

#[test]
fn a_request_arrives_as_it_was_sent_with_the_credential_in_it() {
    let appliance = Appliance::builder().credential(Credential::key("k", "the-secret", &["localhost:*"])).start();
    let origin = Http2Origin::start();
    for way in WAYS {
        let mut agent = agent(&appliance, way, &origin);
        let fields = [
            ("X-Vultrino-Credential", "k"),
            ("Accept", "a/b"),
            ("X-Twice", "1"),
            ("X-Twice", "2"),
            ("Cookie", "a=1; b=2"),
            ("Connection", "X-Hop"),
            ("X-Hop", "gone"),
            ("Keep-Alive", "timeout=5"),
            ("Proxy-Connection", "keep-alive"),
        ];
        agent.ask("DELETE", "/a;b=1/c%20?d=%20&e", &fields).expect_origins(200);
        let head = origin.heads().pop().unwrap();
        assert_eq!(head.method, "DELETE", "{way:?}");
        assert_eq!(head.uri.to_string(), format!("https://{}/a;b=1/c%20?d=%20&e", origin.authority()), "{way:?}");
        let arrived: Vec<(&str, &str)> =
            head.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        let expected = [
            ("accept", "a/b"),
            ("x-twice", "1"),
            ("x-twice", "2"),
            ("cookie", "a=1; b=2"),
            ("authorization", "Bearer the-secret"),
        ];
        assert_eq!(arrived, expected, "{way:?}");
    }
}

#[test]
fn a_secret_stands_in_no_table_that_other_requests_share() {
    let long = "0123456789".repeat(40);
    let field = Credential::key("field", &long, &["localhost:*"]);
    let field = field.with("--metadata").with(r#"{"header_name":"X-Secret"}"#);
    let bearer = Credential::key("bearer", &long, &["localhost:*"]);
    let appliance = with_one_worker(Appliance::builder().credential(bearer).credential(field));
    for alias in ["bearer", "field"] {
        let (tell, told) = mpsc::channel();
        let origin = frames::origin(move |visit| {
            visit.greet()?;
            loop {
                let head = visit.until(HEADERS)?;
                tell.send(head.payload.len()).unwrap();
                visit.write(&ok(head.stream))?;
            }
        });
        for way in WAYS {
            let mut agent = Agent::via(&appliance, way, &origin);
            agent.ask("GET", "/", &[("X-Vultrino-Credential", alias)]).expect_origins(200);
            // From a table it would take one byte; no code of a character is shorter than five bits.
            let length = told.recv().unwrap();
            assert!(length > long.len() * 5 / 8, "{alias} {way:?}: {length}");
        }
        assert_eq!(origin.connections(), 1);
    }
}

#[test]
fn bodies_and_trailers_pass_both_ways() {
    let appliance = Appliance::start();
    let origin = Http2Origin::with(|mut call| async move {
        let (body, trailers) = call.whole().await.unwrap();
        let mut stream = call.answer(200, &[]);
        send(&mut stream, body.into()).await;
        stream.send_trailers(trailers.unwrap_or_default()).unwrap();
    });
    for way in WAYS {
        let mut agent = agent(&appliance, way, &origin);
        let fields = [NAMED, ("Transfer-Encoding", "chunked"), ("TE", "trailers"), ("Trailer", "X-Sum")];
        let head = agent.head("POST", "/", &fields);
        agent.send(head + "3\r\nabc\r\n4\r\ndefg\r\n0\r\nX-Sum: 7\r\nAuthorization: theirs\r\n\r\n");
        let answer = agent.answer("POST").expect_origins(200);
        assert_eq!((answer.text().as_str(), &*answer.trailers), ("abcdefg", &[("x-sum".into(), "7".into())][..]));
        let head = origin.heads().pop().unwrap();
        assert_eq!(head.headers["te"], "trailers", "{way:?}");
        assert!(!head.headers.contains_key("content-length"), "{way:?}");
        agent.post("/", &[], b"known length").expect_origins(200);
        assert_eq!(origin.heads().pop().unwrap().headers["content-length"], "12", "{way:?}");
        assert!(!origin.heads().pop().unwrap().headers.contains_key("te"), "{way:?}");
    }
}

#[test]
fn interim_answers_and_those_without_a_body_pass() {
    let appliance = Appliance::start();
    let origin = Http2Origin::with(|mut call| async move {
        call.interim(103, &[("link", "</a>; rel=preload")]);
        match call.path() {
            "/204" => call.answer_bare(204, &[]),
            "/304" => call.answer_bare(304, &[("etag", "\"e\"")]),
            "/empty" => call.answer_bare(200, &[("x-last", "1")]),
            "/head" => call.answer_bare(200, &[("content-length", "12")]),
            // Some servers end the stream of such an answer a frame later.
            _ => call.answer_whole(200, &[("content-length", "12")], ""),
        }
    });
    for way in WAYS {
        let mut agent = agent(&appliance, way, &origin);
        for (method, path, status, length) in [
            ("GET", "/204", 204, None),
            ("GET", "/304", 304, None),
            ("GET", "/empty", 200, Some("0")),
            ("HEAD", "/head", 200, Some("12")),
            ("HEAD", "/head-later", 200, Some("12")),
        ] {
            let answer = agent.ask(method, path, &[NAMED]).expect_origins(status);
            assert_eq!(answer.values("content-length").first().copied(), length, "{way:?} {path}");
            assert_eq!(answer.interim.len(), 1, "{way:?} {path}");
            assert_eq!(answer.interim[0].values("link"), ["</a>; rel=preload"]);
        }
    }
    assert!(origin.known().connections <= 2);
}

#[test]
fn an_answer_that_breaks_off_never_looks_whole() {
    let appliance = Appliance::start();
    let go = Arc::new(Notify::new());
    let heard = Arc::clone(&go);
    let origin = Http2Origin::with(move |mut call| {
        let heard = Arc::clone(&heard);
        async move {
            let length: &[(&str, &str)] = if call.path() == "/length" { &[("content-length", "100")] } else { &[] };
            let mut stream = call.answer(200, length);
            send(&mut stream, "some of it".into()).await;
            heard.notified().await;
            stream.send_reset(h2::Reason::INTERNAL_ERROR);
        }
    });
    for way in WAYS {
        for path in ["/length", "/chunked"] {
            let mut agent = agent(&appliance, way, &origin);
            let head = agent.head("GET", path, &[NAMED]);
            agent.send(head);
            agent.read_until("some of it");
            go.notify_one();
            assert!(!agent.rest().ends_with(b"0\r\n\r\n"), "{way:?} {path}");
            assert!(!agent.ended_well(), "{way:?} {path}");
        }
    }
    assert!(origin.known().connections <= 2, "the connection does not suffer");
}

#[test]
fn a_client_that_goes_away_cancels_its_stream_alone() {
    let appliance = Appliance::start();
    let origin = Http2Origin::with(|mut call| async move {
        if call.path() == "/short" {
            return call.answer_whole(200, &[], "ok");
        }
        let mut stream = call.answer(200, &[]);
        send(&mut stream, "begin".into()).await;
        call.is_reset(&mut stream).await;
    });
    for way in WAYS {
        let mut agent = agent(&appliance, way, &origin);
        let head = agent.head("GET", "/long", &[NAMED]);
        agent.send(head);
        agent.read_until("begin");
        agent.break_off();
    }
    let resets = origin.until("all are cancelled", |known| (known.resets.len() == 3).then(|| known.resets.clone()));
    assert_eq!(resets, [h2::Reason::CANCEL; 3]);
    agent(&appliance, WAYS[0], &origin).get("/short").expect_origins(200);
    assert!(origin.known().connections <= 2);
}
