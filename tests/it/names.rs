//! A name is resolved once a dial, every address behind it is judged, and the one that was judged is the one dialled.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use crate::support::{
    Agent, Answer, Appliance, Origin, Way,
    appliance::Builder,
    names::{Names, Record, Reply, may_mount},
    parent::Parent,
    skip,
};

fn address(text: &str) -> Record {
    Record::Address(text.parse::<IpAddr>().unwrap())
}

fn records(addresses: &[&str]) -> Reply {
    Reply::Records(addresses.iter().map(|it| address(it)).collect())
}

/// An appliance that knows only these names; `None` where that cannot be arranged.
fn knowing(
    test: &str,
    reply: impl Fn(&str, bool, usize) -> Reply + Send + 'static,
    change: impl Fn(Builder) -> Builder,
) -> Option<(Appliance, Names)> {
    let names = may_mount().then(|| Names::start(reply)).flatten();
    let Some(names) = names else {
        skip::note(test, "may neither mount a file nor have port 53");
        return None;
    };
    let wrapper = names.wrapper();
    let wrapper: Vec<&str> = wrapper.iter().map(String::as_str).collect();
    let appliance = change(Appliance::builder().without_credentials()).through(&wrapper).start();
    Some((appliance, names))
}

#[track_caller]
fn get(appliance: &Appliance, host: &str, port: u16) -> Answer {
    Agent::to(appliance, Way::Absolute, "http", &format!("{host}:{port}")).ask("GET", "/", &[])
}

#[test]
fn every_address_behind_a_name_must_be_allowed() {
    let reply = |name: &str, six: bool, _| match (name, six) {
        ("inside.test", false) => records(&["127.0.0.1"]),
        ("mixed.test", false) => records(&["93.184.215.14", "127.0.0.1"]),
        ("mixed-too.test", false) => records(&["10.0.0.1", "93.184.215.14"]),
        ("alias.test", _) => Reply::Records(vec![Record::Alias("inside.test")]),
        ("chain.test", _) => Reply::Records(vec![Record::Alias("link.test")]),
        ("link.test", _) => Reply::Records(vec![Record::Alias("alias.test")]),
        ("chain-six.test", true) => Reply::Records(vec![Record::Alias("outside-inside.test")]),
        ("outside-inside.test" | "chain-six.test", false) => records(&["93.184.215.14"]),
        ("outside-inside.test", true) => records(&["::1"]),
        ("mapped.test", true) => records(&["::ffff:127.0.0.1"]),
        ("metadata.test", false) => records(&["169.254.169.254"]),
        _ => records(&[]),
    };
    let closed = |it: Builder| it.without("upstream.allow_private");
    let Some((appliance, _names)) = knowing("every_address_behind_a_name_must_be_allowed", reply, closed) else {
        return;
    };
    let origin = Origin::http();
    let mut texts = Vec::new();
    for host in [
        "inside.test",
        "mixed.test",
        "mixed-too.test",
        "alias.test",
        "chain.test",
        "chain-six.test",
        "outside-inside.test",
        "mapped.test",
        "metadata.test",
    ] {
        let refusal = get(&appliance, host, origin.port()).refusal();
        assert_eq!((refusal.status, &*refusal.code), (403, "forbidden"), "{host} {refusal:?}");
        texts.push(refusal.text);
    }
    texts.dedup();
    assert_eq!((texts.len(), origin.connections()), (1, 0));
}

#[test]
fn the_address_that_was_judged_is_the_one_that_is_dialled() {
    // What a rebinding attacker's server says: first an address that is allowed, then one that is not.
    let reply = |name: &str, six: bool, before: usize| match (name, six, before) {
        ("rebound.test", false, 0) => records(&["127.0.0.1"]),
        ("rebound.test", false, _) => records(&["127.0.0.2"]),
        _ => records(&[]),
    };
    let one = |it: Builder| it.set("upstream.allow_private", "[\"127.0.0.1/32\"]");
    let Some((appliance, names)) = knowing("the_address_that_was_judged_is_the_one_that_is_dialled", reply, one) else {
        return;
    };
    // Without keep-alive, so that each request is a dial.
    let origin = Origin::http_with(|visit| {
        visit.request()?;
        visit.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
    });
    get(&appliance, "rebound.test", origin.port()).expect_origins(200);
    let lookups = names.asked().iter().filter(|it| *it == "A rebound.test").count();
    assert_eq!(lookups, 1, "{:?}", names.asked());
    get(&appliance, "rebound.test", origin.port()).expect_refusal(403, "forbidden");
    assert_eq!(origin.connections(), 1);
}

#[test]
fn a_name_that_cannot_be_resolved_is_a_bad_gateway() {
    let reply = |name: &str, _, _| match name {
        "nowhere.test" => Reply::Error(3),
        "failing.test" => Reply::Error(2),
        "refusing.test" => Reply::Error(5),
        "silent.test" => Reply::Silence,
        "circle.test" => Reply::Records(vec![Record::Alias("round.test")]),
        "round.test" => Reply::Records(vec![Record::Alias("circle.test")]),
        _ => records(&[]),
    };
    let Some((appliance, _names)) = knowing("a_name_that_cannot_be_resolved_is_a_bad_gateway", reply, |it| it) else {
        return;
    };
    let mut texts = Vec::new();
    for host in ["nowhere.test", "failing.test", "refusing.test", "empty.test", "circle.test", "silent.test"] {
        let begun = Instant::now();
        texts.push(get(&appliance, host, 80).expect_refusal(502, "upstream_error").text);
        assert!(begun.elapsed() < Duration::from_secs(6), "{host} took {:?}", begun.elapsed());
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");
}

#[test]
fn a_name_is_asked_for_as_it_stands() {
    let reply = |name: &str, six: bool, _| match (name, six) {
        ("full.test", false) => records(&["127.0.0.1"]),
        _ => Reply::Error(3),
    };
    let Some((appliance, names)) = knowing("a_name_is_asked_for_as_it_stands", reply, |it| it) else { return };
    let origin = Origin::http();
    get(&appliance, "full.test", origin.port()).expect_origins(200);
    get(&appliance, "FULL.test.", origin.port()).expect_origins(200);
    assert!(names.asked().iter().all(|it| it.ends_with(" full.test")), "{:?}", names.asked());
}

#[test]
fn a_parent_proxy_is_the_one_that_is_asked_for_names() {
    let reply = |_: &str, six: bool, _| if six { records(&[]) } else { records(&["127.0.0.1"]) };
    let parent = Parent::open();
    let behind = |it: Builder| it.without("upstream.allow_private").set("upstream.proxy", &parent.setting(""));
    let Some((appliance, names)) = knowing("a_parent_proxy_is_the_one_that_is_asked_for_names", reply, behind) else {
        return;
    };
    let origin = Origin::http();
    get(&appliance, "inside.test", origin.port()).expect_origins(200);
    assert_eq!((names.asked(), parent.connections()), (vec![], 1));
}
