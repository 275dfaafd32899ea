//! One exchange: heads, bodies, trailers and interim answers cross as they are.

use bytes::Bytes;
use http::HeaderMap;

use crate::support::{
    Appliance, Credential, Http2Client, Http2Origin, Origin,
    http2_client::{Asked, answer, head, piece, run},
    http2_origin::send,
    origin::answer_each,
};

const SECRET: &str = "the-secret";
const BIG: usize = 8 << 20;

fn appliance() -> Appliance {
    Appliance::builder().credential(Credential::key("k", SECRET, &["localhost:*"])).start()
}

/// What a client sends that is for the origin server, or for us.
const SENT: [(&str, &str); 8] = [
    ("accept", "a/b"),
    ("x-twice", "1"),
    ("x-twice", "2"),
    ("cookie", "a=1"),
    ("cookie", "b=2; c=3"),
    ("authorization", "Bearer theirs"),
    ("te", "trailers"),
    ("x-vultrino-trace", "gone"),
];

#[test]
fn a_request_arrives_as_it_was_sent_with_the_credential_in_it_once() {
    let appliance = appliance();
    let path = "/a;b=1/c%20?d=%20&e";
    let (old, new) = (Origin::https(), Http2Origin::start());
    let fields = [("accept", "a/b"), ("x-twice", "1"), ("x-twice", "2"), ("cookie", "a=1; b=2; c=3")];
    let authorization = format!("Bearer {SECRET}");

    Http2Client::to(&appliance, &old.authority()).ask("DELETE", path, &SENT).expect_origins(200);
    let request = old.only_request();
    assert_eq!((request.method(), request.target()), ("DELETE", path));
    assert_eq!(request.values("host"), [old.authority()]);
    assert_eq!(request.values("authorization"), [&*authorization]);
    for (name, _) in fields {
        let expected: Vec<&str> = fields.iter().filter(|it| it.0 == name).map(|it| it.1).collect();
        assert_eq!(request.values(name), expected, "{request:#?}");
    }
    assert!(request.values("content-length").is_empty() && request.values("transfer-encoding").is_empty());
    assert!(request.values("x-vultrino-trace").is_empty());

    Http2Client::to(&appliance, &new.authority()).ask("DELETE", path, &SENT).expect_origins(200);
    let request = new.heads().pop().unwrap();
    assert_eq!((request.method.as_str(), request.uri.path_and_query().unwrap().as_str()), ("DELETE", path));
    assert_eq!(request.uri.authority().unwrap().as_str(), new.authority());
    let expected = [&fields[..], &[("authorization", &*authorization), ("te", "trailers")]].concat();
    for (name, _) in &expected {
        let arrived: Vec<_> = request.headers.get_all(*name).iter().map(|it| it.to_str().unwrap()).collect();
        let expected: Vec<_> = expected.iter().filter(|it| it.0 == *name).map(|it| it.1).collect();
        assert_eq!(arrived, expected, "{name}");
    }
    assert_eq!(request.headers.len(), expected.len(), "{request:#?}");
}

#[test]
fn each_stream_has_one_line_in_the_audit_log() {
    let (appliance, origin) = (appliance(), Origin::https());
    let mut client = Http2Client::to(&appliance, &origin.authority());
    for at in 0..5 {
        client.get(&format!("/audited-{at}")).expect_origins(200);
    }
    client.ask("TRACE", "/audited-5", &[]).expect_refusal(405, "invalid_request");
    let lines = appliance.audit("six lines", |lines| {
        let ours: Vec<_> = lines.iter().filter(|it| it.get("url").contains("audited")).cloned().collect();
        (ours.len() >= 5 && lines.iter().any(|it| it.get("method") == "TRACE")).then_some(ours)
    });
    for at in 0..5 {
        let of: Vec<_> = lines.iter().filter(|it| it.get("url").ends_with(&format!("audited-{at}"))).collect();
        let [line] = &*of else { panic!("{of:#?}") };
        assert_eq!((&*line.door, line.get("status"), line.get("outcome")), ("CONNECT", "200", "ok"), "{}", line.text);
        assert_eq!(line.get("down"), "2", "{}", line.text);
    }
}

/// Sends the body and the trailers of a request back.
fn echo() -> Http2Origin {
    Http2Origin::with(|mut call| async move {
        let (body, trailers) = call.whole().await.unwrap();
        let mut stream = call.answer(200, &[]);
        send(&mut stream, body.into()).await;
        stream.send_trailers(trailers.unwrap_or_default()).unwrap();
    })
}

/// The same over HTTP/1.
fn old_echo() -> Origin {
    Origin::https_with(|visit| {
        while let Some(request) = visit.request()? {
            let trailers: String =
                request.trailers.iter().flat_map(|(name, value)| [name, ": ", value, "\r\n"]).collect();
            let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            visit.write(
                [head, format!("{:x}\r\n", request.body.len()).as_bytes(), &request.body, b"\r\n0\r\n"].concat(),
            )?;
            visit.write(trailers + "\r\n")?;
        }
        Ok(())
    })
}

#[test]
fn bodies_and_trailers_pass_both_ways_but_for_those_that_are_not_for_the_other_side() {
    let appliance = appliance();
    let (old, new) = (old_echo(), echo());
    let mut trailers = HeaderMap::new();
    for (name, value) in [("x-sum", "7"), ("authorization", "theirs"), ("content-length", "9"), ("x-vultrino-a", "b")] {
        trailers.insert(name, value.parse().unwrap());
    }
    for authority in [old.authority(), new.authority()] {
        let mut client = Http2Client::to(&appliance, &authority);
        let fields = [("te", "trailers"), ("trailer", "x-sum")];
        let answer = client.post("/", &fields, "abcdefg", Some(trailers.clone())).expect_origins(200);
        assert_eq!((&*answer.text(), &*answer.trailers), ("abcdefg", &[("x-sum".into(), "7".into())][..]));
        let answer = client.post("/", &[("content-length", "5")], "known", None).expect_origins(200);
        assert_eq!((&*answer.text(), answer.trailers.len()), ("known", 0));
    }
    let requests = old.requests();
    assert_eq!(requests[0].values("transfer-encoding"), ["chunked"]);
    assert_eq!(requests[1].values("content-length"), ["5"]);
    let heads = new.heads();
    assert!(!heads[0].headers.contains_key("content-length"));
    assert_eq!(heads[1].headers["content-length"], "5");
}

#[test]
fn interim_answers_and_those_without_a_body_pass() {
    let appliance = appliance();
    let new = Http2Origin::with(|mut call| async move {
        call.interim(103, &[("link", "</a>; rel=preload")]);
        match call.path() {
            "/204" => call.answer_bare(204, &[]),
            "/304" => call.answer_bare(304, &[("etag", "\"e\"")]),
            "/empty" => call.answer_bare(200, &[("content-length", "0")]),
            "/untold" => call.answer_bare(200, &[("grpc-status", "9")]),
            _ => call.answer_bare(200, &[("content-length", "12")]),
        }
    });
    let old = Origin::https_with(|visit| {
        while let Some(request) = visit.request()? {
            visit.write("HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n")?;
            visit.write(match request.target() {
                "/204" => "HTTP/1.1 204 No Content\r\n\r\n",
                "/304" => "HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\n\r\n",
                "/empty" => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                "/untold" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                _ => "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n",
            })?;
        }
        Ok(())
    });
    for authority in [new.authority(), old.authority()] {
        let mut client = Http2Client::to(&appliance, &authority);
        for (method, path, status, length) in [
            ("GET", "/204", 204, None),
            ("GET", "/304", 304, None),
            ("GET", "/empty", 200, Some("0")),
            ("GET", "/untold", 200, None),
            ("HEAD", "/head", 200, Some("12")),
        ] {
            let answer = client.ask(method, path, &[]).expect_origins(status);
            assert_eq!(answer.values("content-length").first().copied(), length, "{path}");
            assert!(answer.body.is_empty(), "{path}");
            let links: Vec<_> = answer.interim.iter().map(|it| it.values("link")).collect();
            assert_eq!(links, [["</a>; rel=preload"]], "{path}");
        }
    }
}

#[test]
fn a_refusal_of_head_has_no_body() {
    let (appliance, origin) = (appliance(), Origin::https());
    let mut client = Http2Client::to(&appliance, &origin.authority());
    let mut ask = |method: &str| {
        let elsewhere = http::Request::builder().method(method).uri("https://elsewhere.test/").body(()).unwrap();
        let asked = client.begin(elsewhere, true).unwrap();
        run(answer(asked.response)).unwrap()
    };
    let (whole, head) = (ask("GET"), ask("HEAD"));
    assert_eq!((head.status(), head.values("content-length")), (421, whole.values("content-length")));
    assert!(head.body.is_empty() && !whole.body.is_empty(), "{head:#?}");
}

#[test]
fn who_expects_to_be_told_to_go_on_is_told_so() {
    let appliance = appliance();
    let old = Origin::https_with(|visit| {
        visit.head()?;
        visit.write("HTTP/1.1 100 Continue\r\n\r\n")?;
        while !visit.unread.ends_with(b"0\r\n\r\n") {
            visit.more()?;
        }
        visit.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    });
    let new = Http2Origin::with(|mut call| async move {
        call.interim(100, &[]);
        drop(call.whole().await);
        call.answer_whole(200, &[], "ok");
    });
    for authority in [old.authority(), new.authority()] {
        let mut client = Http2Client::to(&appliance, &authority);
        let request = client.request("POST", "/", &[("expect", "100-continue")]);
        let Asked { mut response, mut body } = client.begin(request, false).unwrap();
        run(async {
            let told = std::future::poll_fn(|cx| response.poll_informational(cx)).await.unwrap().unwrap();
            assert_eq!(told.status(), 100);
            body.send_data("all of it".into(), true).unwrap();
            let answer = answer(response).await.unwrap().expect_origins(200);
            assert_eq!(answer.text(), "ok");
        });
    }
}

#[test]
fn large_bodies_go_both_ways_at_once() {
    let appliance = Appliance::builder().set("server.max_body_size", "0").start();
    let new = Http2Origin::with(|mut call| async move {
        let mut stream = call.answer(200, &[]);
        while let Some(piece) = call.piece().await {
            send(&mut stream, piece.unwrap()).await;
        }
        stream.send_data(Bytes::new(), true).unwrap();
    });
    let old = Origin::https_with(|visit| {
        let request = visit.head()?.unwrap();
        assert_eq!(request.values("content-length"), [BIG.to_string()]);
        visit.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {BIG}\r\n\r\n"))?;
        let mut left = BIG;
        loop {
            let piece = std::mem::take(&mut visit.unread);
            left -= piece.len();
            visit.write(piece)?;
            if left == 0 {
                return Ok(());
            }
            visit.more()?;
        }
    });
    let content: Bytes = (0..BIG).map(|at| u8::try_from((at / 7 + at / 4096) % 251).unwrap()).collect();
    for authority in [new.authority(), old.authority()] {
        let mut client = Http2Client::to(&appliance, &authority);
        let length = BIG.to_string();
        let answer = client.post("/", &[("content-length", &length)], content.clone(), None).expect_origins(200);
        assert!(answer.body == content, "{} bytes came back", answer.body.len());
    }
}

#[test]
fn an_answer_may_begin_and_go_on_while_the_request_does() {
    let appliance = appliance();
    let origin = Http2Origin::with(|mut call| async move {
        let mut stream = call.answer(200, &[]);
        send(&mut stream, "hello".into()).await;
        while let Some(piece) = call.piece().await {
            send(&mut stream, piece.unwrap()).await;
        }
        send(&mut stream, "you have ended".into()).await;
        stream.send_data(Bytes::new(), true).unwrap();
    });
    let mut client = Http2Client::to(&appliance, &origin.authority());
    let Asked { mut response, mut body } = client.start("POST", "/");
    run(async {
        let (_, answer) = head(&mut response).await.unwrap();
        let mut answer = answer.into_body();
        let mut heard = async || piece(&mut answer).await.map(Result::unwrap).unwrap_or_default();
        assert_eq!(heard().await, "hello");
        for _ in 0..3 {
            send(&mut body, "again".into()).await;
            assert_eq!(heard().await, "again");
        }
        // One side's end is not the other's.
        body.send_data(Bytes::new(), true).unwrap();
        assert_eq!(heard().await, "you have ended");
        assert_eq!(heard().await, "");
    });
}

#[test]
fn an_answer_that_comes_before_the_end_of_the_request_is_whole() {
    let appliance = appliance();
    let old = Origin::https_with(|visit| {
        visit.head()?;
        visit.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nearly")
    });
    let new = Http2Origin::with(|mut call| async move { call.answer_whole(200, &[], "early") });
    for authority in [old.authority(), new.authority()] {
        let mut client = Http2Client::to(&appliance, &authority);
        let Asked { response, body } = client.start("POST", "/");
        let answer = run(answer(response)).unwrap().expect_origins(200);
        assert_eq!(answer.text(), "early");
        drop(body);
    }
}

#[test]
fn bodies_that_are_too_large_are_refused_declared_or_not() {
    let appliance = Appliance::builder().set("server.max_body_size", "1000").start();
    let (old, new) = (Origin::https_with(answer_each), Http2Origin::start());
    for authority in [old.authority(), new.authority()] {
        let mut client = Http2Client::to(&appliance, &authority);
        client
            .post("/", &[("content-length", "1001")], vec![b'x'; 1001], None)
            .expect_refusal(413, "payload_too_large");
        client.post("/", &[], vec![b'x'; 1001], None).expect_refusal(413, "payload_too_large");
        client.post("/", &[], vec![b'x'; 1000], None).expect_origins(200);
        client.post("/", &[("content-length", "1000")], vec![b'x'; 1000], None).expect_origins(200);
    }
}
