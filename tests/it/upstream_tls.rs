//! Upstream TLS is always verified: an origin that cannot show who it is gets not one byte of a request.

use std::net::TcpListener;

use rustls::{DEFAULT_VERSIONS, version};

use crate::support::{
    Agent, Appliance, Credential, Origin, WAYS, Way,
    appliance::ALIAS,
    certificates::{Flaw, server},
    origin::answer_each,
};

#[test]
fn a_certificate_that_proves_nothing_is_refused() {
    let appliance = Appliance::start();
    for flaw in [
        Flaw::Expired,
        Flaw::NotYetValid,
        Flaw::WrongName,
        Flaw::CommonNameOnly,
        Flaw::SelfSigned,
        Flaw::UnknownCa,
        Flaw::WrongUsage,
    ] {
        let origin = Origin::tls(server(flaw, DEFAULT_VERSIONS), answer_each);
        for way in WAYS {
            Agent::via(&appliance, way, &origin).get("/").expect_refusal(502, "upstream_error");
        }
        assert!(origin.connections() >= 3, "{flaw:?}: nobody came");
        assert_eq!(origin.received(), 0, "{flaw:?}");
        let line = appliance.audit_of(&origin.authority());
        assert_eq!((line.get("status"), line.get("outcome")), ("502", "upstream_error"), "{}", line.text);
    }
}

#[test]
fn both_versions_of_tls_are_spoken() {
    let appliance = Appliance::start();
    for versions in [&[&version::TLS12][..], &[&version::TLS13]] {
        let origin = Origin::tls(server(Flaw::None, versions), answer_each);
        Agent::via(&appliance, Way::Path, &origin).get("/").expect_origins(200);
        assert_eq!(origin.seen()[0].server_name.as_deref(), Some("localhost"));
    }
}

#[test]
fn without_the_ca_file_only_the_system_is_trusted() {
    let appliance = Appliance::builder().without("upstream.ca_file").start();
    let origin = Origin::https();
    for way in WAYS {
        Agent::via(&appliance, way, &origin).get("/").expect_refusal(502, "upstream_error");
    }
    assert_eq!(origin.received(), 0);
}

#[test]
fn an_origin_that_speaks_no_tls_gets_nothing() {
    let appliance = Appliance::start();
    let origin = Origin::not_tls(|visit| {
        visit.take(5)?;
        visit.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    });
    for way in WAYS {
        Agent::via(&appliance, way, &origin).get("/").expect_refusal(502, "upstream_error");
    }
    assert!(origin.seen().iter().all(|it| !String::from_utf8_lossy(&it.bytes).contains("GET ")), "in clear");
}

#[test]
fn an_origin_that_never_finishes_its_handshake_is_given_up() {
    let appliance = Appliance::builder().set("upstream.connect_timeout", "1").start();
    let origin = Origin::not_tls(|visit| {
        visit.drain();
        Ok(())
    });
    for way in WAYS {
        Agent::via(&appliance, way, &origin).get("/").expect_refusal(502, "upstream_error");
    }
}

#[test]
fn an_origin_that_is_not_there_is_a_bad_gateway_without_details() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let key = Credential::key(ALIAS, "k", &["localhost:*", "nowhere.invalid:*"]);
    let appliance = Appliance::builder().credential(key).start();
    for way in WAYS {
        let mut texts = Vec::new();
        for authority in [format!("localhost:{port}"), format!("nowhere.invalid:{port}")] {
            let refusal = Agent::to(&appliance, way, "https", &authority)
                .get("/private-path?token=private-value")
                .expect_refusal(502, "upstream_error");
            for detail in ["private", "127.0.0.1", "localhost", "nowhere", &port.to_string(), "os error", "efused"] {
                assert!(!refusal.text.contains(detail), "{way:?} tells {detail}: {}", refusal.text);
            }
            texts.push(refusal.text);
        }
        assert_eq!(texts[0], texts[1], "{way:?}: one text for all that is wrong with an upstream");
    }
}

#[test]
fn a_proxy_in_the_environment_is_not_used() {
    let trap = Origin::http();
    let url = trap.url("");
    let appliance = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"]
        .iter()
        .fold(Appliance::builder(), |it, name| it.env(name, &url))
        .start();
    let origin = Origin::https();
    for way in WAYS {
        Agent::via(&appliance, way, &origin).get("/").expect_origins(200);
    }
    assert_eq!(trap.connections(), 0);
}

#[test]
fn the_owner_reads_the_cause_and_callers_do_not() {
    let appliance = Appliance::start();
    let untrusted = Origin::tls(server(Flaw::UnknownCa, DEFAULT_VERSIONS), answer_each);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (url, cause) in [
        (untrusted.url("/"), "invalid peer certificate: UnknownIssuer"),
        (format!("https://localhost:{closed}/"), "Connection refused"),
    ] {
        let out = appliance.cli(&["request", ALIAS, &url]);
        assert_eq!(out.status.code(), Some(1), "{out:#?}");
        assert!(out.stderr.contains("Failed to connect to target server") && out.stderr.contains(cause), "{out:#?}");
        let json = appliance.cli(&["request", ALIAS, &url, "--json"]).stdout;
        assert!(json.contains("upstream_error") && json.contains(cause), "{json}");
    }
    let refused = Agent::via(&appliance, Way::Path, &untrusted).get("/").expect_refusal(502, "upstream_error");
    assert!(!refused.text.contains("certificate"), "{refused:?}");
}
