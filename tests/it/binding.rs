//! A credential is used against hosts that it is bound to, and against no other host, port, scheme or look-alike.

use crate::support::{Agent, Answer, Appliance, Credential, Origin, WAYS, Way, agent::NAMED, appliance::ALIAS};

/// Sends one GET that names the credential, however far it gets.
#[track_caller]
fn ask(appliance: &Appliance, way: Way, scheme: &str, authority: &str) -> Answer {
    match Agent::with(appliance, way, scheme, authority, &[]) {
        Ok(mut agent) => agent.get("/secret"),
        Err(refused) => *refused,
    }
}

#[test]
fn another_port_is_refused() {
    let (bound, other) = (Origin::https(), Origin::https());
    let key = Credential::key(ALIAS, "k", &[&bound.authority()]);
    let appliance = Appliance::builder().credential(key).reaching(&other).start();
    for way in WAYS {
        ask(&appliance, way, "https", &other.authority()).expect_refusal(403, "forbidden").because("host_not_bound");
        ask(&appliance, way, "https", &bound.authority()).expect_origins(200);
    }
    assert_eq!((other.connections(), other.received()), (0, 0));
    assert_eq!(bound.requests().len(), 3);
}

#[test]
fn plaintext_is_refused_unless_the_binding_says_so() {
    let plain = Origin::http();
    let key = Credential::key(ALIAS, "k", &["localhost:*"]);
    let appliance = Appliance::builder().credential(key).start();
    for way in [Way::Path, Way::Absolute] {
        let refused = ask(&appliance, way, "http", &plain.authority()).expect_refusal(403, "forbidden");
        let text = refused.because("host_not_bound").text;
        assert!(text.contains("bound to this host over https only") && text.contains("use https://"), "{text}");
    }
    let request = appliance.cli(&["request", ALIAS, &plain.url("/")]);
    assert!(request.status.code() == Some(4) && request.stderr.contains("use https:// in the URL"), "{request:#?}");
    let tls = Origin::https();
    let key = Credential::key(ALIAS, "k", &["http://localhost:*"]);
    let appliance = Appliance::builder().credential(key).reaching(&tls).start();
    for way in WAYS {
        ask(&appliance, way, "https", &tls.authority()).expect_refusal(403, "forbidden").because("host_not_bound");
    }
    assert_eq!((plain.connections(), tls.connections()), (0, 0));
}

#[test]
fn look_alikes_are_refused() {
    let key = Credential::key(ALIAS, "k", &["api.github.com", "*.github.io"]);
    let appliance = Appliance::builder().credential(key).start();
    for way in WAYS {
        for host in [
            "api.github.com.evil.test",
            "evil-api.github.com",
            "xapi.github.com",
            "github.com",
            "www.api.github.com",
            "api-github.com",
            "api.github.co",
            "github.io",
            "a.b.github.io",
            "evilgithub.io",
            "127.0.0.1",
        ] {
            let authority = format!("{host}:443");
            ask(&appliance, way, "https", &authority).expect_refusal(403, "forbidden").because("host_not_bound");
        }
    }
}

#[test]
fn another_name_for_the_same_server_is_another_host() {
    let origin = Origin::https();
    let key = Credential::key(ALIAS, "k", &["localhost:*"]);
    let appliance = Appliance::builder().credential(key).reaching(&origin).start();
    for way in WAYS {
        let authority = format!("127.0.0.1:{}", origin.port());
        ask(&appliance, way, "https", &authority).expect_refusal(403, "forbidden").because("host_not_bound");
    }
    assert_eq!(origin.received(), 0);
}

#[test]
fn a_host_is_the_same_in_any_case_and_with_a_final_dot() {
    let origin = Origin::https();
    let appliance = Appliance::builder().credential(Credential::key(ALIAS, "k", &["LocalHost:*"])).start();
    for way in WAYS {
        ask(&appliance, way, "https", &format!("LOCALHOST:{}", origin.port())).expect_origins(200);
    }
    for way in [Way::Path, Way::Absolute] {
        ask(&appliance, way, "https", &format!("localhost.:{}", origin.port())).expect_origins(200);
    }
    assert!(origin.requests().iter().all(|it| it.values("host") == [origin.authority()]), "{:#?}", origin.requests());
}

#[test]
fn a_host_field_does_not_change_where_a_credential_goes() {
    let (good, evil) = (Origin::https(), Origin::https());
    let appliance = Appliance::builder().credential(Credential::key(ALIAS, "k", &[&good.authority()])).start();
    let mut agent = Agent::dial(appliance.address());
    let (target, host) = (good.url("/x"), evil.authority());
    agent.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nX-Vultrino-Credential: {ALIAS}\r\n\r\n"));
    agent.answer("GET").expect_origins(200);
    assert_eq!(good.only_request().values("host"), [good.authority()]);
    assert_eq!(good.seen()[0].server_name.as_deref(), Some("localhost"));
    assert_eq!(evil.connections(), 0);
}

#[test]
fn each_request_on_a_connection_is_judged() {
    let (bound, other) = (Origin::https(), Origin::https());
    let appliance = Appliance::builder().credential(Credential::key(ALIAS, "k", &[&bound.authority()])).start();
    let mut agent = Agent::via(&appliance, Way::Absolute, &bound);
    for _ in 0..2 {
        agent.get("/").expect_origins(200);
        let (target, host) = (other.url("/"), other.authority());
        agent.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{}: {}\r\n\r\n", NAMED.0, NAMED.1));
        agent.answer("GET").expect_refusal(403, "forbidden").because("host_not_bound");
    }
    assert_eq!((bound.requests().len(), other.connections()), (2, 0));
}

#[test]
fn a_refusal_is_in_the_audit_log() {
    let origin = Origin::https();
    let appliance = Appliance::builder().credential(Credential::key(ALIAS, "k", &["api.example.com"])).start();
    for (way, door) in [(Way::Path, "PATH"), (Way::Absolute, "FORWARD")] {
        ask(&appliance, way, "https", &origin.authority()).expect_refusal(403, "forbidden");
        let line = appliance.audit(door, |lines| lines.iter().find(|it| it.door == door).cloned());
        assert_eq!((line.get("status"), line.get("outcome")), ("403", "denied"), "{}", line.text);
        assert_eq!((line.get("credential"), line.get("reason")), (ALIAS, "host_not_bound"), "{}", line.text);
    }
    assert_eq!(origin.connections(), 0);
}
