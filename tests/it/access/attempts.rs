//! Guessing keys: ten a minute, counted by where they come from, at the cost of nobody else.

use std::net::Ipv4Addr;

use crate::{
    access::server,
    support::{
        Agent, Answer, Appliance, Credential, Origin, Shown, WAYS, Way,
        agent::NAMED,
        appliance::ALIAS,
        names::{Names, Record, Reply, may_mount},
        skip,
    },
};

/// A text of a key's form that is none, another one for each number.
fn guess(at: usize) -> String {
    format!("vk_{at:032}")
}

/// Shows a key that is none, with whatever a client says of where it comes from.
#[track_caller]
fn try_in(appliance: &Appliance, way: Way, origin: &Origin, at: usize) -> Answer {
    let (key, from) = (guess(at), format!("203.0.113.{at}"));
    let value = Shown::Bearer(&key).value().unwrap();
    let fields =
        [("X-Forwarded-For", &*from), ("X-Real-IP", &*from), ("Forwarded", &*from), (way.key_field(), &*value)];
    if way == Way::Tunnel {
        return *Agent::dial(appliance.address()).connect(&origin.authority(), &fields).unwrap_err();
    }
    Agent::via(appliance, way, origin).ask("GET", "/", &[&[NAMED], &fields[..]].concat())
}

#[test]
fn the_eleventh_guess_in_a_minute_waits_whatever_it_says_of_its_address() {
    for way in WAYS {
        let appliance = server().start();
        let origin = Origin::https();
        for at in 0..10 {
            let status = try_in(&appliance, way, &origin, at).status();
            assert_eq!(status, if way == Way::Path { 401 } else { 407 }, "{way:?} {at}");
        }
        for at in 10..13 {
            let answer = try_in(&appliance, way, &origin, at);
            let wait: u64 = answer.values("retry-after").concat().parse().unwrap();
            assert!((1..=60).contains(&wait), "{way:?}: {wait}");
            answer.expect_refusal(429, "rate_limited");
        }
        // Who has a key is let in from the same address, and who shows none is still asked for one.
        let key = appliance.key("agent").to_owned();
        for other in WAYS {
            Agent::keyed(&appliance, other, &origin, &key).get("/").expect_origins(200);
        }
        let asked = Agent::via(&appliance, Way::Path, &origin).get("/");
        asked.expect_refusal(401, "unauthorized");
        assert_eq!(origin.requests().len(), 3);
    }
}

#[test]
fn guesses_count_together_through_whatever_door_they_come() {
    let appliance = server().start();
    let origin = Origin::https();
    for at in 0..9 {
        try_in(&appliance, WAYS[at % 3], &origin, at);
    }
    assert_eq!(appliance.api(&guess(9)).get("/v1/credentials").status(), 401);
    let answer = appliance.api(&guess(10)).get("/v1/credentials");
    assert_eq!(answer.status(), 429, "{answer:#?}");
    assert!(!answer.values("retry-after").is_empty(), "{answer:#?}");
    for way in WAYS {
        try_in(&appliance, way, &origin, 11).expect_refusal(429, "rate_limited");
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn the_same_wrong_key_counts_each_time() {
    let appliance = server().start();
    let origin = Origin::https();
    let mut agent = Agent::via(&appliance, Way::Path, &origin);
    let value = format!("Bearer {}", guess(1));
    let mut ask = || agent.ask("GET", "/", &[NAMED, ("Authorization", &*value)]).status();
    let statuses: Vec<u16> = (0..12).map(|_| ask()).collect();
    assert_eq!(statuses, [[401; 10].as_slice(), &[429, 429]].concat());
}

#[test]
fn guesses_are_not_counted_where_the_configuration_says_so() {
    let appliance = server().set("rate_limits.auth_failures", "0").start();
    let origin = Origin::https();
    for at in 0..30 {
        assert_eq!(try_in(&appliance, Way::Path, &origin, at).status(), 401, "{at}");
    }
}

#[test]
fn nobody_without_a_key_has_a_name_looked_up_a_host_dialled_or_a_certificate_made() {
    const TEST: &str = "nobody_without_a_key_has_a_name_looked_up_a_host_dialled_or_a_certificate_made";
    if !may_mount() {
        return skip::note(TEST, "may not mount");
    }
    let loopback =
        |_: &str, v6, _| Reply::Records(if v6 { vec![] } else { vec![Record::Address(Ipv4Addr::LOCALHOST.into())] });
    let Some(names) = Names::start(loopback) else { return skip::note(TEST, "may not answer on port 53") };
    let wrapper = names.wrapper();
    let origin = Origin::https();
    let authority = format!("api.example.com:{}", origin.port());
    let appliance = Appliance::builder()
        .server()
        .credential(Credential::key(ALIAS, "k", &["api.example.com:*"]))
        .role("agents", "execute", "")
        .key("agent", "agents")
        .set("rate_limits.auth_failures", "0")
        .reaching(&origin)
        .through(&wrapper.iter().map(String::as_str).collect::<Vec<_>>())
        .start();
    let wrong = guess(0);
    for shown in [Shown::Nothing, Shown::Bearer(&wrong), Shown::Password(ALIAS, &wrong)] {
        let value = shown.value();
        for way in WAYS {
            let fields: Vec<(&str, &str)> = value.iter().map(|it| (way.key_field(), &**it)).collect();
            if way != Way::Tunnel {
                let mut agent = Agent::to(&appliance, way, "https", &authority);
                let status = agent.ask("GET", "/", &[&[NAMED], &*fields].concat()).status();
                assert_eq!(status, if way == Way::Path { 401 } else { 407 }, "{shown:?}");
                continue;
            }
            let mut agent = Agent::dial(appliance.address());
            let refused = *agent.connect(&authority, &fields).unwrap_err();
            refused.expect_refusal(407, "proxy_authentication_required");
            // Whoever goes on as if the tunnel were there is shown no certificate.
            agent.start_tls(&appliance.ca_file(), "api.example.com").map(drop).unwrap_err();
        }
    }
    assert_eq!((names.asked(), origin.connections()), (Vec::new(), 0));
    // The origin's certificate is for another name: what counts is that a key leads further.
    let key = Shown::Bearer(appliance.key("agent")).value().unwrap();
    let mut agent = Agent::to(&appliance, Way::Path, "https", &authority);
    agent.ask("GET", "/", &[NAMED, ("Authorization", &key)]).expect_refusal(502, "upstream_error");
    assert!(names.asked().contains(&"A api.example.com".to_owned()), "{:?}", names.asked());
    assert!(origin.connections() > 0);
}
