//! Origins behind a corporate proxy: `[upstream] proxy` and what it may and may not see.

use std::net::TcpListener;

use crate::support::{
    Agent, Appliance, Credential, Origin, WAYS, Way,
    agent::NAMED,
    appliance::{ALIAS, BEARER, Builder, KEY},
    parent::Parent,
};

/// `user:p@ss` as a URL and as a proxy has it.
const USER: &str = "user:p%40ss@";
const BASIC: &str = "Basic dXNlcjpwQHNz";

/// One that reaches private addresses only through this proxy.
fn behind(parent: &Parent, user: &str) -> Builder {
    let key = Credential::key(ALIAS, KEY, &["origin.test:*", "http://origin.test:*", "localhost:*"]);
    let builder = Appliance::builder().credential(key).without("upstream.allow_private");
    builder.set("upstream.proxy", &parent.setting(user))
}

/// An agent for an origin that only the proxy knows.
#[track_caller]
fn towards(appliance: &Appliance, way: Way, origin: &Origin) -> Agent {
    Agent::to(appliance, way, origin.scheme(), &authority(origin))
}

fn authority(origin: &Origin) -> String {
    format!("origin.test:{}", origin.port())
}

#[test]
fn tls_passes_through_a_tunnel_in_which_the_proxy_sees_nothing() {
    for parent in [Parent::asking(BASIC), Parent::over_tls()] {
        let appliance = behind(&parent, USER).start();
        for (count, way) in WAYS.into_iter().enumerate() {
            let origin = Origin::https();
            let mut agent = towards(&appliance, way, &origin);
            agent.get("/1").expect_origins(200);
            agent.get("/2").expect_origins(200);
            assert_eq!(origin.connections(), 1, "{way:?}: a tunnel is used again");
            assert_eq!(origin.seen()[0].server_name.as_deref(), Some("origin.test"));
            let requests = origin.requests();
            assert_eq!(requests[0].values("authorization"), [BEARER]);
            assert!(requests.iter().all(|it| it.values("via").is_empty()), "{requests:#?}");
            let heads = parent.heads();
            assert_eq!(heads.len(), count + 1, "{heads:#?}");
            let head = &heads[count];
            assert_eq!(head.start, format!("CONNECT {} HTTP/1.1", authority(&origin)));
            assert_eq!(head.values("host"), [authority(&origin)]);
            assert_eq!(head.values("proxy-authorization"), [BASIC]);
            assert!(matches!(*head.values("via"), [via] if via.starts_with("1.1 vultrino-")), "{head:#?}");
            assert_eq!(head.fields.len(), 3, "{head:#?}");
        }
        let read = String::from_utf8_lossy(&parent.read()).into_owned();
        assert!(!read.contains(KEY) && !read.contains("GET "), "{read}");
    }
}

#[test]
fn a_blind_tunnel_passes_through_the_proxy_too() {
    let origin = Origin::not_tls(|visit| visit.write("hello from behind"));
    let host = authority(&origin);
    let connect = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\nVia: 1.1 client\r\n\r\n");
    let parent = Parent::asking(BASIC);
    let appliance = behind(&parent, USER).reaching(&origin).set("proxy.intercept", "\"off\"").start();
    let mut agent = Agent::dial(appliance.address());
    agent.send(&connect);
    assert_eq!(agent.answer_head().start, "HTTP/1.1 200 Connection established");
    agent.read_until("hello from behind");
    let heads = parent.heads();
    assert_eq!((heads.len(), &*heads[0].start), (1, &*format!("CONNECT {host} HTTP/1.1")));
    let via = heads[0].values("via").join(", ");
    assert!(via.starts_with("1.1 client, 1.1 vultrino-"), "{via}");
    let appliance = behind(&parent, "").reaching(&origin).set("proxy.intercept", "\"off\"").start();
    let mut agent = Agent::dial(appliance.address());
    agent.send(&connect);
    agent.answer("CONNECT").expect_refusal(502, "upstream_error");
    assert_eq!(origin.connections(), 1);
}

#[test]
fn plaintext_is_asked_for_in_absolute_form() {
    let parent = Parent::asking(BASIC);
    let appliance = behind(&parent, USER).start();
    for way in [Way::Path, Way::Absolute] {
        let origin = Origin::http();
        let mut agent = towards(&appliance, way, &origin);
        let host = authority(&origin);
        let asked = |target: &str, method: &str| format!("{method} http://{host}{target} HTTP/1.1");
        let before = parent.heads().len();
        agent.ask("GET", "/a%2Fb?c=d", &[NAMED, ("Via", "1.1 client")]).expect_origins(200);
        agent.ask("OPTIONS", "/", &[NAMED]).expect_origins(200);
        let heads = &parent.heads()[before..];
        assert_eq!([&*heads[0].start, &*heads[1].start], [asked("/a%2Fb?c=d", "GET"), asked("/", "OPTIONS")]);
        for head in heads {
            assert_eq!(head.values("host"), [&*host]);
            assert_eq!(head.values("proxy-authorization"), [BASIC]);
            assert_eq!(head.values("authorization"), [BEARER]);
        }
        let via = heads[0].values("via");
        assert!(matches!(*via, ["1.1 client", ours] if ours.starts_with("1.1 vultrino-")), "{via:?}");
        assert_eq!(origin.requests()[0].target(), "/a%2Fb?c=d");
    }
    assert_eq!(parent.connections(), 2, "a connection for each origin, used again");
}

#[test]
fn what_no_proxy_names_and_this_machine_are_reached_without_it() {
    let parent = Parent::open();
    let appliance = behind(&parent, "")
        .set("upstream.allow_private", "[\"127.0.0.0/8\"]")
        .set("upstream.no_proxy", "[\"10.0.0.0/8\", \"*.corp.invalid\", \"internal.invalid\"]")
        .start();
    let origin = Origin::https();
    for authority in [origin.authority(), format!("127.0.0.1:{}", origin.port())] {
        Agent::to(&appliance, Way::Absolute, "https", &authority).ask("GET", "/", &[]).expect_origins(200);
    }
    for authority in ["a.b.corp.invalid", "internal.invalid"] {
        let mut agent = Agent::to(&appliance, Way::Absolute, "https", authority);
        agent.ask("GET", "/", &[]).expect_refusal(502, "upstream_error");
    }
    let mut agent = Agent::to(&appliance, Way::Absolute, "https", "10.1.2.3");
    agent.ask("GET", "/", &[]).expect_refusal(403, "forbidden");
    assert_eq!(parent.connections(), 0, "{:#?}", parent.heads());
}

#[test]
fn an_address_that_is_refused_is_refused_before_the_proxy_hears_of_it() {
    let parent = Parent::open();
    let appliance = behind(&parent, "").start();
    for host in [
        "10.0.0.1",
        "169.254.169.254",
        "192.168.1.1",
        "[fd00:ec2::254]",
        "metadata.google.internal",
        "127.0.0.1",
        "localhost",
    ] {
        for scheme in ["http", "https"] {
            let mut agent = Agent::to(&appliance, Way::Absolute, scheme, host);
            agent.ask("GET", "/", &[]).expect_refusal(403, "forbidden").because("address");
        }
    }
    // What opens the proxy's own address opens it for the way out, and not for callers.
    let own = parent.setting("").trim_matches('"').to_owned();
    let mut agent = Agent::dial(appliance.address());
    agent.send(format!("GET {own}/ HTTP/1.1\r\nHost: {}\r\n\r\n", own.trim_start_matches("http://")));
    agent.answer("GET").expect_refusal(403, "forbidden").because("address");
    assert_eq!(parent.connections(), 0, "{:#?}", parent.heads());
}

#[test]
fn a_proxy_that_wants_another_password_is_named_and_the_password_is_not() {
    let parent = Parent::asking("Basic another");
    let appliance = behind(&parent, USER).start();
    for origin in [Origin::https(), Origin::http()] {
        for way in WAYS {
            if way == Way::Tunnel && origin.scheme() == "http" {
                continue;
            }
            let refusal = towards(&appliance, way, &origin).get("/").expect_refusal(502, "upstream_error");
            assert!(refusal.message.contains("[upstream] proxy"), "{refusal:#?}");
        }
        assert_eq!(origin.connections(), 0);
        let line = appliance.audit_of(&authority(&origin));
        assert_eq!((line.get("status"), line.get("outcome")), ("502", "upstream_error"), "{}", line.text);
    }
    assert!(parent.heads().len() >= 5);
    appliance.expect_printed("407");
    let told = appliance.printed() + &appliance.audit_text();
    for secret in ["p%40ss", "p@ss", BASIC, "dXNlcjpwQHNz"] {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
}

#[test]
fn a_proxy_that_leads_nowhere_is_a_bad_gateway_with_one_text() {
    let mut texts = Vec::new();
    let origin = Origin::https();
    for answer in [
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 9\r\n\r\n127.0.0.1",
        "HTTP/1.1 301 Moved\r\nLocation: http://elsewhere.test/\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\nX: y\n\n",
        "SSH-2.0-OpenSSH_9.6\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
    ] {
        let parent = Parent::with(move |_| Some(answer.into()));
        let appliance = behind(&parent, "").start();
        texts.push(towards(&appliance, Way::Path, &origin).get("/").expect_refusal(502, "upstream_error").text);
    }
    let many = Parent::with(|_| Some("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100).into()));
    let appliance = behind(&many, "").start();
    texts.push(towards(&appliance, Way::Path, &origin).get("/").expect_refusal(502, "upstream_error").text);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let closed =
        Appliance::builder().set("upstream.proxy", &format!("\"http://user:p%40ss@127.0.0.1:{port}\"")).start();
    let mut agent = Agent::to(&closed, Way::Absolute, "https", &authority(&origin));
    texts.push(agent.ask("GET", "/", &[]).expect_refusal(502, "upstream_error").text);
    closed.expect_printed("[upstream] proxy leads nowhere");
    texts.dedup();
    assert_eq!((texts.len(), origin.connections()), (1, 0), "{texts:#?}");
}

#[test]
fn what_comes_back_through_the_proxy_is_refused() {
    let parent = Parent::open();
    let appliance = behind(&parent, "").set("upstream.connect_timeout", "5").start();
    parent.leads_to(appliance.address());
    // In clear the refusal of the second round is the answer to the first.
    let mut agent = Agent::to(&appliance, Way::Absolute, "http", "elsewhere.test");
    let answer = agent.ask("GET", "/clear", &[]);
    assert!(answer.status() == 403 && answer.text().contains("\"reason\":\"loop\""), "{}", answer.text());
    assert_eq!(parent.heads().len(), 1, "{:#?}", parent.heads());
    for way in [Way::Absolute, Way::Tunnel] {
        let mut agent = Agent::to(&appliance, way, "https", "elsewhere.test:443");
        agent.ask("GET", "/tls", &[]).expect_refusal(502, "upstream_error");
    }
    assert_eq!(parent.heads().len(), 3, "{:#?}", parent.heads());
    let looped = appliance.audit("the refusals", |lines| {
        let found: Vec<_> = lines.iter().filter(|it| it.get("reason") == "loop").cloned().collect();
        (found.len() == 3).then_some(found)
    });
    assert!(looped.iter().all(|it| it.get("outcome") == "denied"));
    let own = parent.heads()[0].values("via")[0].to_owned();
    for via in [own.clone(), format!("1.0 a, {own} (x)")] {
        let mut agent = Agent::to(&appliance, Way::Path, "https", "elsewhere.test");
        agent.ask("GET", "/", &[NAMED, ("Via", &via)]).expect_refusal(403, "forbidden").because("loop");
    }
}

#[test]
fn another_vultrino_as_the_proxy_is_no_loop() {
    let parent = Parent::open();
    let second = behind(&parent, "").start();
    let first = Appliance::builder().set("upstream.proxy", &format!("\"http://{}\"", second.address())).start();
    let origin = Origin::http();
    let mut agent = Agent::to(&first, Way::Absolute, "http", &authority(&origin));
    agent.ask("GET", "/", &[]).expect_origins(200);
    assert_eq!(parent.heads()[0].values("via").len(), 2);
}

#[test]
fn what_is_upgraded_in_clear_takes_a_tunnel() {
    let parent = Parent::open();
    let appliance = behind(&parent, "").start();
    let origin = Origin::http_with(|visit| {
        visit.head()?;
        visit.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")?;
        while visit.unread.len() < 4 {
            visit.more()?;
        }
        visit.write("pong")
    });
    for way in [Way::Path, Way::Absolute] {
        let mut agent = towards(&appliance, way, &origin);
        let asked = agent.head("GET", "/ws", &[NAMED, ("Connection", "Upgrade"), ("Upgrade", "websocket")]);
        agent.send(asked);
        assert!(agent.answer_head().start.starts_with("HTTP/1.1 101"));
        agent.send("ping");
        agent.read_until("pong");
    }
    let heads = parent.heads();
    assert!(heads.len() == 2 && heads.iter().all(|it| it.method() == "CONNECT"), "{heads:#?}");
}
