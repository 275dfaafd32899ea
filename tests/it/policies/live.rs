//! What policies do to requests on their way.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use serde_json::{Value, json};

use crate::support::{Agent, Answer, Appliance, Origin, WAYS, agent::NAMED, appliance::ALIAS};

/// One policy for every credential, with these rules.
fn with(rules: &str) -> String {
    format!("[{{ name = \"live\", credential_pattern = \"*\", rules = [{rules}] }}]")
}

#[track_caller]
fn ask(agent: &mut Agent, method: &str, path: &str) -> Answer {
    agent.ask(method, path, &[NAMED])
}

#[test]
fn a_policy_has_the_same_word_in_every_way() {
    let origin = Origin::https();
    let policy = with(
        "{ condition = { url_match = \"https://localhost:*/{open,shut}*\" }, action = \"allow\" },
         { condition = { method_match = [\"GET\"] }, action = \"allow\" },
         { condition = { url_match = \"https://localhost:*/shut*\" }, action = \"deny\" }"
            .replace('\n', " ")
            .as_str(),
    );
    let appliance = Appliance::builder().set("policies", &policy).reaching(&origin).start();
    for way in WAYS {
        let mut agent = Agent::via(&appliance, way, &origin);
        ask(&mut agent, "GET", "/open?x=1").expect_origins(200);
        let refusal = ask(&mut agent, "DELETE", "/open").expect_refusal(403, "policy_denied");
        assert_eq!(refusal.details["policy"], "live", "{way:?}");
        ask(&mut agent, "GET", "/other").expect_refusal(403, "policy_denied");
        ask(&mut agent, "GET", "//%6fpen").expect_origins(200);
        ask(&mut agent, "GET", "/%6fpen/%2e").expect_refusal(400, "invalid_request");
    }
    let line = appliance.audit_of("/other");
    assert_eq!((line.get("reason"), line.get("policy")), ("policy_denied", "live/default"));
    assert_eq!(origin.requests().len(), 2 * WAYS.len());
}

#[test]
fn exactly_as_many_as_a_rate_allows_arrive_of_many_at_once() {
    let origin = Origin::https();
    let policy = with("{ condition = { rate_limit = { max = 100, window_secs = 600 } }, action = \"allow\" }");
    let appliance = Appliance::builder().set("policies", &policy).reaching(&origin).start();
    let (through, limited) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for way in WAYS.into_iter().cycle().take(25) {
            let (appliance, origin, through, limited) = (&appliance, &origin, &through, &limited);
            scope.spawn(move || {
                let mut agent = Agent::via(appliance, way, origin);
                for _ in 0..20 {
                    let answer = ask(&mut agent, "GET", "/");
                    if answer.status() == 200 {
                        through.fetch_add(1, Ordering::SeqCst);
                        continue;
                    }
                    let wait: u64 = answer.message.values("retry-after")[0].parse().unwrap();
                    assert!((1..=600).contains(&wait), "{wait}");
                    answer.expect_refusal(429, "rate_limited");
                    limited.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!((through.into_inner(), limited.into_inner()), (100, 400));
    assert_eq!(origin.requests().len(), 100);
}

#[test]
fn headers_that_name_another_method_or_url_do_not_pass_a_rule_about_them() {
    const OVERRIDES: [&str; 5] =
        ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method", "X-Original-URL", "X-Rewrite-URL"];
    for (rules, stripped) in [
        ("{ condition = { method_match = [\"POST\"] }, action = \"allow\" }", true),
        ("{ condition = { url_match = \"https://localhost:*/*\" }, action = \"allow\" }", true),
        ("{ condition = { rate_limit = { max = 100, window_secs = 1 } }, action = \"allow\" }", false),
    ] {
        let origin = Origin::https();
        let appliance = Appliance::builder().set("policies", &with(rules)).reaching(&origin).start();
        for way in WAYS {
            let mut agent = Agent::via(&appliance, way, &origin);
            let fields = OVERRIDES.map(|it| (it, "DELETE"));
            agent.post("/", &fields, b"x").expect_origins(200);
        }
        for request in origin.requests() {
            for name in OVERRIDES {
                assert_eq!(request.values(&name.to_ascii_lowercase()).is_empty(), stripped, "{name} {rules}");
            }
        }
    }
}

#[test]
fn a_query_that_is_given_apart_is_judged_with_the_url() {
    let origin = Origin::https();
    let policy = with("{ condition = { url_match = \"https://localhost:*/list?page=*\" }, action = \"allow\" }");
    let appliance = Appliance::builder().set("policies", &policy).start();
    let mut api = appliance.api_without_key();
    let mut execute = |query: Value| {
        let params = json!({ "method": "GET", "url": origin.url("/list"), "query": query });
        api.post("/v1/execute", &json!({ "credential": ALIAS, "action": "http.request", "params": params }))
    };
    assert_eq!(execute(json!({ "page": "2" })).json()["status"], 200);
    execute(json!({ "all": "2", "page": "2" })).expect_refusal(403, "policy_denied");
    execute(json!({})).expect_refusal(403, "policy_denied");
    assert_eq!(origin.only_request().target(), "/list?page=2");
}

#[test]
fn the_log_tells_how_a_verdict_came_about() {
    let origin = Origin::https();
    let policy = with(
        "{ condition = { url_match = \"https://localhost:*/*\" }, action = \"allow\" }, \
         { condition = { method_match = [\"GET\", \"HEAD\"] }, action = \"allow\" }",
    );
    let builder = Appliance::builder().set("policies", &policy).reaching(&origin);
    let appliance = builder.env("RUST_LOG", "vultrino=debug").start();
    let mut agent = Agent::via(&appliance, WAYS[0], &origin);
    ask(&mut agent, "GET", "/").expect_origins(200);
    ask(&mut agent, "PUT", "/").expect_refusal(403, "policy_denied");
    for line in [
        "DEBUG vultrino::policy: Evaluating policy \"live\" for credential \"walls\"",
        "DEBUG vultrino::policy: Rule 1 url_match: matched",
        "DEBUG vultrino::policy: Rule 2 method_match: GET in [GET, HEAD] = true",
        "DEBUG vultrino::policy: Result: allow",
        "DEBUG vultrino::policy: Rule 2 method_match: PUT in [GET, HEAD] = false",
        "DEBUG vultrino::policy: Result: deny",
    ] {
        appliance.expect_printed(line);
    }
}
