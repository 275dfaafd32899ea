//! A thousand pairs of policies and requests, each in every way.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use serde_json::json;

use crate::{
    one_verdict::{
        Door, of_answer, of_api, of_examination, of_request, of_test,
        policies::{CREDENTIALS, Dice, Hosts, Request, mark, policies, request},
    },
    support::{Agent, Appliance, Credential, Http2Client, Origin, WAYS, Way, audit_line::AuditLine},
};

const PAIRS: usize = 1000;
const POLICIES: usize = 24;
/// More threads than processors: half of the work is done by processes that are waited for.
const THREADS: usize = 4;
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// An appliance of many credentials and policies, and where they lead.
struct World {
    appliance: Appliance,
    origins: [Origin; 2],
    hosts: Hosts,
    requests: Vec<Request>,
}

fn world() -> World {
    let origins = [Origin::https(), Origin::https()];
    let ports = [origins[0].port(), origins[1].port()];
    let authorities =
        ports.iter().flat_map(|port| [format!("localhost:{port}"), format!("127.0.0.1:{port}")]).collect();
    let hosts = Hosts { authorities, ports };
    let mut dice = Dice::new(SEED);
    let text = policies(&mut dice, &hosts, POLICIES);
    let requests = (0..PAIRS).map(|at| request(&mut dice, &hosts, at)).collect();
    // Those that end in 9 are bound to other hosts than most requests are for.
    let credential = |at: usize| {
        let hosts: &[&str] = if at % 10 == 9 { &["127.0.0.1:*"] } else { &["localhost:*", "127.0.0.1:*"] };
        Credential::key(&format!("c{at:02}"), &format!("key-{at:02}"), hosts)
    };
    let builder = (0..CREDENTIALS).fold(Appliance::builder(), |it, at| it.credential(credential(at)));
    let builder =
        origins.iter().fold(builder, |it, _| it.set("proxy.connect_ports", &format!("[{}, {}]", ports[0], ports[1])));
    let appliance = builder.sections(&text).set("rate_limits.management", "0").start();
    World { appliance, origins, hosts, requests }
}

/// One thread's connections to the proxy.
struct Clients<'a> {
    world: &'a World,
    agents: BTreeMap<(Way, usize), Agent>,
    streams: BTreeMap<usize, Http2Client>,
    api: crate::support::api::Api,
}

impl Clients<'_> {
    /// The verdict on one request, in every way.
    fn ask(&mut self, at: usize) -> BTreeMap<Door, String> {
        let World { appliance, hosts, requests, .. } = self.world;
        let Request { credential, method, host, path } = &requests[at];
        let mut verdicts = BTreeMap::new();
        for (way, door) in WAYS.into_iter().zip([Door::Path, Door::Absolute, Door::Tunnel]) {
            let authority = &hosts.authorities[*host];
            let agent =
                self.agents.entry((way, *host)).or_insert_with(|| Agent::to(appliance, way, "https", authority));
            let answer = agent.ask(method, path, &[("X-Vultrino-Credential", credential)]);
            verdicts.insert(door, if method == "HEAD" { of_head(&answer) } else { of_answer(&answer) });
        }
        let authority = &hosts.authorities[*host];
        let streams = self.streams.entry(*host).or_insert_with(|| Http2Client::to(appliance, authority));
        let answer = streams.ask(method, path, &[("x-vultrino-credential", credential)]);
        verdicts.insert(Door::Http2, if method == "HEAD" { of_head(&answer) } else { of_answer(&answer) });
        let url = format!("https://{authority}{path}");
        verdicts.insert(Door::Execute, of_api(&self.api.execute(credential, method, &url)));
        let out = appliance.cli(&["request", "--json", "-X", method, credential, &url]);
        verdicts.insert(Door::Request, of_request(&out));
        let mut test = appliance.command(&["policy", "test", "--json", "-c", credential, "-X", method, "-u", &url]);
        verdicts.insert(Door::Tested, of_test(&mut test));
        let question = json!({ "credential": credential, "method": method, "url": url });
        let tested = self.api.post("/v1/policies/test", &question).json();
        verdicts.insert(Door::ApiTested, of_examination(&tested));
        verdicts
    }
}

/// An answer to HEAD says no more than its head.
fn of_head(answer: &crate::support::Answer) -> String {
    if answer.values("proxy-status").is_empty() { "allow".to_owned() } else { format!("{}", answer.status()) }
}

/// As much of a verdict as an answer to HEAD tells.
fn as_head(verdict: &str) -> &str {
    if verdict == "allow" { verdict } else { "403" }
}

#[test]
fn a_thousand_requests_get_one_verdict_each_in_every_way() {
    let world = world();
    let next = AtomicUsize::new(0);
    let mut all: BTreeMap<usize, BTreeMap<Door, String>> = BTreeMap::new();
    thread::scope(|scope| {
        let asking: Vec<_> = (0..THREADS)
            .map(|_| {
                let (world, next) = (&world, &next);
                scope.spawn(move || {
                    let api = world.appliance.api_without_key();
                    let mut clients = Clients { world, agents: BTreeMap::new(), streams: BTreeMap::new(), api };
                    let ours =
                        std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::SeqCst)).filter(|at| *at < PAIRS));
                    ours.map(|at| (at, clients.ask(at))).collect::<Vec<_>>()
                })
            })
            .collect();
        all.extend(asking.into_iter().flat_map(|it| it.join().unwrap()));
    });
    assert_eq!(all.len(), PAIRS);
    let verdicts: Vec<String> = all.iter().map(|(at, verdicts)| agreed(&world.requests[*at], verdicts)).collect();
    let count = |begin: &str| verdicts.iter().filter(|it| it.starts_with(begin)).count();
    let counts = [count("allow"), count("policy_denied"), count("forbidden host_not_bound")];
    println!("allowed, denied by policy, not bound: {counts:?}");
    assert!(
        counts[0] > 150 && counts[1] > 150 && counts[2] > 10 && counts.iter().sum::<usize>() == PAIRS,
        "{counts:?}"
    );
    assert_arrived(&world, &verdicts);
    assert_recorded(&world, &verdicts);
}

/// The one verdict.
#[track_caller]
fn agreed(request: &Request, verdicts: &BTreeMap<Door, String>) -> String {
    let first = &verdicts[&Door::Tested];
    for (door, verdict) in verdicts {
        let is_head =
            request.method == "HEAD" && matches!(door, Door::Path | Door::Absolute | Door::Tunnel | Door::Http2);
        let expected = if is_head { as_head(first) } else { first };
        assert_eq!(verdict, expected, "{door:?} of {request:?}: {verdicts:#?}");
    }
    first.clone()
}

/// What arrived is what was judged, as often as it was allowed, with the right key.
#[track_caller]
fn assert_arrived(world: &World, verdicts: &[String]) {
    let arrived: Vec<_> = world.origins.iter().flat_map(Origin::requests).collect();
    let mut by_mark: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for request in &arrived {
        request.assert_nothing_of_ours();
        let at = request.target().rfind('n').unwrap();
        by_mark.entry(&request.target()[at..]).or_default().push(request);
    }
    for (at, verdict) in verdicts.iter().enumerate() {
        let Request { credential, method, host, path } = &world.requests[at];
        let seen = by_mark.remove(&*format!("{}1", mark(at))).unwrap_or_default();
        assert_eq!(seen.len(), if verdict == "allow" { 6 } else { 0 }, "{verdict}: {:?} {seen:#?}", world.requests[at]);
        let key = format!("Bearer key-{}", &credential[1..]);
        for request in seen {
            assert_eq!((request.method(), request.target()), (&**method, &**path));
            assert_eq!(request.values("host"), [&*world.hosts.authorities[*host]]);
            assert_eq!(request.values("authorization"), [&*key]);
        }
    }
    assert!(by_mark.is_empty(), "{by_mark:#?}");
}

/// The records of one request in its ways differ in nothing but the way.
#[track_caller]
fn assert_recorded(world: &World, verdicts: &[String]) {
    let lines: Vec<AuditLine> = world.appliance.audit("six lines each", |lines| {
        let made: Vec<_> = lines.iter().filter(|it| it.action == "http_request").cloned().collect();
        (made.len() >= 6 * PAIRS).then_some(made)
    });
    let mut by_mark: BTreeMap<String, Vec<&AuditLine>> = BTreeMap::new();
    for line in &lines {
        let url = line.get("url");
        by_mark.entry(url[url.rfind('n').unwrap()..].to_owned()).or_default().push(line);
    }
    for (at, verdict) in verdicts.iter().enumerate() {
        let told = &by_mark[&mark(at)];
        let said = |name: &'static str| told.iter().map(|it| it.get(name)).collect::<Vec<_>>();
        assert_eq!(told.len(), 6, "{told:#?}");
        for name in ["credential", "method", "url", "status", "outcome", "policy", "reason"] {
            let values = said(name);
            assert!(values.iter().all(|it| *it == values[0]), "{name} of {:?}: {values:?}", world.requests[at]);
        }
        let outcome = if verdict == "allow" { "ok" } else { "denied" };
        assert_eq!(told[0].get("outcome"), outcome, "{}", told[0].text);
        if let Some(policy) = verdict.strip_prefix("policy_denied ") {
            assert_eq!((told[0].get("policy"), told[0].get("reason")), (policy, "policy_denied"), "{}", told[0].text);
        }
    }
}
