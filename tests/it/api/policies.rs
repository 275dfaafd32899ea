//! `/v1/policies`: what they are, and what they would say.

use serde_json::{Value, json};

use crate::{
    api::{Client, guarded, json as body},
    support::{Credential, Origin, appliance::Builder},
};

const POLICIES: &str = r#"[
    { name = "one-readonly", credential_pattern = "one-*", default_action = "deny", rules = [
        { condition = { url_match = "https://localhost:*/*" }, action = "allow" },
        { condition = { method_match = ["GET"] }, action = "allow" },
    ] },
    { name = "two-rate", credential_pattern = "two-*", default_action = "allow", rules = [
        { condition = { rate_limit = { max = 1, window_secs = 600 } }, action = "allow" },
    ] },
]"#;

fn appliance() -> Builder {
    let key = |alias: &str| Credential::key(alias, "k", &["localhost:*"]);
    guarded().credential(key("one-api")).credential(key("two-api")).set("policies", &POLICIES.replace('\n', " "))
}

fn names(answer: &Value) -> Vec<&str> {
    answer["policies"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect()
}

#[test]
fn policies_are_listed_where_they_concern_the_caller() {
    let appliance = appliance().start();
    let seen =
        |permissions: &str, scopes: &str| body(&Client::that_may(&appliance, permissions, scopes).get("/v1/policies"));
    let all = seen("admin", "");
    assert_eq!(names(&all), ["one-readonly", "two-rate"]);
    assert_eq!(
        all["policies"][0]["rules"][1],
        json!({ "number": 2, "condition": "method_match", "text": all["policies"][0]["rules"][1]["text"], "action": "allow" })
    );
    assert_eq!(names(&seen("read", "")), ["one-readonly", "two-rate"]);
    assert_eq!(names(&seen("read", "two-*")), ["two-rate"]);
    assert!(names(&seen("read", "three-*")).is_empty());
}

#[test]
fn a_question_gets_the_verdict_that_a_request_would() {
    let appliance = appliance().start();
    let origin = Origin::https();
    let client = Client::that_may(&appliance, "read,execute", "");
    let test = |alias: &str, method: &str, url: String| {
        body(&client.send("POST", "/v1/policies/test", &json!({ "credential": alias, "method": method, "url": url })))
    };
    let live = |alias: &str, method: &str, url: String| {
        let params = json!({ "method": method, "url": url });
        let asked = json!({ "credential": alias, "action": "http.request", "params": params });
        let answer = client.send("POST", "/v1/execute", &asked);
        if answer.status() == 200 { Value::Null } else { json!(answer.refusal().code) }
    };
    for (alias, method, url) in [
        ("one-api", "GET", origin.url("/x")),
        ("one-api", "DELETE", origin.url("/x")),
        ("one-api", "GET", "https://api.github.com/".to_owned()),
        ("two-api", "GET", origin.url("/x")),
        ("two-api", "GET", origin.url("/x")),
    ] {
        let said = test(alias, method, url.clone());
        assert_eq!(said["error"], live(alias, method, url.clone()), "{alias} {method} {url} {said}");
    }
    let said = test("one-api", "DELETE", origin.url("/x"));
    assert_eq!(
        (&said["result"], &said["policy"], &said["binding"]),
        (&json!("deny"), &json!("one-readonly"), &json!("bound"))
    );
    assert_eq!(test("one-other", "GET", origin.url("/x"))["binding"], json!("unchecked"));
    let requests = origin.requests().len();
    assert_eq!(requests, 2, "questions send nothing");
    for wrong in [
        json!({ "credential": "one-api" }),
        json!({ "credential": "a/b", "url": origin.url("/") }),
        json!({ "credential": "one-api", "url": "nowhere" }),
        json!({ "credential": "one-api", "url": origin.url("/"), "method": "G T" }),
        json!({ "credential": "one-api", "url": origin.url("/"), "at": "noon" }),
    ] {
        client.send("POST", "/v1/policies/test", &wrong).expect_refusal(400, "invalid_request");
    }
}
