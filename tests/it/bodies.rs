//! Bodies keep their framing and their end: chunked with trailers both ways, none where none may be, cut where cut.

use crate::support::{
    Agent, Appliance, Credential, Origin, WAYS,
    agent::NAMED,
    appliance::ALIAS,
    origin::{OK, Rest, break_off, judge},
    wire::{answer, values},
};

const CHUNKED: (&str, &str) = ("Transfer-Encoding", "chunked");

#[test]
fn a_chunked_body_and_its_harmless_trailers_go_up() {
    let key = Credential::key(ALIAS, "k-123", &["localhost:*"]);
    let key = key.with("--metadata").with(r#"{"header_name":"X-API-Key"}"#);
    let appliance = Appliance::builder().credential(key).set("upstream.reuse", "\"after-body\"").start();
    for way in WAYS {
        let origin = Origin::https();
        let mut agent = Agent::via(&appliance, way, &origin);
        let head = agent.head("POST", "/", &[NAMED, CHUNKED, ("Trailer", "grpc-status, X-Checksum, Authorization")]);
        let trailers = "grpc-status: 0\r\nAuthorization: evil\r\nHost: evil\r\nContent-Length: 9\r\n\
                        Transfer-Encoding: chunked\r\nX-API-KEY: evil\r\nX_Api_Key: evil\r\n\
                        X-Vultrino-Credential: evil\r\nProxy-Authorization: evil\r\nConnection: close\r\n\
                        X-Checksum: abc\r\nCookie: evil=1\r\n";
        agent.send(format!("{head}3\r\nabc\r\n00002\r\nde\r\n0\r\n{trailers}\r\n"));
        agent.answer("POST").expect_origins(200);
        agent.get("/next").expect_origins(200);
        let request = &origin.requests()[0];
        request.assert_nothing_of_ours();
        assert_eq!(request.body, b"abcde", "{way:?}");
        assert_eq!(request.values("x-api-key"), ["k-123"], "{way:?}");
        for (name, value) in [("grpc-status", "0"), ("x-checksum", "abc")] {
            assert_eq!(values(&request.trailers, name), [value], "{way:?}");
        }
        for name in ["authorization", "host", "content-length", "transfer-encoding", "x-api-key", "x_api_key"] {
            assert!(values(&request.trailers, name).is_empty(), "{way:?} {:?}", request.trailers);
        }
    }
}

#[test]
fn a_chunked_answer_and_its_trailers_come_back() {
    let appliance = Appliance::start();
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: grpc-status\r\n\r\n\
         3\r\nabc\r\n2;ext=\"1\"\r\nde\r\n0\r\ngrpc-status: 0\r\nContent-Length: 7\r\nTransfer-Encoding: x\r\nX-Sum: a\r\n\r\n",
    );
    for way in WAYS {
        let mut agent = Agent::via(&appliance, way, &origin);
        for _ in 0..2 {
            let answer = agent.ask("GET", "/", &[NAMED, ("TE", "trailers")]).expect_origins(200);
            assert_eq!(answer.body, b"abcde", "{way:?}");
            assert_eq!(values(&answer.trailers, "grpc-status"), ["0"], "{way:?}");
            assert_eq!(values(&answer.trailers, "x-sum"), ["a"], "{way:?}");
            for name in ["content-length", "transfer-encoding"] {
                assert!(values(&answer.trailers, name).is_empty(), "{way:?} {:?}", answer.trailers);
            }
        }
    }
}

#[test]
fn answers_without_a_body_do_not_disturb_the_next_one() {
    let appliance = Appliance::start();
    for (method, first) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("HEAD", "HTTP/1.1 404 No\r\nContent-Length: 12\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n"),
        ("DELETE", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5000\r\nETag: \"x\"\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n"),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ("POST", "HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n"),
    ] {
        for way in WAYS {
            let origin = Origin::https_with(move |visit| {
                while let Some(request) = visit.request()? {
                    visit.write(if request.target() == "/first" { first.as_bytes() } else { OK })?;
                }
                Ok(())
            });
            let mut agent = Agent::via(&appliance, way, &origin);
            let status = first[9..12].parse().unwrap();
            let answer = agent.ask(method, "/first", &[NAMED]).expect_origins(status);
            assert_eq!(answer.body, b"", "{way:?} {first}");
            let length = first.split("Content-Length: ").nth(1).and_then(|rest| rest.split('\r').next());
            if let Some(length) = length {
                assert_eq!(answer.values("content-length"), [length], "{way:?} {first}");
            }
            assert_eq!(agent.get("/second").expect_origins(200).text(), "ok", "{way:?} {first}");
            assert_eq!(origin.connections(), 1, "{way:?} {first}");
        }
    }
}

#[test]
fn a_body_that_ends_with_the_connection_comes_back_whole() {
    let appliance = Appliance::start();
    for start in ["HTTP/1.1 200 OK", "HTTP/1.0 200 OK"] {
        let origin = Origin::https_with(move |visit| {
            visit.request()?;
            visit.write(format!("{start}\r\nContent-Type: a/b\r\n\r\nuntil "))?;
            visit.write("the end")
        });
        for way in WAYS {
            let mut agent = Agent::via(&appliance, way, &origin);
            let answer = agent.get("/").expect_origins(200);
            assert_eq!(answer.text(), "until the end", "{way:?}");
            assert_eq!(answer.values("content-type"), ["a/b"], "{way:?}");
        }
    }
}

#[test]
fn a_body_that_breaks_off_does_not_look_whole() {
    let appliance = Appliance::start();
    for head in
        ["Content-Length: 20\r\n\r\nhalf of it", "Transfer-Encoding: chunked\r\n\r\n14\r\nhalf of it", "\r\nhalf of it"]
    {
        let origin = Origin::https_with(move |visit| {
            visit.request()?;
            visit.write(format!("HTTP/1.1 200 OK\r\n{head}"))?;
            break_off()
        });
        for way in WAYS {
            let mut agent = Agent::via(&appliance, way, &origin);
            let request = agent.head("GET", "/", &[NAMED]);
            agent.send(request);
            let rest = String::from_utf8_lossy(&agent.rest()).into_owned();
            let whole = rest.contains("half of it") && agent.ended_well() && {
                let chunked = rest.to_ascii_lowercase().contains("transfer-encoding: chunked");
                let sized = rest.to_ascii_lowercase().contains("content-length: 20");
                if chunked { rest.ends_with("\r\n0\r\n\r\n") } else { !sized }
            };
            assert!(!whole, "{way:?} {head:?} looks whole: {rest}");
        }
        let line = appliance.audit_of(&origin.authority());
        assert_eq!(line.get("outcome"), "upstream_abort", "{}", line.text);
    }
}

#[test]
fn an_answer_may_come_before_the_request_ends() {
    let appliance = Appliance::start();
    for way in WAYS {
        let origin = Origin::https_with(|visit| {
            visit.head()?;
            visit.write("HTTP/1.1 401 No\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnope")
        });
        let mut agent = Agent::via(&appliance, way, &origin);
        let head = agent.head("POST", "/", &[NAMED, ("Content-Length", "1000000")]);
        agent.send(head + "only a beginning");
        assert_eq!(agent.answer("POST").expect_origins(401).text(), "nope", "{way:?}");
        assert!(agent.is_closed(), "{way:?}: what follows on this connection is no request");
        let seen = origin.closed();
        assert_eq!(judge(&seen[0].bytes), (vec![], Rest::Cut), "{way:?}");
    }
}

#[test]
fn both_directions_are_live_at_once() {
    let appliance = Appliance::builder().set("upstream.reuse", "\"after-body\"").start();
    for way in WAYS {
        let origin = Origin::https_with(|visit| {
            visit.head()?;
            visit.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            for _ in 0..5 {
                // Each chunk of the request is `4\r\nping\r\n`.
                visit.take(9)?;
                visit.write("4\r\npong\r\n")?;
            }
            visit.take(5)?;
            visit.write("0\r\n\r\n")?;
            while visit.request()?.is_some() {
                visit.write(OK)?;
            }
            Ok(())
        });
        let mut agent = Agent::via(&appliance, way, &origin);
        let head = agent.head("POST", "/", &[NAMED, CHUNKED]);
        agent.send(head);
        agent.read_until("\r\n\r\n");
        for _ in 0..5 {
            agent.send("4\r\nping\r\n");
            assert_eq!(agent.read_until("pong\r\n"), "4\r\npong\r\n", "{way:?}");
        }
        agent.send("0\r\n\r\n");
        assert_eq!(agent.read_until("\r\n\r\n"), "0\r\n\r\n", "{way:?}");
        agent.get("/next").expect_origins(200);
        assert_eq!(origin.connections(), 1, "{way:?}");
    }
}

#[test]
fn a_body_with_broken_chunks_is_cut_off_and_its_connection_is_not_used_again() {
    let appliance = Appliance::start();
    let long_trailer = format!("0\r\nx: {}\r\n\r\n", "y".repeat(200_000)).into_bytes();
    let many_trailers = format!("0\r\n{}\r\n", "x: y\r\n".repeat(5000)).into_bytes();
    let long_extension = format!("2;{}\r\nab\r\n0\r\n\r\n", "a".repeat(65_536)).into_bytes();
    let bad: [&[u8]; 19] = [
        b"0x2\r\nab\r\n0\r\n\r\n",
        b"+2\r\nab\r\n0\r\n\r\n",
        b"-2\r\nab\r\n0\r\n\r\n",
        b"2_0\r\nab\r\n0\r\n\r\n",
        b"\r\nab\r\n0\r\n\r\n",
        b" 2\r\nab\r\n0\r\n\r\n",
        b"2 \r\nab\r\n0\r\n\r\n",
        b"00000000000000002\r\nab\r\n0\r\n\r\n",
        b"2\nab\r\n0\r\n\r\n",
        b"2\r\nabcd\r\n0\r\n\r\n",
        b"2\r\nab\n0\r\n\r\n",
        b"2\r\nab\r\n0\r\nbad trailer: x\r\n\r\n",
        b"2\r\nab\r\n0\r\n folded: x\r\n\r\n",
        b"2;\x00\r\nab\r\n0\r\n\r\n",
        b"2;\n\r\nab\r\n0\r\n\r\n",
        b"2;a=\"\r\nab\r\n0\r\n\r\n",
        &long_extension,
        &long_trailer,
        &many_trailers,
    ];
    for way in WAYS {
        for bad in bad {
            let origin = Origin::https();
            let mut agent = Agent::via(&appliance, way, &origin);
            let head = agent.head("POST", "/bad", &[NAMED, CHUNKED]);
            drop(agent.try_send([head.as_bytes(), b"4\r\ngood\r\n", bad].concat()));
            let shown = String::from_utf8_lossy(&bad[..bad.len().min(40)]).into_owned();
            match agent.try_answer("POST") {
                Ok(answer) => drop(answer.expect_refusal(400, "invalid_request")),
                Err(_) => assert!(agent.is_closed(), "{way:?} {shown:?}"),
            }
            Agent::via(&appliance, way, &origin).get("/next").expect_origins(200);
            let arrived: Vec<String> = origin.requests().iter().map(|it| it.target().to_owned()).collect();
            assert_eq!(arrived, ["/next"], "{way:?} {shown:?}");
            let line = appliance.audit_of(&format!("{}/bad", origin.authority()));
            assert_eq!(line.get("outcome"), "client_abort", "{shown:?} {}", line.text);
        }
    }
}

#[test]
fn trailers_are_stripped_like_fields() {
    let strip = r#"["X-Vultrino-Credential", "X-Vultrino-Policy", "X-Internal"]"#;
    let appliance = Appliance::builder().set("proxy.strip_headers", strip).start();
    let key = format!("vk_{}", "a1B2".repeat(8));
    for way in WAYS {
        let origin = Origin::https();
        let mut agent = Agent::via(&appliance, way, &origin);
        let head = agent.head("POST", "/", &[NAMED, CHUNKED, ("Connection", "X-Named, x-also-named")]);
        let trailers = format!(
            "X-Key: {key}\r\nX-Hidden: a {key} b\r\nX-Named: 1\r\nX_Also_Named: 2\r\nx-internal: 3\r\n\
             X_Internal: 4\r\nX_Vultrino_Policy: 5\r\nContent_Length: 6\r\nTransfer_Encoding: chunked\r\n\
             Proxy-Connection: close\r\nKeep-Alive: 7\r\nX-Kept: 8\r\n"
        );
        agent.send(format!("{head}3\r\nabc\r\n0\r\n{trailers}\r\n"));
        agent.answer("POST").expect_origins(200);
        let request = origin.only_request();
        let arrived: Vec<_> = request.trailers.iter().map(|(name, value)| (name.to_lowercase(), &**value)).collect();
        assert_eq!(arrived, [("x-kept".to_owned(), "8")], "{way:?}");
        assert_eq!(request.body, b"abc", "{way:?}");
    }
}

#[test]
fn chunks_of_one_byte_pass() {
    let body: Vec<u8> = (b'a'..=b'z').cycle().take(1 << 20).collect();
    let chunks: Vec<u8> = body.iter().flat_map(|it| [b'1', b'\r', b'\n', *it, b'\r', b'\n']).collect();
    let framed = [&chunks[..], b"0\r\n\r\n"].concat();
    let appliance = Appliance::start();
    for way in WAYS {
        let (expected, framed_down) = (body.clone(), framed.clone());
        let origin = Origin::https_with(move |visit| {
            let request = visit.request_ending(b"\r\n0\r\n\r\n")?;
            let status = if request.body == expected { "200 OK" } else { "500 Other bytes" };
            visit.write(format!("HTTP/1.1 {status}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"))?;
            visit.write(&framed_down)
        });
        let mut agent = Agent::via(&appliance, way, &origin);
        let head = agent.head("POST", "/", &[NAMED, CHUNKED, ("Connection", "close")]);
        agent.send([head.as_bytes(), &framed].concat());
        let rest = agent.rest();
        let (answer, length) = answer(&rest, "POST", true).unwrap();
        assert_eq!((&*answer.start, length), ("HTTP/1.1 200 OK", rest.len()), "{way:?}");
        assert!(answer.body == body, "{way:?}: other bytes came back");
    }
}

#[test]
fn a_refusal_that_leaves_a_body_unread_says_that_the_connection_ends() {
    let appliance = Appliance::start();
    for way in WAYS {
        let origin = Origin::https();
        let nobody = ("X-Vultrino-Credential", "nobody");
        for framing in [("Content-Length", "100"), CHUNKED] {
            for more in [&[][..], &[("Expect", "100-continue")]] {
                let mut agent = Agent::via(&appliance, way, &origin);
                let head = agent.head("POST", "/", &[&[nobody, framing], more].concat());
                agent.send(head);
                let answer = agent.answer("POST");
                assert_eq!(answer.values("connection"), ["close"], "{way:?} {framing:?} {more:?}");
                answer.expect_refusal(404, "not_found");
                assert!(agent.is_closed(), "{way:?} {framing:?} {more:?}");
            }
        }
        // Where nothing was left unread it goes on.
        let mut agent = Agent::via(&appliance, way, &origin);
        for _ in 0..2 {
            let answer = agent.ask("GET", "/", &[nobody]);
            assert!(answer.values("connection").is_empty(), "{way:?} {answer:#?}");
            answer.expect_refusal(404, "not_found");
        }
        agent.get("/").expect_origins(200);
        assert_eq!(origin.requests().len(), 1, "{way:?}");
    }
}

#[test]
fn the_body_of_a_refused_request_is_not_the_next_request() {
    let key = Credential::key(ALIAS, "k", &["localhost:*"]);
    let appliance = Appliance::builder().credential(key).set("server.max_body_size", "1000").start();
    for way in WAYS {
        let origin = Origin::https();
        let inner = Agent::via(&appliance, way, &origin).head("GET", "/smuggled", &[NAMED]);
        let long = format!("{inner}{}", "x".repeat(2000));
        let fields = |alias| [("X-Vultrino-Credential", alias)];
        for (status, named, body, more) in [
            (404, fields("nobody"), &inner, None),
            (400, fields("not/one"), &inner, None),
            (417, fields(ALIAS), &inner, Some(("Expect", "the-unexpected"))),
            (413, fields(ALIAS), &long, None),
        ] {
            for chunked in [false, true] {
                if chunked && status == 413 {
                    continue;
                }
                let mut agent = Agent::via(&appliance, way, &origin);
                let length = body.len().to_string();
                let framing = if chunked { CHUNKED } else { ("Content-Length", &*length) };
                let fields = [&named[..], &[framing], more.as_slice()].concat();
                let head = agent.head("POST", "/refused", &fields);
                let framed = if chunked { format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()) } else { body.clone() };
                drop(agent.try_send(head + &framed));
                assert_eq!(agent.answer("POST").refusal().status, status, "{way:?} {chunked}");
                let next = agent.head("GET", "/next", &[NAMED]);
                match agent.try_send(next).and_then(|()| agent.try_answer("GET")) {
                    Ok(answer) => drop(answer.expect_origins(200)),
                    Err(_) => assert!(agent.is_closed(), "{way:?} {status}"),
                }
            }
        }
        let requests = origin.requests();
        assert!(requests.iter().all(|it| it.target() == "/next"), "{way:?} {requests:#?}");
    }
}
