//! `/v1/keys`.

use serde_json::{Value, json};

use crate::{
    api::{Client, created, guarded, json as body},
    support::{Agent, Appliance, Origin, Way, appliance::ALIAS},
};

fn role(client: &Client<'_>, name: &str, permissions: &[&str]) -> Value {
    created(&client.send("POST", "/v1/roles", &json!({ "name": name, "permissions": permissions })))["id"].clone()
}

#[test]
fn a_key_is_created_shown_once_listed_used_and_revoked() {
    let appliance = guarded().start();
    let admin = Client::that_may(&appliance, "admin,read,execute", "");
    let role_id = role(&admin, "executor", &["read", "execute"]);
    let new = json!({ "name": "new-app-key", "role_id": role_id, "expires_at": "2099-12-31T23:59:59Z" });
    let answer = created(&admin.send("POST", "/v1/keys", &new));
    let (id, key) = (answer["id"].as_str().unwrap().to_owned(), answer["key"].as_str().unwrap().to_owned());
    assert_eq!(answer, json!({ "id": id, "key": key, "name": "new-app-key" }));
    assert!(key.len() == 35 && key.starts_with("vk_") && key[3..].bytes().all(|b| b.is_ascii_alphanumeric()), "{key}");

    let list = body(&admin.get("/v1/keys"));
    let listed = list["keys"].as_array().unwrap().iter().find(|it| it["id"] == json!(id)).unwrap().clone();
    assert_eq!(
        listed,
        json!({
            "id": id, "name": "new-app-key", "key_prefix": key[..11], "role_id": role_id,
            "expires_at": "2099-12-31T23:59:59Z", "last_used_at": null, "created_at": listed["created_at"],
        })
    );

    // At once, and nowhere else than in the answer.
    let client = Client::with(&appliance, &key);
    body(&client.get("/v1/credentials"));
    let all = list.to_string() + &appliance.printed() + &appliance.audit_text();
    assert!(!all.contains(&key[11..]), "{all}");

    let origin = Origin::https();
    let fields = [("Authorization", &*format!("Bearer {key}")), ("X-Vultrino-Credential", ALIAS)];
    let mut kept = Agent::via(&appliance, Way::Path, &origin);
    kept.ask("GET", "/x", &fields).expect_origins(200);
    assert_eq!(body(&admin.ask("DELETE", &format!("/v1/keys/{id}"))), json!({ "success": true }));
    kept.ask("GET", "/x", &fields).expect_refusal(401, "unauthorized");
    client.get("/v1/credentials").expect_refusal(401, "unauthorized");
    admin.ask("DELETE", &format!("/v1/keys/{id}")).expect_refusal(404, "not_found");
    for action in ["role_create", "key_create", "key_revoke"] {
        let line = appliance.audit(action, |lines| {
            lines.iter().rfind(|it| it.action == action && it.door == "API" && it.get("outcome") == "ok").cloned()
        });
        assert!(
            line.get("object").starts_with("role:executor") || line.get("object").starts_with("key:vk_"),
            "{line:?}"
        );
    }
}

#[test]
fn a_key_ends_when_its_role_does() {
    let appliance = guarded().start();
    let admin = Client::that_may(&appliance, "admin,read", "");
    role(&admin, "short", &["read"]);
    let key = created(&admin.send("POST", "/v1/keys", &json!({ "name": "k", "role_id": "short" })))["key"].clone();
    let client = Client::with(&appliance, key.as_str().unwrap());
    body(&client.get("/v1/credentials"));
    body(&admin.ask("DELETE", "/v1/roles/short"));
    client.get("/v1/credentials").expect_refusal(401, "unauthorized");
    assert_eq!(body(&admin.get("/v1/keys"))["keys"].as_array().unwrap().len(), 2, "it stays in the list");
}

#[test]
fn what_is_no_key_is_refused() {
    let appliance = Appliance::start();
    let client = Client::of(&appliance);
    role(&client, "r", &["read"]);
    for (name, wrong, status, code) in [
        ("name", json!(""), 400, "invalid_request"),
        ("name", json!("a\n"), 400, "invalid_request"),
        ("role_id", json!("nobody"), 404, "not_found"),
        ("role_id", Value::Null, 400, "invalid_request"),
        ("expires_at", json!("30d"), 400, "invalid_request"),
        ("expires_at", json!("2000-01-01T00:00:00Z"), 400, "invalid_request"),
        ("expires_at", json!(5), 400, "invalid_request"),
        ("key", json!("vk_mine"), 400, "invalid_request"),
    ] {
        let mut new = json!({ "name": "fine", "role_id": "r" });
        new[name] = wrong;
        client.send("POST", "/v1/keys", &new).expect_refusal(status, code);
    }
    assert_eq!(body(&client.get("/v1/keys")), json!({ "keys": [] }));
    client.ask("DELETE", "/v1/keys/vk_").expect_refusal(400, "invalid_request");
    client.ask("DELETE", "/v1/keys/nothing").expect_refusal(404, "not_found");
}

#[test]
fn the_end_that_a_refusal_names_is_one_that_is_taken() {
    let appliance = Appliance::start();
    let client = Client::of(&appliance);
    role(&client, "reader", &["read"]);
    let new =
        |end: &str| client.send("POST", "/v1/keys", &json!({ "name": "k", "role_id": "reader", "expires_at": end }));
    let message = new("2020-01-01T00:00:00Z").expect_refusal(400, "invalid_request").message;
    let end = message.rsplit_once("such as ").unwrap_or_else(|| panic!("{message}")).1;
    created(&new(end));
    appliance.cli(&["key", "create", "k", "--role", "reader", "--expires", end]).expect_success();
}

#[test]
fn a_key_makes_none_that_can_do_more_or_lives_longer() {
    let appliance = guarded().start();
    let root = Client::that_may(&appliance, "admin,read,execute,write", "");
    role(&root, "some", &["admin", "read"]);
    role(&root, "more", &["admin", "execute"]);
    let mint = |client: &Client<'_>, role: &str, expires_at: Value| {
        client.send("POST", "/v1/keys", &json!({ "name": "k", "role_id": role, "expires_at": expires_at }))
    };
    let key = created(&mint(&root, "some", json!("2099-01-01T00:00:00Z")))["key"].clone();
    let client = Client::with(&appliance, key.as_str().unwrap());
    mint(&client, "more", json!("2098-01-01T00:00:00Z")).expect_refusal(403, "forbidden").because("wider");
    for later in [Value::Null, json!("2099-01-01T00:00:01Z")] {
        mint(&client, "some", later).expect_refusal(403, "forbidden");
    }
    created(&mint(&client, "some", json!("2098-01-01T00:00:00Z")));
}
