//! Heads that are ambiguous are refused in each way with the right status, before anything goes up.

use crate::support::{
    Agent, Answer, Appliance, Http2Client, Origin, WAYS, Way,
    agent::NAMED,
    appliance::{ALIAS, BEARER},
    audit_line::AuditLine,
};

/// Sends a head made of this method and these lines (the target and the credential are good), and reads the refusal.
#[track_caller]
fn refused(appliance: &Appliance, way: Way, origin: &Origin, method: &str, lines: &[u8]) -> Answer {
    let mut agent = Agent::via(appliance, way, origin);
    let start = format!("{method} {} HTTP/1.1\r\nX-Vultrino-Credential: {ALIAS}\r\n", agent.target("/x"));
    let lines = text(lines).replace("{h}", &agent.host());
    agent.send([start.as_bytes(), &latin1(&lines)].concat());
    let answer = agent.answer(method);
    let shown = &lines[..lines.len().min(60)];
    assert!(agent.is_closed(), "{way:?} {shown:?}: the connection stays open after {answer:#?}");
    assert_eq!(origin.received(), 0, "{way:?} {shown:?}");
    answer
}

#[test]
fn lengths_that_are_no_plain_number_are_refused() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    for way in WAYS {
        for length in
            ["+3", "-1", "0x3", "3_0", "", "3, 3", "3,3", "3 3", "3;", "18446744073709551616", "\"3\"", "3.0", "\u{b3}"]
        {
            let lines = latin1(&format!("Host: {{h}}\r\nContent-Length: {length}\r\n\r\nabc"));
            refused(&appliance, way, &origin, "POST", &lines).expect_refusal(400, "invalid_request");
        }
        for lines in [
            "Content-Length: 3\r\nContent-Length: 4\r\n",
            "Content-Length: 4\r\ncontent-length: 3\r\n",
            "Content-Length: 4\r\nContent-Length: 4\r\n",
        ] {
            let lines = format!("Host: {{h}}\r\n{lines}\r\nabcd");
            refused(&appliance, way, &origin, "POST", lines.as_bytes()).expect_refusal(400, "invalid_request");
        }
    }
}

#[test]
fn codings_that_are_not_exactly_chunked_are_refused() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    for way in WAYS {
        for coding in [
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked, chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
            "Transfer-Encoding: \"chunked\"",
            "Transfer-Encoding: chunked;q=1",
            "Transfer-Encoding:",
            "Transfer-Encoding: ,chunked",
            "Transfer-Encoding: \u{b}chunked",
            "Transfer-Encoding : chunked",
            "Content-Length: 0\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 5",
        ] {
            let lines = format!("Host: {{h}}\r\n{coding}\r\n\r\n0\r\n\r\n");
            refused(&appliance, way, &origin, "POST", lines.as_bytes()).expect_refusal(400, "invalid_request");
        }
    }
}

#[test]
fn lines_that_two_parsers_split_differently_are_refused() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    for way in WAYS {
        for lines in [
            &b"Host: {h}\r\nX: a\rb\r\n\r\n"[..],
            b"Host: {h}\r\nX: a\nb: c\r\n\r\n",
            b"Host: {h}\r\nX: a\x00b\r\n\r\n",
            b"Host: {h}\nX: a\n\n",
            b"Host: {h}\r\nX : a\r\n\r\n",
            b"Host: {h}\r\nX\t: a\r\n\r\n",
            b"Host: {h}\r\n X: a\r\n\r\n",
            b"Host: {h}\r\n: a\r\n\r\n",
            b"Host: {h}\r\nX\r\n\r\n",
            b"Host: {h}\r\nX y: a\r\n\r\n",
            b"Host: {h}\r\nX(y): a\r\n\r\n",
            b"Host: {h}\r\nX\xe4: a\r\n\r\n",
            b"Host: {h}\r\nX: a\r\n\tb\r\n\r\n",
            b"Host: {h}\r\nX: a\x7f\r\n\r\n",
            b"Host: {h}\r\nX: a\x1b[1m\r\n\r\n",
        ] {
            refused(&appliance, way, &origin, "GET", lines).expect_refusal(400, "invalid_request");
        }
    }
}

#[test]
fn lines_that_end_with_a_line_feed_alone_are_refused() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    for way in WAYS {
        let good = Agent::via(&appliance, way, &origin).head("GET", "/x", &[("X-Vultrino-Credential", ALIAS)]);
        for bare in good.match_indices("\r\n").map(|(at, _)| at).collect::<Vec<_>>() {
            let mut agent = Agent::via(&appliance, way, &origin);
            agent.send(format!("{}{}", &good[..bare], &good[bare + 1..]));
            agent.answer("GET").expect_refusal(400, "invalid_request");
            assert!(agent.is_closed(), "{way:?} {bare}");
        }
        let mut agent = Agent::via(&appliance, way, &origin);
        agent.send(good.replace("\r\n", "\n"));
        agent.answer("GET").expect_refusal(400, "invalid_request");
        assert!(agent.is_closed(), "{way:?}");
    }
    assert_eq!(origin.received(), 0);
}

#[test]
fn a_field_before_the_first_line_that_is_indented_is_refused() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    for way in WAYS {
        let mut agent = Agent::via(&appliance, way, &origin);
        let (target, host) = (agent.target("/x"), agent.host());
        agent.send(format!("GET {target} HTTP/1.1\r\n Host: {host}\r\nHost: {host}\r\n\r\n"));
        agent.answer("GET").expect_refusal(400, "invalid_request");
        assert!(agent.is_closed());
    }
    assert_eq!(origin.received(), 0);
}

#[test]
fn bytes_beyond_ascii_are_refused_where_they_would_matter() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    for way in WAYS {
        for lines in [
            &b"Host: {h}\xe4\r\n\r\n"[..],
            b"Host: {h}\r\nAuthorization: Bearer \xe4\r\n\r\n",
            b"Host: {h}\r\nX-Vultrino-Policy: \xe4\r\n\r\n",
            b"Host: {h}\r\nX-Vultrino-Anything: \xff\r\n\r\n",
        ] {
            refused(&appliance, way, &origin, "GET", lines).expect_refusal(400, "invalid_request");
        }
    }
}

#[test]
fn bytes_beyond_ascii_pass_in_a_field_that_means_nothing_to_us() {
    let appliance = Appliance::start();
    for way in WAYS {
        let origin = Origin::https();
        let mut agent = Agent::via(&appliance, way, &origin);
        let head = agent.head("GET", "/", &[("X-Vultrino-Credential", ALIAS), ("X-Name", "J\u{fc}rgen")]);
        agent.send(latin1(&head));
        agent.answer("GET").expect_origins(200);
        assert_eq!(origin.only_request().values("x-name"), ["J\u{fc}rgen"], "{way:?}");
    }
}

#[test]
fn request_lines_that_are_not_three_words_are_refused() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    for way in WAYS {
        let (target, host) = {
            let agent = Agent::via(&appliance, way, &origin);
            (agent.target("/x"), agent.host())
        };
        for line in [
            format!("GET  {target} HTTP/1.1"),
            format!("GET {target}  HTTP/1.1"),
            format!("GET {target} HTTP/1.1 "),
            format!("GET\t{target} HTTP/1.1"),
            format!("GET {target} y HTTP/1.1"),
            format!("GET {target}"),
            format!("GET {target} HTTP/1.2"),
            format!("GET {target} HTTP/1.10"),
            format!("GET {target} http/1.1"),
            format!("GET {target} HTTPS/1.1"),
            format!("GET {target}\u{1} HTTP/1.1"),
            format!("GET {target}\u{ff} HTTP/1.1"),
            format!("G@T {target} HTTP/1.1"),
            format!("G\"T {target} HTTP/1.1"),
            format!(" {target} HTTP/1.1"),
        ] {
            let mut agent = Agent::via(&appliance, way, &origin);
            let head = format!("{line}\r\nHost: {host}\r\nX-Vultrino-Credential: {ALIAS}\r\n\r\n");
            agent.send(latin1(&head));
            agent.answer("GET").expect_refusal(400, "invalid_request");
            assert!(agent.is_closed(), "{way:?} {line:?}");
        }
    }
    assert_eq!(origin.received(), 0);
}

#[test]
fn other_schemes_are_refused() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    let (here, there) = (appliance.address(), origin.authority());
    for scheme in ["ftp", "file", "gopher", "ws", "wss", "data", "unix", "javascript", "httpss", "http+unix"] {
        for target in [format!("/{scheme}://{there}/x"), format!("{scheme}://{there}/x")] {
            let mut agent = Agent::dial(here);
            agent.send(format!("GET {target} HTTP/1.1\r\nHost: {here}\r\nX-Vultrino-Credential: {ALIAS}\r\n\r\n"));
            agent.answer("GET").expect_refusal(400, "invalid_request");
        }
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn spellings_of_path_style_that_parsers_read_differently_are_refused() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    let (here, h) = (appliance.address(), origin.authority());
    for target in [
        format!("/https%3A%2F%2F{h}/x"),
        format!("/https:%2f%2f{h}/x"),
        format!("/https:\\\\{h}\\x"),
        format!("/https:/\\{h}/x"),
        format!("/https:{h}/x"),
        format!("/https:///{h}/x"),
        format!("/https:////{h}/x"),
        format!("///{h}/x"),
        format!("//{h}/x"),
        format!("/https://{h}@{h}/x"),
        format!("/https://u:p@{h}/x"),
        "/https:///x".to_owned(),
        "/https://".to_owned(),
        "/https:/".to_owned(),
        "/https://localhost:/x".to_owned(),
        "/https://localhost:0/x".to_owned(),
        "/https://localhost:65536/x".to_owned(),
        format!("/https://localhost:0{}/x", origin.port()),
        format!("/https://local%68ost:{}/x", origin.port()),
        format!("/https://[{h}]/x"),
        format!("/https://{h}/a/../b"),
        format!("/https://{h}/a/%2e%2e/b"),
        format!("/https://{h}/a%2f..%2fb"),
        format!("/https://{h}/a\\..\\b"),
    ] {
        let mut agent = Agent::dial(here);
        agent.send(format!("GET {target} HTTP/1.1\r\nHost: {here}\r\nX-Vultrino-Credential: {ALIAS}\r\n\r\n"));
        let refusal = agent.answer("GET").refusal();
        assert_eq!((refusal.status, &*refusal.code), (400, "invalid_request"), "{target} {refusal:?}");
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn methods_that_reflect_or_tunnel_are_not_passed_on() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    for way in WAYS {
        for method in ["TRACE", "TRACK", "trace", "connect", "Connect"] {
            let answer = Agent::via(&appliance, way, &origin).ask(method, "/x", &[("X-Vultrino-Credential", ALIAS)]);
            assert_eq!(answer.refusal().status, 405, "{way:?} {method}");
        }
    }
    let mut agent = Agent::via(&appliance, Way::Tunnel, &origin);
    let refused = agent.connect(&origin.authority(), &[]).err().map(|answer| answer.refusal().status);
    assert_eq!(refused, Some(405));
    assert_eq!(origin.received(), 0);
}

const METHODS: &str = "[[policies]]\nname = \"methods\"\ncredential_pattern = \"*\"\ndefault_action = \"deny\"\n\
    [[policies.rules]]\ncondition = { method_match = [\"GET\", \"A-METHOD-OF-AS-MANY-AS-32-BYTES.\"] }\naction = \"allow\"\n";

#[test]
fn methods_are_judged_in_any_case_sent_as_they_came_and_logged_whole() {
    let appliance = Appliance::builder().sections(METHODS).start();
    for way in WAYS {
        for (at, method) in ["GET", "get", "gEt", "A-METHOD-OF-AS-MANY-AS-32-BYTES."].into_iter().enumerate() {
            let origin = Origin::https();
            let path = format!("/method-{way:?}-{at}");
            let mut agent = Agent::via(&appliance, way, &origin);
            agent.ask(method, &path, &[NAMED]).expect_origins(200);
            assert_eq!(origin.only_request().method(), method, "{way:?}");
            let line = appliance.audit_of(&format!("{}{path}", origin.authority()));
            assert_eq!(line.get("method"), method, "{}", line.text);
        }
        let origin = Origin::https();
        for method in ["DELETE", "delete", "Delete"] {
            Agent::via(&appliance, way, &origin).ask(method, "/", &[NAMED]).expect_refusal(403, "policy_denied");
        }
        assert_eq!(origin.connections(), 0, "{way:?}");
    }
}

#[test]
fn methods_that_are_too_long_are_refused_with_a_line() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    for length in [33, 10_000] {
        let method = "M".repeat(length);
        let path = |door: &str| format!("/long-{length}-{door}");
        for way in WAYS {
            let mut agent = Agent::via(&appliance, way, &origin);
            agent.ask(&method, &path(&format!("{way:?}")), &[NAMED]).expect_refusal(400, "invalid_request");
        }
        let mut client = Http2Client::to(&appliance, &origin.authority());
        client.ask(&method, &path("h2"), &[]).expect_refusal(400, "invalid_request");
        let params = serde_json::json!({ "method": method, "url": origin.url(&path("api")) });
        let asked = serde_json::json!({ "credential": ALIAS, "action": "http.request", "params": params });
        appliance.api_without_key().post("/v1/execute", &asked).expect_refusal(400, "invalid_request");
        for door in ["Path", "Absolute", "Tunnel", "h2", "api"] {
            let line = appliance.audit_of(&path(door));
            assert_eq!((line.get("status"), line.get("outcome")), ("400", "denied"), "{}", line.text);
            assert!(line.get("method").starts_with("MMMMMMMM"), "{}", line.text);
        }
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn of_pipelined_requests_those_after_a_bad_one_are_never_read() {
    let appliance = Appliance::start();
    for way in WAYS {
        let origin = Origin::https();
        let mut agent = Agent::via(&appliance, way, &origin);
        let good = |path| agent.head("GET", path, &[("X-Vultrino-Credential", ALIAS)]);
        let (first, second, third) = (good("/first"), good("/second"), good("/third"));
        agent.send(first + &second.replace("\r\nX-V", "\r\nContent-Length: 1\r\nContent-Length: 1\r\nX-V") + &third);
        agent.answer("GET").expect_origins(200);
        agent.answer("GET").expect_refusal(400, "invalid_request");
        assert!(agent.is_closed(), "{way:?}");
        assert_eq!(origin.only_request().target(), "/first", "{way:?}");
    }
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let appliance = Appliance::start();
    for way in WAYS {
        let origin = Origin::https_with(|visit| {
            while let Some(request) = visit.request()? {
                let (target, length) = (request.target(), request.target().len());
                visit.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{target}"))?;
            }
            Ok(())
        });
        let mut agent = Agent::via(&appliance, way, &origin);
        let paths: Vec<String> = (0..20).map(|at| format!("/request/{at}")).collect();
        let post = |path: &String| {
            agent.head("POST", path, &[("X-Vultrino-Credential", ALIAS), ("Content-Length", "4")]) + "GET "
        };
        let all: String = paths.iter().map(post).collect();
        agent.send(all);
        for path in &paths {
            assert_eq!(agent.answer("POST").expect_origins(200).text(), *path, "{way:?}");
        }
        assert!(origin.requests().iter().all(|it| it.values("authorization") == [BEARER]), "{way:?}");
        assert_eq!(origin.requests().len(), 20, "{way:?}");
        let lines = appliance.audit("twenty lines", |lines| {
            let mine = |it: &&AuditLine| it.get("url").contains(&origin.authority());
            let count = lines.iter().filter(mine).count();
            (count >= 20).then_some(count)
        });
        assert_eq!(lines, 20);
    }
}

#[test]
fn heads_that_are_too_large_are_refused() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    for way in WAYS {
        let many: String = (0..2000).flat_map(|at| ["X".to_owned(), at.to_string(), ": y\r\n".to_owned()]).collect();
        let lines = format!("Host: {{h}}\r\n{many}\r\n");
        refused(&appliance, way, &origin, "GET", lines.as_bytes()).expect_refusal(431, "headers_too_large");
        let lines = format!("Host: {{h}}\r\nX: {}\r\n\r\n", "y".repeat(100_000));
        refused(&appliance, way, &origin, "GET", lines.as_bytes()).expect_refusal(431, "headers_too_large");
    }
}

fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|b| char::from(*b)).collect()
}

fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}
