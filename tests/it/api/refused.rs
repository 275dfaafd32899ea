//! What a request to the API costs that is refused, and what is told of it.

use serde_json::{Value, json};

use crate::{
    api::{Client, guarded, json as body, minted},
    support::{Agent, Answer, Appliance, Origin, appliance::ALIAS, queues::queued, wait::until},
};

const MIB: usize = 1 << 20;

/// A request to execute something whose body of this length has begun.
fn begun(appliance: &Appliance, key: &str, length: usize, sent: usize) -> Agent {
    let mut agent = Agent::dial(appliance.address());
    let bearer = if key.is_empty() { String::new() } else { format!("Authorization: Bearer {key}\r\n") };
    agent.send(format!(
        "POST /v1/execute HTTP/1.1\r\nHost: {}\r\n{bearer}Content-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n",
        appliance.address()
    ));
    agent.send(" ".repeat(sent));
    agent
}

#[test]
fn whoever_may_not_execute_is_told_so_before_anything_is_read() {
    let appliance = guarded().set("rate_limits.proxy", "2").start();
    let (reader, executor) = (minted(&appliance, "read", ""), minted(&appliance, "execute", ""));
    let answer = |key: &str| begun(&appliance, key, 10 * MIB, 0).answer("POST");
    answer(&reader).expect_refusal(403, "forbidden").because("permission");
    // What was read of a caller is counted, also if nothing comes of it.
    let executing = Client::with(&appliance, &executor);
    for _ in 0..2 {
        executing.send("POST", "/v1/execute", &json!({})).expect_refusal(400, "invalid_request");
    }
    answer(&executor).expect_refusal(429, "rate_limited");
}

#[test]
fn every_refusal_is_on_the_record_with_its_caller() {
    let appliance = guarded().set("rate_limits.management", "6").set("rate_limits.proxy", "2").start();
    let key = minted(&appliance, "execute", "");
    let client = Client::with(&appliance, &key);
    let asks: [(&str, &str, Answer, &str); 6] = [
        ("GET", "/v1/roles", client.get("/v1/roles?token=sekrit"), "permission"),
        ("GET", "/metrics", client.get("/metrics"), "permission"),
        ("GET", "/v1/nothing", client.get("/v1/nothing"), "not_found"),
        ("PUT", "/v1/keys", client.ask("PUT", "/v1/keys"), "invalid_request"),
        ("POST", "/v1/execute", client.send("POST", "/v1/execute", &json!({})), "invalid_request"),
        ("POST", "/v1/policies/test", client.send("POST", "/v1/policies/test", &json!({})), "invalid_request"),
    ];
    let refused = |path: &str, reason: &str| {
        appliance.audit(&format!("{path} {reason}"), |lines| {
            let all = lines.iter().filter(|it| it.action == "api_refused" && it.door == "API");
            all.into_iter().find(|it| it.get("url") == path && it.get("reason") == reason).cloned()
        })
    };
    for (method, path, answer, reason) in &asks {
        let line = refused(path, reason);
        let told = (line.get("method"), line.get("key"), line.get("outcome"));
        assert_eq!(told, (*method, &key[..11], "denied"), "{line:?}");
        assert_eq!(line.get("status"), answer.status().to_string(), "{line:?}");
        assert!(line.get("name").starts_with("role-") && line.get("source").starts_with("127.0.0.1"), "{line:?}");
    }
    let limited = until("too many", || Some(client.get("/v1/policies")).filter(|it| it.status() == 429));
    limited.expect_refusal(429, "rate_limited");
    assert_eq!(refused("/v1/policies", "rate_limited").get("key"), &key[..11]);
    let wrong = format!("vk_{}", "x".repeat(32));
    Client::with(&appliance, &wrong).get("/v1/audit").expect_refusal(401, "unauthorized");
    assert_eq!(refused("/v1/audit", "unauthorized").get("key"), "?");
    assert!(!appliance.audit_text().contains("sekrit"));
}

#[test]
fn what_has_a_line_of_its_own_gets_no_other() {
    let appliance = guarded().start();
    let client = Client::that_may(&appliance, "execute", "a-*");
    client.send("POST", "/v1/roles", &json!({ "name": "r", "permissions": ["read"] })).expect_refusal(403, "forbidden");
    let params = json!({ "method": "GET", "url": "https://localhost/x" });
    let asked = json!({ "credential": ALIAS, "action": "http.request", "params": params });
    client.send("POST", "/v1/execute", &asked).expect_refusal(403, "forbidden").because("scope");
    for action in ["role_create", "http_request"] {
        appliance.audit(action, |lines| lines.iter().find(|it| it.action == action && it.door == "API").cloned());
    }
    // But for those from before the server knew the key.
    let text = appliance.audit_text();
    assert!(!text.lines().any(|it| it.contains(" api_refused ") && !it.contains(" status=401 ")), "{text}");
}

#[test]
fn the_bodies_of_a_caller_have_one_bound_and_what_is_small_still_gets_through() {
    let appliance = Appliance::start();
    let client = Client::of(&appliance);
    let unfinished = || begun(&appliance, "", 10 * MIB, 9 * MIB);
    let held: Vec<Agent> = (0..3).map(|_| unfinished()).collect();
    // Else what comes next may take the room of one of them.
    until("all that came is read", || (queued(appliance.address().port()) == 0).then_some(()));
    let text = format!("{{}}{}", " ".repeat(4 * MIB));
    let full = until("there is no room", || {
        Some(client.raw("POST", "/v1/execute", &[("Content-Type", "application/json")], &text))
            .filter(|it| it.status() == 503)
    });
    assert_eq!(full.values("retry-after"), ["1"]);
    full.expect_refusal(503, "overloaded");
    let role = client.send("POST", "/v1/roles", &json!({ "name": "r", "permissions": ["read"] }));
    assert_eq!(role.status(), 201);
    drop(held);
    until("there is room again", || {
        let answer = client.raw("POST", "/v1/execute", &[("Content-Type", "application/json")], &text);
        (answer.status() == 400).then_some(())
    });
}

#[test]
fn a_large_body_goes_out_and_a_large_answer_comes_back_whole() {
    let appliance = Appliance::start();
    let large = "é\u{1}".repeat(MIB / 2);
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", large.len());
    let origin = Origin::answering([head.as_bytes(), large.as_bytes()].concat());
    let params = json!({ "method": "POST", "url": origin.url("/x"), "body": large });
    let asked = json!({ "credential": ALIAS, "action": "http.request", "params": params });
    let told: Value = body(&Client::of(&appliance).send("POST", "/v1/execute", &asked));
    assert!(told["body"] == json!(large));
    assert!(origin.only_request().body == large.as_bytes());
}
