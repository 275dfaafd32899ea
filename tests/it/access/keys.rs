//! A key is asked for, taken in every form that clients have for it, and goes no further.

use jiff::{Timestamp, ToSpan};

use crate::{
    access::server,
    support::{
        Agent, Answer, Appliance, Credential, Origin, Shown, WAYS, Way,
        agent::NAMED,
        appliance::{ALIAS, BEARER, KEY},
        wait::until,
        wire::Message,
    },
};

/// Asserts that the answer asks for a key as this way does.
#[track_caller]
fn assert_asks(way: Way, answer: Answer) {
    let (field, challenge) = match way {
        Way::Path => ("www-authenticate", "Bearer"),
        Way::Absolute | Way::Tunnel => ("proxy-authenticate", "Basic"),
    };
    let challenges = answer.values(field);
    assert!(matches!(*challenges, [one] if one.starts_with(challenge)), "{way:?}: {answer:#?}");
    assert!(answer.values("connection").is_empty(), "{way:?} stays open: {answer:#?}");
    match way {
        Way::Path => answer.expect_refusal(401, "unauthorized"),
        Way::Absolute | Way::Tunnel => answer.expect_refusal(407, "proxy_authentication_required"),
    };
}

#[test]
fn whoever_shows_no_key_is_asked_for_one_and_may_go_on_with_it() {
    let appliance = server().start();
    let key = Shown::Bearer(appliance.key("agent")).value().unwrap();
    for way in [Way::Path, Way::Absolute] {
        let origin = Origin::https();
        let mut agent = Agent::via(&appliance, way, &origin);
        for _ in 0..3 {
            assert_asks(way, agent.get("/refused"));
        }
        assert_eq!(origin.connections(), 0, "{way:?}");
        agent.ask("GET", "/let-in", &[NAMED, (way.key_field(), &key)]).expect_origins(200);
        assert_asks(way, agent.get("/refused"));
        assert_eq!(origin.only_request().values("authorization"), [BEARER], "{way:?}");
    }
    let origin = Origin::https();
    let mut agent = Agent::dial(appliance.address());
    for _ in 0..3 {
        assert_asks(Way::Tunnel, *agent.connect(&origin.authority(), &[]).unwrap_err());
    }
    agent.connect(&origin.authority(), &[(Way::Tunnel.key_field(), &key)]).unwrap();
    let mut inside = agent.start_tls(&appliance.ca_file(), "localhost").unwrap().towards(Way::Tunnel, &origin);
    inside.get("/one").expect_origins(200);
    inside.get("/two").expect_origins(200);
    assert_eq!(origin.requests().len(), 2);
}

#[test]
fn a_body_that_came_with_a_refused_request_does_not_confuse_the_next() {
    let appliance = server().start();
    let key = Shown::Bearer(appliance.key("agent")).value().unwrap();
    for way in [Way::Path, Way::Absolute] {
        let origin = Origin::https();
        let mut agent = Agent::via(&appliance, way, &origin);
        assert_asks(way, agent.post("/refused", &[], b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        agent.ask("GET", "/let-in", &[NAMED, (way.key_field(), &key)]).expect_origins(200);
        assert_eq!(origin.only_request().target(), "/let-in", "{way:?}");
    }
}

#[test]
fn a_key_is_taken_in_every_form_that_clients_have_for_it() {
    let appliance = server().start();
    let key = appliance.key("agent").to_owned();
    let forms = [
        Shown::Bearer(&key),
        Shown::User(&key),
        Shown::Password("", &key),
        Shown::Password("-", &key),
        Shown::Password("vultrino", &key),
        Shown::Password(ALIAS, &key),
    ];
    for way in WAYS {
        // Path style speaks to us as to an origin server: there is one form.
        for shown in &forms[..if way == Way::Path { 1 } else { forms.len() }] {
            let origin = Origin::https();
            let mut agent = Agent::showing(&appliance, way, &origin, *shown).unwrap();
            agent.get("/").expect_origins(200);
            let request = origin.only_request();
            request.assert_nothing_of_ours();
            assert_eq!(request.values("authorization"), [BEARER], "{way:?} {shown:?}");
        }
    }
}

#[test]
fn the_user_of_a_proxys_address_names_the_credential() {
    let (one, two) =
        (Credential::key("one", "k-one", &["localhost:*"]), Credential::key("two", "k-two", &["localhost:*"]));
    let appliance = server().credential(one).credential(two).start();
    let key = appliance.key("agent").to_owned();
    for way in [Way::Absolute, Way::Tunnel] {
        let origin = Origin::https();
        let mut agent = Agent::showing(&appliance, way, &origin, Shown::Password("two", &key)).unwrap();
        agent.ask("GET", "/", &[]).expect_origins(200);
        agent.ask("GET", "/", &[("X-Vultrino-Credential", "one")]).expect_origins(200);
        let arrived: Vec<String> = origin.requests().iter().map(|it| it.values("authorization").concat()).collect();
        assert_eq!(arrived, ["Bearer k-two", "Bearer k-one"], "{way:?}: what the request itself names wins");
    }
}

#[test]
fn what_is_no_key_lets_nobody_in() {
    let appliance = server().set("rate_limits.auth_failures", "0").start();
    let key = appliance.key("agent").to_owned();
    let changed = format!("{}{}", &key[..34], if key.ends_with('x') { 'y' } else { 'x' });
    let origin = Origin::https();
    let wrong = [&*changed, &key[..34], &format!("{key}x"), &key.to_uppercase(), "vk_", &"vk_0".repeat(8)];
    for way in WAYS {
        for text in wrong {
            let answer = match Agent::showing(&appliance, way, &origin, Shown::Bearer(text)) {
                Ok(mut agent) => agent.get("/"),
                Err(refused) => *refused,
            };
            assert_eq!(answer.status(), if way == Way::Path { 401 } else { 407 }, "{way:?} {text}: {answer:#?}");
        }
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn a_clients_own_authorization_is_no_key_and_stays_its_own() {
    let credential =
        Credential::key(ALIAS, KEY, &["localhost:*"]).with("--metadata").with(r#"{"header_name":"X-API-Key"}"#);
    let builder = Appliance::builder().server().credential(credential);
    let appliance = builder.role("agents", "execute", "").key("agent", "agents").start();
    let key = appliance.key("agent").to_owned();
    let own = ("Authorization", "Bearer my-own-token");
    for way in [Way::Absolute, Way::Tunnel] {
        let origin = Origin::https();
        Agent::keyed(&appliance, way, &origin, &key).ask("GET", "/", &[NAMED, own]).expect_origins(200);
        let request = origin.only_request();
        request.assert_nothing_of_ours();
        assert_eq!((request.values("authorization"), request.values("x-api-key")), (vec![own.1], vec![KEY]), "{way:?}");
    }
    let origin = Origin::https();
    assert_asks(Way::Path, Agent::via(&appliance, Way::Path, &origin).ask("GET", "/", &[NAMED, own]));
    assert_eq!(origin.connections(), 0);
}

#[test]
fn no_key_goes_upstream_wherever_it_stands() {
    let credential =
        Credential::key(ALIAS, KEY, &["localhost:*"]).with("--metadata").with(r#"{"header_name":"X-API-Key"}"#);
    let builder = Appliance::builder().server().credential(credential);
    let appliance = builder.role("agents", "execute", "").key("agent", "agents").start();
    let key = appliance.key("agent").to_owned();
    let (bearer, basic) = (Shown::Bearer(&key).value().unwrap(), Shown::Password(ALIAS, &key).value().unwrap());
    for way in WAYS {
        for more in [
            vec![("Authorization", &*bearer)],
            vec![("Proxy-Authorization", &*bearer)],
            vec![("Proxy-Authorization", &*basic)],
            vec![("Authorization", &*bearer), ("Proxy-Authorization", &*basic)],
            vec![("X-Vultrino-Key", &*key), ("Authorization", &*bearer)],
        ] {
            let origin = Origin::https();
            // Its own key comes as this way shows it; a field that stands twice is ambiguous and need not be served.
            let mut agent = Agent::keyed(&appliance, way, &origin, &key);
            let answer = agent.ask("GET", "/", &[&[NAMED], &*more].concat());
            assert!([200, 400].contains(&answer.status()), "{way:?} {more:?}: {answer:#?}");
            let requests: Vec<Message> = origin.requests();
            assert_eq!(requests.len(), usize::from(answer.status() == 200), "{way:?} {more:?}");
            for request in requests {
                request.assert_nothing_of_ours();
                assert_eq!(request.values("authorization"), <[&str; 0]>::default(), "{way:?} {more:?}");
            }
        }
    }
}

#[test]
fn a_key_ends_at_its_time_in_every_way() {
    let appliance = server().set("rate_limits.auth_failures", "0").set("rate_limits.proxy", "0").start();
    let origin = Origin::https();
    let end = Timestamp::from_second(Timestamp::now().as_second()).unwrap().checked_add(4.seconds()).unwrap();
    let key = appliance.add_key("short", "agents", &["--expires", &end.to_string()]);
    let mut agents: Vec<(Way, Agent)> = WAYS
        .map(|way| {
            (way, until("the key is known", || Agent::showing(&appliance, way, &origin, Shown::Bearer(&key)).ok()))
        })
        .into();
    let (mut before, mut after) = ([0; 3], [0; 3]);
    until("the key has ended in every way", || {
        for (at, (way, agent)) in agents.iter_mut().enumerate() {
            if after[at] > 0 {
                continue;
            }
            let asked = Timestamp::now();
            let status = agent.get("/").status();
            let answered = Timestamp::now();
            let over = if *way == Way::Absolute { 407 } else { 401 };
            match status {
                200 => assert!(asked < end, "{way:?}: asked at {asked}, and it ended at {end}"),
                it if it == over => assert!(answered >= end, "{way:?}: {it} at {answered}, and it ends at {end}"),
                other => panic!("{way:?}: {other}"),
            }
            *if status == 200 { &mut before[at] } else { &mut after[at] } += 1;
        }
        (after == [1; 3]).then_some(())
    });
    assert!(before.iter().all(|it| *it > 0), "it was good before: {before:?}");
}

#[test]
fn a_key_in_a_url_is_refused_and_in_no_log() {
    let appliance = server().env("RUST_LOG", "trace").start();
    let key = appliance.key("agent").to_owned();
    let origin = Origin::https();
    let path = format!("/x?api_key={key}");
    for way in WAYS {
        Agent::keyed(&appliance, way, &origin, &key).get(&path).expect_refusal(401, "unauthorized");
    }
    for way in [Way::Path, Way::Absolute] {
        Agent::via(&appliance, way, &origin).get(&path).expect_refusal(401, "unauthorized");
    }
    let answer = appliance.api_without_key().get(&format!("/v1/credentials?api_key={key}"));
    assert_eq!(answer.status(), 401, "{answer:#?}");
    appliance.audit("the five refusals", |lines| {
        (lines.iter().filter(|it| ["401", "407"].contains(&it.get("status"))).count() >= 5).then_some(())
    });
    assert!(!appliance.audit_text().contains(&key), "{}", appliance.audit_text());
    assert!(!appliance.printed().contains(&key));
    assert_eq!(origin.connections(), 0);
}
