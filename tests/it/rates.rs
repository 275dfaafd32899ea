//! How often: exact under concurrency, never more in any window, each limit by itself, and at no cost for what is denied.

use std::{
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use vultrino::base::clock::Clock;

use crate::support::{
    Agent, Answer, Appliance, Credential, Origin, WAYS, Way,
    appliance::{ALIAS, Builder},
    wait::until,
};

/// A policy for the aliases that `pattern` matches: local hosts, and these rates.
fn policy(name: &str, pattern: &str, rates: &[&str]) -> String {
    let rule =
        |it: &&str| format!("[[policies.rules]]\ncondition = {{ rate_limit = {{ {it} }} }}\naction = \"allow\"\n");
    format!(
        "[[policies]]\nname = \"{name}\"\ncredential_pattern = \"{pattern}\"\ndefault_action = \"deny\"\n\
         [[policies.rules]]\ncondition = {{ url_match = \"https://localhost:*/*\" }}\naction = \"allow\"\n{}",
        rates.iter().map(rule).collect::<String>()
    )
}

fn local(policies: &str) -> Builder {
    Appliance::builder().credential(Credential::key(ALIAS, "k", &["localhost:*"])).sections(policies)
}

/// Asserts that this is the refusal of a rate, with a wait that this window explains.
#[track_caller]
fn assert_waits(answer: Answer, window: u64) -> String {
    let wait: u64 = answer.values("retry-after").concat().parse().unwrap();
    assert!((1..=window).contains(&wait), "wait {wait} s for a window of {window} s");
    assert_eq!(answer.values("x-ratelimit-remaining"), ["0"], "{answer:#?}");
    let reset: u64 = answer.values("x-ratelimit-reset").concat().parse().unwrap();
    let now: u64 = Clock.now().as_second().try_into().unwrap();
    assert!((now..=now + window + 1).contains(&reset), "free again at {reset}, and it is {now}");
    answer.expect_refusal(429, "rate_limited").text
}

#[test]
fn of_five_hundred_at_once_exactly_a_hundred_arrive() {
    const ALL: usize = 500;
    let appliance = local(&policy("hundred", "*", &["max = 100, window_secs = 600"])).start();
    let origin = Origin::https();
    let ready = Barrier::new(ALL);
    let answers: Vec<Answer> = thread::scope(|scope| {
        let asking: Vec<_> = (0..ALL)
            .map(|at| {
                let (appliance, origin, ready) = (&appliance, &origin, &ready);
                // Few tunnels: what their handshakes cost is not the point.
                let way = if at % 10 == 0 { Way::Tunnel } else { WAYS[at % 2] };
                scope.spawn(move || {
                    let mut agent = Agent::via(appliance, way, origin);
                    ready.wait();
                    agent.get("/one-of-many")
                })
            })
            .collect();
        asking.into_iter().map(|it| it.join().unwrap()).collect()
    });
    let (granted, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|it| it.status() == 200);
    assert_eq!((granted.len(), refused.len()), (100, 400));
    for answer in refused {
        assert_eq!(answer.values("x-ratelimit-limit"), ["100"]);
        assert_waits(answer, 600);
    }
    assert_eq!(origin.requests().len(), 100, "as many as were let through have arrived");
    let lines = appliance.audit("a line for each", |lines| {
        let all: Vec<_> = lines.iter().filter(|it| it.get("url").contains("/one-of-many")).cloned().collect();
        (all.len() >= ALL).then_some(all)
    });
    let denied: Vec<_> = lines.iter().filter(|it| it.get("status") == "429").collect();
    assert_eq!((lines.len(), denied.len()), (500, 400));
    assert!(
        denied.iter().all(|it| it.get("policy") == "hundred/2" && it.get("outcome") == "denied"),
        "{:#?}",
        denied[0]
    );
}

#[test]
fn no_window_ever_sees_more_than_its_most() {
    const MOST: usize = 5;
    const WINDOW: Duration = Duration::from_secs(1);
    let appliance = local(&policy("five", "*", &["max = 5, window_secs = 1"])).start();
    let origin = Origin::https();
    let mut agent = Agent::via(&appliance, Way::Path, &origin);
    let mut granted: Vec<(Instant, Instant)> = Vec::new();
    until("four windows are full", || {
        let sent = Instant::now();
        let answer = agent.get("/");
        let answered = Instant::now();
        if answer.status() == 200 {
            granted.push((sent, answered));
        } else {
            assert_waits(answer, 1);
        }
        (granted.len() == 4 * MOST).then_some(())
    });
    // It counted somewhere between being sent and being answered.
    for pair in granted.windows(MOST + 1) {
        let (first, last) = (pair[0].0, pair[MOST].1);
        assert!(last.duration_since(first) >= WINDOW, "{} within {:?}", MOST + 1, last.duration_since(first));
    }
    assert_eq!(origin.requests().len(), 4 * MOST);
}

#[test]
fn who_waits_as_long_as_told_is_let_through() {
    let appliance = local(&policy("one", "*", &["max = 1, window_secs = 2"])).start();
    let origin = Origin::https();
    let mut agent = Agent::via(&appliance, Way::Path, &origin);
    agent.get("/").expect_origins(200);
    let refused = agent.get("/");
    let told = Instant::now();
    let wait = Duration::from_secs(refused.values("retry-after").concat().parse().unwrap());
    assert_waits(refused, 2);
    thread::sleep(wait.saturating_sub(told.elapsed()));
    agent.get("/").expect_origins(200);
}

#[test]
fn two_rates_on_one_credential_count_by_themselves() {
    let both =
        policy("few", "*", &["max = 3, window_secs = 600"]) + &policy("some", "*", &["max = 5, window_secs = 600"]);
    let in_one = policy("two", "*", &["max = 9, window_secs = 600", "max = 3, window_secs = 600"]);
    for (policies, named) in [(both, "few"), (in_one, "two")] {
        let appliance = local(&policies).start();
        let origin = Origin::https();
        let mut agent = Agent::via(&appliance, Way::Path, &origin);
        for _ in 0..3 {
            agent.get("/").expect_origins(200);
        }
        for _ in 0..10 {
            assert_waits(agent.get("/"), 600);
        }
        let line = appliance.audit("a refusal", |lines| lines.iter().find(|it| it.get("status") == "429").cloned());
        let (policy, rule) = line.get("policy").split_once('/').unwrap();
        assert_eq!((policy, rule), (named, if named == "few" { "2" } else { "3" }));
    }
}

#[test]
fn a_request_that_one_rate_refuses_costs_the_other_nothing() {
    let policies =
        policy("quick", "*", &["max = 2, window_secs = 1"]) + &policy("slow", "*", &["max = 4, window_secs = 600"]);
    let appliance = local(&policies).start();
    let origin = Origin::https();
    let mut agent = Agent::via(&appliance, Way::Path, &origin);
    let mut refused = 0;
    until("the slow rate is used up", || {
        let answer = agent.get("/");
        if answer.status() == 200 {
            return None;
        }
        refused += 1;
        (answer.values("x-ratelimit-limit") == ["4"]).then_some(())
    });
    assert_eq!(origin.requests().len(), 4);
    assert!(refused > 1, "the quick one refused too");
}

#[test]
fn what_is_denied_costs_nothing() {
    let policies = policy("three", "*", &["max = 3, window_secs = 600"])
        + "[[policies.rules]]\ncondition = { method_match = [\"DELETE\"] }\naction = \"deny\"\n";
    let appliance = local(&policies).set("server.max_body_size", "10").start();
    let (origin, plain) = (Origin::https(), Origin::http());
    let mut agent = Agent::via(&appliance, Way::Path, &origin);
    let mut denied = |times: usize| {
        for _ in 0..times {
            agent.ask("DELETE", "/", &[("X-Vultrino-Credential", ALIAS)]).expect_refusal(403, "policy_denied");
            agent.ask("GET", "/", &[("X-Vultrino-Credential", "nobody")]).expect_refusal(404, "not_found");
            let elsewhere = Agent::via(&appliance, Way::Path, &plain).get("/");
            elsewhere.expect_refusal(403, "forbidden").because("host_not_bound");
            let big = Agent::via(&appliance, Way::Path, &origin).post("/", &[], b"far too many bytes");
            big.expect_refusal(413, "payload_too_large");
        }
    };
    denied(5);
    let mut other = Agent::via(&appliance, Way::Absolute, &origin);
    for _ in 0..3 {
        other.get("/").expect_origins(200);
        denied(2);
    }
    assert_waits(other.get("/"), 600);
    assert_eq!((origin.requests().len(), plain.connections()), (3, 0));
}

#[test]
fn each_credential_has_its_own_count_and_each_key_where_the_rule_says_so() {
    let builder = Appliance::builder().server().role("agents", "execute", "").key("ann", "agents").key("bob", "agents");
    let builder = ["one", "two", "own"]
        .iter()
        .fold(builder, |it, alias| it.credential(Credential::key(alias, "k", &["localhost:*"])));
    let policies = policy("shared", "{one,two}", &["max = 2, window_secs = 600"])
        + &policy("each", "own", &["max = 2, window_secs = 600, per = \"key\""]);
    let appliance = builder.sections(&policies).start();
    let origin = Origin::https();
    let mut agents = ["ann", "bob"].map(|name| Agent::keyed(&appliance, Way::Path, &origin, appliance.key(name)));
    let mut granted = |alias: &str| {
        agents.each_mut().map(|agent| {
            let ask = |_| agent.ask("GET", "/", &[("X-Vultrino-Credential", alias)]).status();
            (0..4).map(ask).filter(|it| *it == 200).count()
        })
    };
    assert_eq!(granted("one"), [2, 0], "two for both together");
    assert_eq!(granted("two"), [2, 0], "and two for another credential");
    assert_eq!(granted("own"), [2, 2], "two for each");
}

#[test]
fn after_a_restart_counting_begins_anew() {
    let appliance = local(&policy("two", "*", &["max = 2, window_secs = 600"])).start();
    let origin = Origin::https();
    let granted = |appliance: &Appliance| {
        let mut agent = Agent::via(appliance, Way::Path, &origin);
        (0..6).filter(|_| agent.get("/").status() == 200).count()
    };
    assert_eq!(granted(&appliance), 2);
    let appliance = appliance.restart();
    assert_eq!(granted(&appliance), 2, "at most as many more");
}

#[test]
fn other_changes_leave_the_counts_as_they_are() {
    let policies = policy("three", "*", &["max = 3, window_secs = 600"]);
    let appliance = local(&policies).start();
    let origin = Origin::https();
    let mut agent = Agent::via(&appliance, Way::Path, &origin);
    agent.get("/").expect_origins(200);
    appliance.add(&Credential::key("another", "k", &["localhost:*"]));
    until("the store's change is seen", || {
        let answer = agent.ask("GET", "/", &[("X-Vultrino-Credential", "another")]);
        (answer.status() == 200).then_some(())
    });
    agent.get("/").expect_origins(200);
    // A policy that is new to the file; the old one stands as it stood.
    appliance.rewrite_config(None, &(policies + &policy("new", "none-*", &["max = 1, window_secs = 600"])));
    appliance.hang_up();
    appliance.audit("the reload", |lines| lines.iter().any(|it| it.action == "config_reload").then_some(()));
    agent.get("/").expect_origins(200);
    assert_waits(agent.get("/"), 600);
}

#[test]
fn a_key_may_ask_only_so_often_and_another_as_often_again() {
    let builder = Appliance::builder().server().credential(Credential::key(ALIAS, "k", &["localhost:*"]));
    let builder = builder.role("agents", "execute,read", "").key("ann", "agents").key("bob", "agents");
    let appliance = builder.set("rate_limits.proxy", "5").set("rate_limits.management", "4").start();
    let origin = Origin::https();
    for name in ["ann", "bob"] {
        let key = appliance.key(name).to_owned();
        let mut agents = WAYS.map(|way| Agent::keyed(&appliance, way, &origin, &key));
        for at in 0..5 {
            agents[at % 3].get("/").expect_origins(200);
        }
        for agent in &mut agents {
            assert_waits(agent.get("/"), 60);
        }
        let mut api = appliance.api(&key);
        for _ in 0..4 {
            api.get("/v1/credentials").json();
        }
        let refused = api.get("/v1/credentials");
        assert_eq!(refused.status(), 429, "{refused:#?}");
        let wait: u64 = refused.values("retry-after").concat().parse().unwrap();
        assert!((1..=60).contains(&wait));
    }
    assert_eq!(origin.requests().len(), 10);
    assert_eq!(appliance.api_without_key().get("/health").status(), 200, "health is never limited");
}

#[test]
fn ones_own_programs_on_ones_own_machine_are_not_counted() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    let mut agent = Agent::via(&appliance, Way::Path, &origin);
    for _ in 0..1100 {
        agent.get("/").expect_origins(200);
    }
}

#[test]
fn where_a_rate_is_set_callers_without_a_key_share_it() {
    let appliance = Appliance::builder().set("rate_limits.proxy", "3").start();
    let origin = Origin::https();
    let mut agents = WAYS.map(|way| Agent::via(&appliance, way, &origin));
    for agent in &mut agents {
        agent.get("/").expect_origins(200);
    }
    for agent in &mut agents {
        assert_waits(agent.get("/"), 60);
    }
}
