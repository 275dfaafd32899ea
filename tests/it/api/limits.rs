//! Who is let in, how often, and what the answers say of it.

use serde_json::json;

use crate::{
    api::{Client, guarded, json as body, minted},
    support::{Answer, Appliance, Origin, appliance::ALIAS},
};

#[track_caller]
fn number(answer: &Answer, name: &str) -> u64 {
    match &*answer.values(name) {
        [one] => one.parse().unwrap_or_else(|error| panic!("{name}: {error}: {answer:#?}")),
        other => panic!("{name} {other:?}: {answer:#?}"),
    }
}

fn now() -> u64 {
    jiff::Timestamp::now().as_second().try_into().unwrap()
}

#[test]
fn management_is_counted_and_every_answer_says_how_much_is_left() {
    let appliance = Appliance::builder().set("rate_limits.management", "5").start();
    let client = Client::of(&appliance);
    let asks: [fn(&Client<'_>) -> Answer; 5] = [
        |it| it.get("/v1/credentials"),
        |it| it.get("/v1/credentials/nobody"),
        |it| it.send("POST", "/v1/roles", &json!({})),
        |it| it.get("/v1/nothing"),
        |it| it.ask("PUT", "/v1/keys"),
    ];
    for (at, ask) in asks.iter().enumerate() {
        let answer = ask(&client);
        assert_eq!(
            (number(&answer, "x-ratelimit-limit"), number(&answer, "x-ratelimit-remaining")),
            (5, 4 - at as u64)
        );
        let reset = number(&answer, "x-ratelimit-reset");
        assert!((now()..=now() + 61).contains(&reset), "{reset}");
    }
    let answer = client.get("/v1/credentials");
    assert_eq!((number(&answer, "x-ratelimit-limit"), number(&answer, "x-ratelimit-remaining")), (5, 0));
    assert!((1..=60).contains(&number(&answer, "retry-after")));
    assert!((now()..=now() + 61).contains(&number(&answer, "x-ratelimit-reset")));
    answer.expect_refusal(429, "rate_limited");
    // Requests for the world are not management, and health is for everybody.
    let origin = Origin::https();
    let params = json!({ "method": "GET", "url": origin.url("/x") });
    let asked = json!({ "credential": ALIAS, "action": "http.request", "params": params });
    assert!(body(&client.send("POST", "/v1/execute", &asked))["status"] == 200);
    assert!(client.get("/health").values("x-ratelimit-limit").is_empty());
}

#[test]
fn each_key_has_its_own_count_and_requests_for_the_world_another() {
    let appliance = guarded().set("rate_limits.management", "50").set("rate_limits.proxy", "2").start();
    let origin = Origin::https();
    let (one, other) = (minted(&appliance, "execute", ""), minted(&appliance, "execute", ""));
    let left = |key: &str| number(&Client::with(&appliance, key).get("/v1/types"), "x-ratelimit-remaining");
    let before = left(&one);
    left(&other);
    assert_eq!(left(&one), before - 1);
    let client = Client::with(&appliance, &one);
    let params = json!({ "method": "GET", "url": origin.url("/x") });
    let asked = json!({ "credential": ALIAS, "action": "http.request", "params": params });
    for remaining in [1, 0] {
        let answer = client.send("POST", "/v1/execute", &asked);
        body(&answer);
        assert_eq!((number(&answer, "x-ratelimit-limit"), number(&answer, "x-ratelimit-remaining")), (2, remaining));
    }
    let answer = client.send("POST", "/v1/execute", &asked);
    assert!(number(&answer, "retry-after") > 0 && number(&answer, "x-ratelimit-reset") >= now());
    answer.expect_refusal(429, "rate_limited");
    assert_eq!(origin.requests().len(), 2);
    body(&Client::with(&appliance, &other).send("POST", "/v1/execute", &asked));
}

#[test]
fn nobody_gets_in_without_a_key_but_to_health() {
    let appliance = guarded().start();
    let key = minted(&appliance, "read", "");
    let nobody = Client::of(&appliance);
    body(&nobody.get("/health"));
    for (method, path) in
        [("GET", "/v1/credentials"), ("POST", "/v1/execute"), ("GET", "/v1/openapi.json"), ("GET", "/v1/nothing")]
    {
        let answer = nobody.ask(method, path);
        assert_eq!(answer.values("www-authenticate"), ["Bearer realm=\"vultrino\""]);
        answer.expect_refusal(401, "unauthorized");
    }
    let bearer = |text: &str| ("Authorization".to_owned(), text.to_owned());
    let wrong = format!("{}x", &key[..34]);
    for fields in [
        vec![bearer(&format!("Bearer {wrong}"))],
        vec![bearer(&key)],
        vec![bearer("Bearer ghp_abc")],
        vec![("X-Api-Key".to_owned(), key.clone())],
        vec![("Proxy-Authorization".to_owned(), format!("Bearer {key}"))],
    ] {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        nobody.raw("GET", "/v1/credentials", &fields, "").expect_refusal(401, "unauthorized");
    }
    let two = format!("Bearer {key}");
    nobody
        .raw("GET", "/v1/credentials", &[("Authorization", &two), ("Authorization", &two)], "")
        .expect_refusal(400, "invalid_request");
    // In a URL it is in logs already.
    for path in [format!("/v1/credentials?api_key={key}"), format!("/v1/credentials/{key}")] {
        Client::with(&appliance, &key).get(&path).expect_refusal(401, "unauthorized");
    }
    assert!(!appliance.audit_text().contains(&key[11..]) && !appliance.printed().contains(&key[11..]));
    appliance.audit("the refusal", |lines| {
        lines.iter().find(|it| it.door == "API" && it.get("status") == "401" && it.get("outcome") == "denied").cloned()
    });
    body(&Client::with(&appliance, &key).get("/v1/credentials"));
}

#[test]
fn keys_that_are_not_valid_are_counted() {
    let appliance = guarded().set("rate_limits.auth_failures", "3").start();
    let wrong = Client::with(&appliance, &format!("vk_{}", "x".repeat(32)));
    for _ in 0..3 {
        wrong.get("/v1/types").expect_refusal(401, "unauthorized");
    }
    let answer = wrong.get("/v1/types");
    assert!(number(&answer, "retry-after") > 0);
    answer.expect_refusal(429, "rate_limited");
}

#[test]
fn in_local_mode_a_key_that_is_shown_counts_and_narrows() {
    let appliance = Appliance::builder().set("rate_limits.auth_failures", "0").start();
    let narrow = Client::that_may(&appliance, "execute", "");
    narrow.get("/v1/credentials").expect_refusal(403, "forbidden").because("permission");
    body(&Client::of(&appliance).get("/v1/credentials"));
    Client::with(&appliance, &format!("vk_{}", "x".repeat(32))).get("/v1/types").expect_refusal(401, "unauthorized");
}
