//! What an agent puts into a body that its origin leaves unread: nothing of it may become part of another request.

use crate::{
    sharing::{SECRETS, answer, of, on_one_core, reads_no_body, send, two_callers},
    support::{
        Agent, Appliance, Credential, Origin, WAYS,
        agent::NAMED,
        appliance::ALIAS,
        certificates,
        frames::{Frames, reset},
        visit::Line,
    },
};

/// The beginning of a request that is not finished: whatever comes next on the connection would be its body.
const HUNGRY: &str = "POST /notes HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n";

#[test]
fn no_request_ends_up_in_the_body_that_another_caller_began() {
    let appliance = on_one_core(two_callers());
    for way in WAYS {
        for victim in ["ann", "bob"] {
            let origin = reads_no_body();
            let mut agent = of("ann", &appliance, way, &origin);
            for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"] {
                send(&mut agent, "ann", method, "/attack", HUNGRY);
                agent.answer(method).expect_origins(200);
                let mut other = of(victim, &appliance, way, &origin);
                let answered = other.ask("GET", "/victim", &[("X-Vultrino-Credential", victim)]);
                assert_eq!(answered.expect_origins(200).text(), "GET /victim HTTP/1.1", "{way:?} {victim} {method}");
            }
            for seen in origin.seen() {
                let text = String::from_utf8_lossy(&seen.bytes).into_owned();
                let after = text.split_once(HUNGRY).map_or("", |(_, after)| after);
                assert_eq!(after, "", "{way:?} {victim}: something followed a body that nobody read");
            }
        }
    }
}

#[test]
fn a_denied_method_does_not_ride_in_an_unread_body() {
    let policy = "[[policies]]\nname = \"reads\"\ncredential_pattern = \"*\"\ndefault_action = \"deny\"\n\
                  rules = [{ condition = { method_match = [\"GET\"] }, action = \"allow\" }]\n";
    let appliance = on_one_core(two_callers().sections(policy));
    for way in WAYS {
        let origin = reads_no_body();
        let mut agent = of("ann", &appliance, way, &origin);
        // What is sent next would be the value of its last field, and its credential that of the DELETE.
        for smuggled in
            ["DELETE /all HTTP/1.1\r\nHost: localhost\r\nX-Pad: ", "DELETE /all HTTP/1.1\r\nHost: h\r\n\r\n"]
        {
            send(&mut agent, "ann", "GET", "/allowed", smuggled);
            agent.answer("GET").expect_origins(200);
            let answered = agent.ask("GET", "/next", &[("X-Vultrino-Credential", "ann")]).expect_origins(200);
            assert_eq!(answered.text(), "GET /next HTTP/1.1", "{way:?}");
            agent.ask("DELETE", "/all", &[("X-Vultrino-Credential", "ann")]).expect_refusal(403, "policy_denied");
        }
        for seen in origin.seen() {
            let text = String::from_utf8_lossy(&seen.bytes).into_owned();
            let (before, after) = text.split_once("DELETE").unwrap_or((&text, ""));
            assert!(!after.contains(SECRETS[0].1) && !after.contains("/next"), "{way:?}: {text}");
            assert!(before.ends_with("\r\n\r\n"), "{way:?}: {text}");
        }
    }
}

#[test]
fn an_answer_to_what_an_unread_body_asks_reaches_nobody() {
    let appliance = on_one_core(two_callers());
    for way in WAYS {
        // This one answers all that it reads, whatever it was told about the connection.
        let origin = Origin::https_with(|visit| {
            while let Some(head) = visit.head()? {
                answer(visit, &head.start)?;
            }
            Ok(())
        });
        let mut agent = of("ann", &appliance, way, &origin);
        send(&mut agent, "ann", "GET", "/attack", "GET /poison HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(agent.answer("GET").expect_origins(200).text(), "GET /attack HTTP/1.1", "{way:?}");
        for victim in ["bob", "ann", "bob"] {
            let mut other = of(victim, &appliance, way, &origin);
            let answered = other.ask("GET", "/victim", &[("X-Vultrino-Credential", victim)]);
            assert_eq!(answered.expect_origins(200).text(), "GET /victim HTTP/1.1", "{way:?} {victim}");
        }
    }
}

#[test]
fn an_http2_origin_that_gets_a_request_over_http1_gets_no_other_after_it() {
    let appliance = on_one_core(Appliance::builder().credential(Credential::key(ALIAS, "k", &["localhost:*"])));
    for way in WAYS {
        let origin = Origin::tls(certificates::speaking(&["h2", "http/1.1"]), |visit| {
            if matches!(&visit.line, Line::Tls(it) if it.conn.alpn_protocol() == Some(b"h2")) {
                let mut frames = Frames::begin(visit)?;
                frames.greet()?;
                while let Some(stream) = frames.request()? {
                    frames.write(&reset(stream, h2::Reason::HTTP_1_1_REQUIRED))?;
                }
                return Ok(());
            }
            while let Some(head) = visit.request()? {
                answer(visit, &head.start)?;
            }
            Ok(())
        });
        for count in 1..=3 {
            let mut agent = Agent::via(&appliance, way, &origin);
            assert_eq!(agent.get("/a").expect_origins(200).text(), "GET /a HTTP/1.1");
            let over_http1 = |seen: &[crate::support::visit::Seen]| {
                let used = seen.iter().filter(|it| it.bytes.starts_with(b"GET /a ")).count();
                (used == count).then_some(())
            };
            origin.until("each has a connection of its own", over_http1);
        }
    }
}

#[test]
fn an_unread_body_gains_nothing_for_its_own_sender() {
    let appliance = on_one_core(Appliance::builder());
    for way in WAYS {
        let origin = reads_no_body();
        let mut agent = Agent::via(&appliance, way, &origin);
        for _ in 0..3 {
            let head = agent.head("GET", "/own", &[NAMED, ("Content-Length", &HUNGRY.len().to_string())]);
            agent.send(head + HUNGRY);
            agent.answer("GET").expect_origins(200);
            agent.get("/again").expect_origins(200);
        }
        for seen in origin.seen() {
            assert!(!String::from_utf8_lossy(&seen.bytes).contains(&format!("{HUNGRY}GET")), "{way:?}");
        }
    }
}
