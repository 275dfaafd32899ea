//! `/v1/audit`: who sees what of it.

use serde_json::{Value, json};

use crate::{
    api::{Client, guarded, json as body, minted},
    support::{Agent, Origin, Way, appliance::ALIAS, wait::until},
};

fn values(answer: &Value, name: &str) -> Vec<String> {
    let text = |it: &Value| it[name].as_str().map_or_else(|| it[name].to_string(), str::to_owned);
    answer["events"].as_array().unwrap().iter().map(text).collect()
}

#[test]
fn a_key_sees_its_own_records_and_an_admin_all() {
    let appliance = guarded().start();
    let origin = Origin::https();
    let (one, other) = (minted(&appliance, "execute", ""), minted(&appliance, "execute", ""));
    let admin = Client::that_may(&appliance, "admin", "");
    for (key, path) in [(&one, "/one"), (&other, "/other"), (&one, "/one-again")] {
        let fields = [("Authorization", &*format!("Bearer {key}")), ("X-Vultrino-Credential", ALIAS)];
        Agent::via(&appliance, Way::Path, &origin).ask("GET", path, &fields).expect_origins(200);
        appliance.audit_of(path);
    }
    let own = body(&Client::with(&appliance, &one).get("/v1/audit?action=http_request"));
    assert!(values(&own, "key").iter().all(|it| *it == one[..11]), "{own}");
    assert_eq!(values(&own, "url").len(), 2);
    assert!(values(&own, "url")[0].ends_with("/one-again"), "the newest first");
    assert_eq!(own["next_cursor"], Value::Null);
    // Neither by asking for another's key, nor for all that begin so.
    for query in [
        format!("?key={}", &other[..11]),
        "?key=vk_zzzz".to_owned(),
        format!("?credential={ALIAS}&key={}", &other[..11]),
    ] {
        assert_eq!(
            body(&Client::with(&appliance, &one).get(&format!("/v1/audit{query}"))),
            json!({ "events": [], "next_cursor": null })
        );
    }
    assert_eq!(
        values(&body(&Client::with(&appliance, &one).get("/v1/audit?action=http_request&key=vk_")), "url").len(),
        2
    );
    let all = body(&admin.get("/v1/audit?action=http_request&outcome=ok"));
    assert_eq!(values(&all, "url").len(), 3);
    assert_eq!(all["events"][0]["credential"], json!(ALIAS));
    let some = body(&admin.get(&format!("/v1/audit?action=http_request&key={}", &other[..11])));
    assert_eq!(values(&some, "url").len(), 1);
}

#[test]
fn looks_that_are_not_allowed_are_on_the_record_with_their_caller() {
    let appliance = guarded().start();
    let key = minted(&appliance, "execute", "");
    let client = Client::with(&appliance, &key);
    let paths =
        ["/metrics", "/v1/credentials", &format!("/v1/credentials/{ALIAS}"), "/v1/keys", "/v1/policies", "/v1/roles"];
    for path in paths {
        client.get(path).expect_refusal(403, "forbidden");
    }
    until("all lines are there", || {
        let own = body(&client.get("/v1/audit?door=api&reason=permission"));
        let mut seen = values(&own, "url");
        seen.sort();
        (seen == paths).then_some(())
    });
    let reader = Client::that_may(&appliance, "read", "nothing-*");
    reader.get(&format!("/v1/credentials/{ALIAS}")).expect_refusal(403, "forbidden");
    let line =
        appliance.audit("the look out of scope", |lines| lines.iter().find(|it| it.get("reason") == "scope").cloned());
    assert_eq!((line.get("method"), line.get("status"), line.get("outcome")), ("GET", "403", "denied"));
}

#[test]
fn whoever_reads_the_log_has_one_line_in_it_for_a_while() {
    let appliance = guarded().start();
    let (admin, key) = (Client::that_may(&appliance, "admin", ""), minted(&appliance, "execute", ""));
    let other = Client::with(&appliance, &key);
    for _ in 0..5 {
        body(&admin.get("/v1/audit?name=nobody"));
        body(&other.get("/v1/audit"));
    }
    let reads = || {
        let all = body(&admin.get("/v1/audit?action=audit_read"));
        let mut keys = values(&all, "key");
        keys.sort();
        let whole = |name, all_are| values(&all, name).iter().all(|it| it == all_are);
        assert!(whole("url", "/v1/audit") && whole("outcome", "ok") && whole("door", "API"), "{all}");
        keys
    };
    let seen = until("both have a line", || Some(reads()).filter(|it| it.len() >= 2));
    assert!(seen.len() == 2 && seen.contains(&key[..11].to_owned()), "{seen:?}");
    // A refusal is a line each time.
    let limited = Client::that_may(&appliance, "read", "");
    for _ in 0..2 {
        limited.get("/v1/audit?limit=0").expect_refusal(400, "invalid_request");
    }
}

#[test]
fn pages_follow_each_other() {
    let appliance = guarded().start();
    let admin = Client::that_may(&appliance, "admin", "");
    for at in 0..7 {
        let new = json!({ "name": format!("r{at}"), "permissions": ["admin"] });
        assert_eq!(admin.send("POST", "/v1/roles", &new).status(), 201);
    }
    let created = || body(&admin.get("/v1/audit?action=role_create&door=api"));
    until("all lines are there", || (values(&created(), "seq").len() == 7).then_some(()));
    let (mut seen, mut cursor) = (vec![], String::new());
    loop {
        let page = body(&admin.get(&format!("/v1/audit?action=role_create&door=api&limit=3{cursor}")));
        seen.extend(values(&page, "seq").into_iter().zip(values(&page, "object")));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let numbers: Vec<u64> = seen.iter().map(|(seq, _)| seq.parse().unwrap()).collect();
    assert!(numbers.is_sorted_by(|a, b| a > b), "the newest first, and none twice: {numbers:?}");
    let mut objects: Vec<String> = seen.into_iter().map(|(_, object)| object).collect();
    objects.sort();
    assert_eq!(objects, (0..7).map(|it| format!("role:r{it}")).collect::<Vec<_>>());
    let since = body(&admin.get("/v1/audit?since=2100-01-01T00:00:00Z"));
    assert_eq!(since, json!({ "events": [], "next_cursor": null }));
    for query in [
        "?limit=0",
        "?limit=1001",
        "?limit=x",
        "?cursor=x",
        "?since=yesterday",
        "?credential=[",
        "?nothing=1",
        "?key=a&key=b",
    ] {
        admin.get(&format!("/v1/audit{query}")).expect_refusal(400, "invalid_request");
    }
}
