//! Whose requests use one connection to an origin, and after which of them it is used again.

use crate::{
    sharing::{answer, of, on_one_core, send, two_callers},
    support::{Agent, Appliance, Credential, Http2Origin, Origin, WAYS, Way, visit::Seen},
};

/// How many requests came over each connection.
fn requests(origin: &Origin) -> Vec<usize> {
    let count = |it: &Seen| String::from_utf8_lossy(&it.bytes).matches(" HTTP/1.1\r\n").count();
    origin.seen().iter().map(count).collect()
}

/// Asks with a credential named.
fn get(agent: &mut Agent, alias: &str) {
    agent.ask("GET", "/", &[("X-Vultrino-Credential", alias)]).expect_origins(200);
}

#[test]
fn each_caller_and_each_credential_has_connections_of_its_own() {
    let credential = |alias| Credential::key(alias, &format!("secret-of-{alias}"), &["localhost:*"]);
    let appliance = on_one_core(
        Appliance::builder()
            .server()
            .credential(credential("one"))
            .credential(credential("two"))
            .role("all", "execute", "")
            .key("ann", "all")
            .key("bob", "all"),
    );
    let origin = Origin::https();
    for round in 1..=3 {
        for way in WAYS {
            for caller in ["ann", "bob"] {
                for alias in ["one", "two"] {
                    get(&mut of(caller, &appliance, way, &origin), alias);
                }
            }
        }
        assert_eq!(requests(&origin), [3 * round; 4]);
    }
    for (seen, expected) in origin.seen().iter().zip(["one", "two", "one", "two"]) {
        let text = String::from_utf8_lossy(&seen.bytes).into_owned();
        assert_eq!(text.matches("secret-of-").count(), text.matches(&format!("secret-of-{expected}")).count());
    }
    let http2 = Http2Origin::start();
    for caller in ["ann", "bob", "ann", "bob"] {
        for alias in ["one", "two"] {
            let key = ("Authorization", &*format!("Bearer {}", appliance.key(caller)));
            let mut agent = Agent::to(&appliance, Way::Path, "https", &http2.authority());
            agent.ask("GET", "/", &[("X-Vultrino-Credential", alias), key]).expect_origins(200);
        }
    }
    assert_eq!(http2.known().connections, 4);
}

#[test]
fn a_connection_is_not_used_again_after_a_body_and_the_origin_is_told() {
    let appliance = on_one_core(two_callers());
    for way in WAYS {
        let origin = Origin::https();
        let mut agent = of("ann", &appliance, way, &origin);
        for (count, method) in ["POST", "PUT", "PATCH", "DELETE", "GET"].into_iter().enumerate() {
            send(&mut agent, "ann", method, "/", "body");
            agent.answer(method).expect_origins(200);
            assert_eq!(requests(&origin), vec![1; count + 1], "{way:?} {method}");
        }
        for request in origin.requests() {
            assert_eq!(request.values("connection"), ["close"], "{way:?}");
        }
        let origin = Origin::https();
        let mut agent = of("ann", &appliance, way, &origin);
        for (method, body) in [("GET", ""), ("POST", ""), ("DELETE", ""), ("OPTIONS", ""), ("GET", "")] {
            send(&mut agent, "ann", method, "/", body);
            agent.answer(method).expect_origins(200);
        }
        // An empty chunked body is bytes on the wire that an origin may leave unread.
        let head = agent.head("POST", "/", &[("X-Vultrino-Credential", "ann"), ("Transfer-Encoding", "chunked")]);
        agent.send(head + "0\r\n\r\n");
        agent.answer("POST").expect_origins(200);
        get(&mut agent, "ann");
        assert_eq!(requests(&origin), [6, 1], "{way:?}");
        let closing: Vec<_> = origin.requests().iter().map(|it| it.values("connection").len()).collect();
        assert_eq!(closing, [0, 0, 0, 0, 0, 1, 0], "{way:?}");
    }
}

#[test]
fn reuse_after_a_body_is_a_setting_and_a_credential_may_say_otherwise() {
    let posts = |appliance: &Appliance, alias: &str| {
        let origin = Origin::https();
        let mut agent = Agent::via(appliance, Way::Path, &origin);
        for _ in 0..3 {
            send(&mut agent, alias, "POST", "/", "body");
            agent.answer("POST").expect_origins(200);
        }
        requests(&origin)
    };
    let credential = |alias| Credential::key(alias, "k", &["localhost:*"]);
    let saying = |alias, reuse| credential(alias).with("--metadata").with(&format!("{{\"reuse\":\"{reuse}\"}}"));
    let builder = || {
        let all = [credential("silent"), saying("trusted", "after-body"), saying("wary", "bodyless")];
        all.into_iter().fold(Appliance::builder(), crate::support::appliance::Builder::credential)
    };
    let appliance = on_one_core(builder());
    assert_eq!(posts(&appliance, "silent"), [1, 1, 1]);
    assert_eq!(posts(&appliance, "wary"), [1, 1, 1]);
    assert_eq!(posts(&appliance, "trusted"), [3]);
    let appliance = on_one_core(builder().set("upstream.reuse", "\"after-body\""));
    assert_eq!(posts(&appliance, "silent"), [3]);
    assert_eq!(posts(&appliance, "wary"), [1, 1, 1]);
    assert_eq!(posts(&appliance, "trusted"), [3]);
}

#[test]
fn a_method_that_origins_may_not_know_ends_its_connection() {
    let appliance = on_one_core(two_callers().set("upstream.reuse", "\"after-body\""));
    for way in WAYS {
        let origin = Origin::https();
        let mut agent = of("ann", &appliance, way, &origin);
        for method in ["PROPFIND", "PURGE", "QUERY"] {
            agent.ask(method, "/", &[("X-Vultrino-Credential", "ann")]).expect_origins(200);
        }
        assert_eq!(requests(&origin), [1, 1, 1], "{way:?}");
    }
}

/// An origin that authenticates connections, as NTLM does: who has shown a name once is that one for all that follows.
fn authenticates_connections() -> Origin {
    Origin::https_with(|visit| {
        let mut who = "nobody".to_owned();
        while let Some(request) = visit.request()? {
            match request.values("authorization").first().and_then(|it| it.split_once(' ')) {
                Some(("NTLM" | "negotiate", name)) => who = name.to_owned(),
                _ if request.target() == "/challenge" => {
                    let challenge = "WWW-Authenticate: Basic realm=\"x\"\r\nWWW-Authenticate: Negotiate\r\n";
                    visit.write(format!("HTTP/1.1 401 Unauthorized\r\n{challenge}Content-Length: 0\r\n\r\n"))?;
                    continue;
                }
                _ => {}
            }
            answer(visit, &who)?;
        }
        Ok(())
    })
}

#[test]
fn nobody_inherits_the_identity_of_a_connection() {
    for way in [Way::Absolute, Way::Tunnel] {
        for scheme in ["NTLM", "negotiate"] {
            let origin = authenticates_connections();
            let appliance = forwarding_to(&origin);
            let mut agent = Agent::via(&appliance, way, &origin);
            let authorization = format!("{scheme} ann");
            let own = agent.ask("GET", "/", &[("Authorization", &authorization)]).expect_origins(200);
            assert_eq!(own.text(), "ann", "{way:?} {scheme}");
            assert_eq!(agent.ask("GET", "/", &[]).expect_origins(200).text(), "nobody", "{way:?} {scheme}");
            assert_eq!(requests(&origin), [1, 1]);
        }
        let origin = authenticates_connections();
        let appliance = forwarding_to(&origin);
        let mut agent = Agent::via(&appliance, way, &origin);
        agent.ask("GET", "/challenge", &[]).expect_origins(401);
        agent.ask("GET", "/", &[]).expect_origins(200);
        assert_eq!(requests(&origin), [1, 1], "{way:?}: a challenge begins what is tied to the connection");
    }
}

/// Sends requests on as they come: what they authenticate with is their own.
fn forwarding_to(origin: &Origin) -> Appliance {
    on_one_core(Appliance::builder().without_credentials().set("proxy.unmatched", "\"forward\"").reaching(origin))
}
