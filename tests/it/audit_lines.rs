//! Every request leaves one line: who, what, with which credential, how it ended; never a secret or a query's values.

use std::{collections::BTreeSet, os::unix::fs::PermissionsExt};

use crate::support::{
    Agent, Appliance, Credential, Origin, WAYS, Way,
    agent::NAMED,
    appliance::{ALIAS, KEY},
    audit_line::AuditLine,
};

#[test]
fn a_request_leaves_one_line_that_tells_it_all() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    for (way, door) in [(Way::Path, "PATH"), (Way::Absolute, "FORWARD"), (Way::Tunnel, "CONNECT")] {
        let mut agent = Agent::via(&appliance, way, &origin);
        let path = format!("/told/{door}?token=very-private&x=&flag&y=2");
        agent.post(&path, &[], b"hello").expect_origins(200);
        let line = appliance.audit_of(&format!("/told/{door}"));
        assert_eq!((&*line.door, &*line.action), (door, "http_request"), "{}", line.text);
        let expected = [
            ("credential", ALIAS.to_owned()),
            ("method", "POST".to_owned()),
            ("source", agent.source().to_string()),
            ("key", "-".to_owned()),
            ("name", "local".to_owned()),
            ("status", "200".to_owned()),
            ("outcome", "ok".to_owned()),
            ("reason", "-".to_owned()),
            ("up", "5".to_owned()),
            ("down", "2".to_owned()),
        ];
        for (name, value) in expected {
            assert_eq!(line.get(name), value, "{name} in {}", line.text);
        }
        let url = line.get("url");
        assert!(url.starts_with(&origin.url(&format!("/told/{door}?token="))), "{url}");
        assert!(url.contains("&x=") && !url.contains("very-private") && !url.contains("y=2"), "{url}");
        let time = line.time.as_bytes();
        assert!(time.len() == 24 && time[10] == b'T' && time.ends_with(b"Z"), "{}", line.time);
        assert!(line.get("ms").parse::<u64>().is_ok(), "{}", line.text);
        let id = line.get("id");
        assert!(id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    }
    let log = appliance.audit_text();
    assert!(!log.contains("very-private") && !log.contains(KEY));
}

#[test]
fn as_many_lines_as_requests() {
    let key = Credential::key(ALIAS, "k", &["localhost:*"]);
    let appliance = Appliance::builder().credential(key).set("server.max_body_size", "10").start();
    let origin = Origin::https();
    let mut statuses = Vec::new();
    for way in WAYS {
        let mut agent = Agent::via(&appliance, way, &origin);
        for at in 0..10 {
            statuses.push(agent.get(&format!("/n/{at}")).status());
        }
        statuses.push(agent.ask("HEAD", "/n/head", &[NAMED]).status());
        statuses.push(agent.ask("GET", "/n/404", &[("X-Vultrino-Credential", "nobody")]).status());
        let mut agent = Agent::via(&appliance, way, &origin);
        statuses.push(agent.ask("POST", "/n/413", &[NAMED, ("Content-Length", "11")]).status());
    }
    statuses.push(Agent::via(&appliance, Way::Path, &origin).ask("GET", "/n/400", &[]).status());
    statuses.push(Agent::to(&appliance, Way::Path, "https", "other.test").get("/n/403").status());
    let lines = appliance.audit("all of them", |lines| {
        let requests: Vec<_> = lines.iter().filter(|it| it.door != "ADMIN").cloned().collect();
        (requests.len() >= statuses.len()).then_some(requests)
    });
    let mut written: Vec<u16> = lines.iter().map(|it| it.get("status").parse().unwrap()).collect();
    written.sort_unstable();
    statuses.sort_unstable();
    assert_eq!(written, statuses);
    let ids: BTreeSet<&str> = lines.iter().map(|it| it.get("id")).collect();
    assert_eq!(ids.len(), lines.len(), "an id stands twice");
    for line in &lines {
        let denied = line.get("status") != "200";
        assert_eq!(line.get("outcome") == "denied", denied, "{}", line.text);
        assert_eq!(line.get("reason") == "-", !denied, "{}", line.text);
    }
}

#[test]
fn what_the_door_refuses_leaves_a_line_too() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    let (here, url, authority) = (appliance.address().to_string(), origin.url("/x"), origin.authority());
    let get = |target: &str, host: &str, more: &str| format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n");
    let named = format!("X-Vultrino-Credential: {ALIAS}\r\n");
    let cases = [
        (get(&format!("/{url}"), &here, ""), "PATH", 400),
        (get(&format!("/{url}"), "evil.test", &named), "PATH", 403),
        (get(&format!("/{url}"), &here, &format!("Origin: https://evil.test\r\n{named}")), "PATH", 403),
        (get(&format!("/{url}/%2e%2e/a"), &here, &named), "PATH", 400),
        (get(&format!("{url}/%2e%2e/a"), &authority, &named), "FORWARD", 400),
        (get(&format!("ftp://{authority}/"), &authority, &named), "FORWARD", 400),
        (format!("TRACE /{url} HTTP/1.1\r\nHost: {here}\r\n{named}\r\n"), "PATH", 405),
        ("CONNECT other.test:22 HTTP/1.1\r\nHost: other.test:22\r\n\r\n".to_owned(), "TUNNEL", 403),
        ("CONNECT other.test HTTP/1.1\r\nHost: other.test\r\n\r\n".to_owned(), "TUNNEL", 400),
        (format!("CONNECT {here} HTTP/1.1\r\nHost: {here}\r\n\r\n"), "TUNNEL", 403),
    ];
    let mut missing = Vec::new();
    for (at, (request, door, status)) in cases.iter().enumerate() {
        let mut agent = Agent::dial(appliance.address());
        agent.send(request);
        assert_eq!(agent.answer("GET").refusal().status, *status, "{request}");
        // A request whose line is known to come flushes out whatever came before it.
        let mark = format!("/after/{at}");
        Agent::via(&appliance, Way::Path, &origin).get(&mark).expect_origins(200);
        appliance.audit_of(&mark);
        let source = agent.source().to_string();
        let lines = AuditLine::read(&appliance.audit_text());
        let mine: Vec<_> = lines.iter().filter(|it| it.get("source") == source).collect();
        let good = matches!(*mine, [line] if line.door == *door && line.get("status") == status.to_string());
        if !good {
            missing.push(format!("{status} {door}: {mine:?} after {request}"));
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn no_key_password_or_fragment_of_a_target_stands_in_the_log() {
    const VK: &str = "vk_4f9a8e7d6c5b4a3928171605CANARY00";
    const PASSWORD: &str = "pwd-CANARY-0815";
    const FRAGMENT: &str = "frag-CANARY-4711";
    assert_eq!(VK.len(), 3 + 32);
    let appliance = Appliance::start();
    let origin = Origin::https();
    let (here, authority) = (appliance.address().to_string(), origin.authority());
    let named = format!("X-Vultrino-Credential: {ALIAS}\r\n");
    let get = |target: &str, host: &str| format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{named}\r\n");
    let paths = [
        format!("/x/{VK}"),
        format!("/{VK}/x?q=1"),
        format!("/x;key={VK}"),
        format!("/x-{VK}.json"),
        format!("/%2e%2e/{VK}"),
        format!("/x?api_key={VK}"),
        format!("/x?{VK}"),
        format!("/x?{VK}=1"),
        format!("/x#{FRAGMENT}"),
        format!("/x?y#{FRAGMENT}"),
        format!("/#{VK}"),
        format!("/x?{PASSWORD}"),
        format!("/x?password={PASSWORD}"),
    ];
    let authorities = [format!("someone:{PASSWORD}@{authority}"), format!("{VK}@{authority}"), format!("a:{VK}@b")];
    let mut requests: Vec<(Way, String)> = Vec::new();
    let urls = paths.iter().map(|path| origin.url(path));
    for url in urls.chain(authorities.iter().map(|it| format!("https://{it}/x"))) {
        requests.push((Way::Path, get(&format!("/{url}"), &here)));
        requests.push((Way::Absolute, get(&url, &authority)));
        requests.push((Way::Tunnel, get(&url, &authority)));
    }
    requests.extend(paths.iter().map(|path| (Way::Tunnel, get(path, &authority))));
    for target in authorities.iter().chain(&[format!("{authority}#{FRAGMENT}"), format!("{authority}/{VK}")]) {
        // No tunnel yet: this asks for one.
        requests.push((Way::Path, format!("CONNECT {target} HTTP/1.1\r\nHost: {authority}\r\n\r\n")));
    }
    for (way, request) in &requests {
        let mut agent = Agent::via(&appliance, *way, &origin);
        agent.send(request);
        agent.answer("GET");
        let source = agent.source().to_string();
        let line = appliance.audit(&format!("a line on {request}"), |lines| {
            lines.iter().find(|it| it.get("source") == source).cloned()
        });
        for secret in [VK, PASSWORD, FRAGMENT] {
            assert!(!line.text.contains(secret), "{way:?} {request} left {}", line.text);
        }
    }
}

#[test]
fn nothing_that_a_client_sends_makes_a_line_of_its_own() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    for way in WAYS {
        for path in [
            "/%0a2026-01-01T00:00:00Z%20PATH",
            "/a=b=c/outcome=ok",
            "/%00%1b%5b31m",
            "/\"'`;$(x)",
            "/x?%0d%0aoutcome=ok&credential=evil",
        ] {
            Agent::via(&appliance, way, &origin).get(path).status();
        }
        let mut agent = Agent::via(&appliance, way, &origin);
        agent.ask("M-SEARCH", "/m", &[NAMED]).status();
        agent.ask("GET", "/a", &[("X-Vultrino-Credential", "evil=1")]).status();
    }
    // Reading them checks the shape of each.
    let lines = appliance.audit("the last ones", |lines| {
        (lines.iter().filter(|it| it.get("url").ends_with("/a")).count() == WAYS.len()).then(|| lines.to_vec())
    });
    let paths = ["/%0a2026-01-01T00:00:00Z%20PATH", "/a=b=c/outcome=ok", "/x?%0d%0aoutcome=&credential=", "/m"];
    for path in paths {
        let count = lines.iter().filter(|it| it.get("url").ends_with(path)).count();
        assert_eq!(count, WAYS.len(), "{path}");
    }
    assert!(lines.iter().all(|it| it.text.bytes().all(|b| b.is_ascii_graphic() || b == b' ')));
}

#[test]
fn a_long_url_is_cut_in_its_line() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    let path = format!("/long/{}", "y".repeat(20_000));
    Agent::via(&appliance, Way::Path, &origin).get(&path).expect_origins(200);
    let line = appliance.audit_of("/long/");
    assert!(line.text.len() < 4096, "{} bytes", line.text.len());
    assert_eq!(line.get("status"), "200");
}

#[test]
fn the_log_belongs_to_its_owner_alone() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    Agent::via(&appliance, Way::Path, &origin).get("/").expect_origins(200);
    appliance.audit_of(&origin.authority());
    let mode = appliance.home().join("audit.log").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn what_was_under_way_at_a_kill_is_told_at_the_next_start() {
    let appliance = Appliance::start();
    let origin = Origin::https_with(|visit| {
        visit.request()?;
        visit.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")?;
        visit.drain();
        Ok(())
    });
    let mut agents = Vec::new();
    for (at, way) in WAYS.into_iter().enumerate() {
        let mut agent = Agent::via(&appliance, way, &origin);
        let head = agent.head("GET", &format!("/under-way/{at}"), &[NAMED]);
        agent.send(head);
        agent.read_until("hello");
        agents.push(agent);
    }
    let ended = Origin::https();
    Agent::via(&appliance, Way::Path, &ended).get("/ended").expect_origins(200);
    let appliance = appliance.restart();
    for at in 0..WAYS.len() {
        let line = appliance.audit_of(&format!("/under-way/{at}"));
        assert_eq!((line.get("outcome"), line.get("credential")), ("interrupted", ALIAS), "{}", line.text);
        assert_eq!(line.get("method"), "GET", "{}", line.text);
    }
    // Written before the kill or found in the journal after it: once.
    let ended = appliance.audit("the one that ended", |lines| {
        let count = lines.iter().filter(|it| it.get("url").contains("/ended")).count();
        (count > 0).then_some(count)
    });
    assert_eq!(ended, 1);
    let twice = appliance.restart();
    let count = AuditLine::read(&twice.audit_text()).iter().filter(|it| it.get("outcome") == "interrupted").count();
    assert_eq!(count, WAYS.len(), "told again at the start after the next");
}

#[test]
fn a_long_url_shows_both_its_ends_and_which_one_it_was() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    let mut macs = BTreeSet::new();
    for way in WAYS {
        for middle in ["one", "two"] {
            let path = format!("/begin/{}{middle}{}/end?token=secret", "a".repeat(20_000), "b".repeat(20_000));
            Agent::via(&appliance, way, &origin).get(&path).expect_origins(200);
        }
    }
    let lines = appliance.audit("all lines", |lines| {
        let all: Vec<_> = lines.iter().filter(|it| it.get("url").contains("/begin/")).cloned().collect();
        (all.len() == 6).then_some(all)
    });
    for line in lines {
        let url = line.get("url");
        let [head, mac, tail] = url.split("\\...").collect::<Vec<_>>()[..] else { panic!("{url}") };
        assert!(head.starts_with(&origin.url("/begin/aaa")) && tail.ends_with("bbb/end?token="), "{url}");
        assert!(url.len() <= 2048 && mac.len() == 32 && mac.bytes().all(|b| b.is_ascii_hexdigit()), "{url}");
        macs.insert(mac.to_owned());
    }
    assert_eq!(macs.len(), 2, "one for each URL, whatever the way");
    appliance.cli(&["audit", "verify"]).expect_success();
}
