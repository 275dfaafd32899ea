//! `/v1/roles`.

use serde_json::{Value, json};

use crate::{
    api::{Client, created, guarded, json as body},
    support::Appliance,
};

#[test]
fn a_role_is_created_listed_shown_and_deleted() {
    let appliance = Appliance::start();
    let client = Client::of(&appliance);
    assert_eq!(body(&client.get("/v1/roles")), json!({ "roles": [] }));
    let new = json!({
        "name": "github-reader",
        "description": "Read-only GitHub access",
        "permissions": ["execute", "read"],
        "credential_scopes": ["github-*"],
    });
    let answer = created(&client.send("POST", "/v1/roles", &new));
    let id = answer["id"].clone();
    assert_eq!(answer, json!({ "id": id, "name": "github-reader" }));
    let roles = body(&client.get("/v1/roles"));
    let at = roles["roles"][0]["created_at"].clone();
    let role = json!({
        "id": id, "name": "github-reader", "description": "Read-only GitHub access",
        "permissions": ["read", "execute"], "credential_scopes": ["github-*"], "created_at": at,
    });
    assert_eq!(roles, json!({ "roles": [role] }));
    for name in ["github-reader", id.as_str().unwrap()] {
        assert_eq!(body(&client.get(&format!("/v1/roles/{name}"))), role);
    }
    let change = json!({ "description": null, "permissions": ["read"] });
    let changed = body(&client.send("PATCH", "/v1/roles/github-reader", &change));
    assert_eq!(
        (&changed["description"], &changed["permissions"], &changed["credential_scopes"]),
        (&Value::Null, &json!(["read"]), &json!(["github-*"]))
    );
    for wrong in [
        json!({ "permissions": [] }),
        json!({ "permissions": null }),
        json!({ "credential_scopes": ["["] }),
        json!({ "name": "x" }),
    ] {
        client.send("PATCH", "/v1/roles/github-reader", &wrong).expect_refusal(400, "invalid_request");
    }
    let taken = json!({ "name": "GITHUB-reader", "permissions": ["read"] });
    client.send("POST", "/v1/roles", &taken).expect_refusal(409, "conflict");
    assert_eq!(body(&client.ask("DELETE", &format!("/v1/roles/{}", id.as_str().unwrap()))), json!({ "success": true }));
    client.send("PATCH", "/v1/roles/github-reader", &change).expect_refusal(404, "not_found");
    for method in ["GET", "DELETE"] {
        client.ask(method, "/v1/roles/github-reader").expect_refusal(404, "not_found");
    }
}

#[test]
fn what_is_no_role_is_refused() {
    let appliance = Appliance::start();
    let client = Client::of(&appliance);
    for (name, wrong) in [
        ("name", json!("a b")),
        ("name", json!("")),
        ("name", json!("550e8400-e29b-41d4-a716-446655440000")),
        ("permissions", json!([])),
        ("permissions", json!(["reed"])),
        ("permissions", json!(["READ"])),
        ("permissions", json!("read")),
        ("permissions", Value::Null),
        ("credential_scopes", json!(["["])),
        ("credential_scopes", json!(["**"])),
        ("credential_scopes", json!(["{}"])),
        ("credential_scopes", json!([""])),
        ("credential_scopes", json!("*")),
        ("description", json!("a\u{7}")),
        ("unknown", json!(1)),
    ] {
        let mut new = json!({ "name": "fine", "permissions": ["read"], "credential_scopes": ["a-*"] });
        new[name] = wrong;
        client.send("POST", "/v1/roles", &new).expect_refusal(400, "invalid_request");
    }
    assert_eq!(body(&client.get("/v1/roles")), json!({ "roles": [] }));
}

#[test]
fn a_key_makes_no_role_that_can_do_more_than_its_own() {
    let appliance = guarded().start();
    let client = Client::that_may(&appliance, "admin,read", "github-*");
    for (permissions, scopes) in [
        (json!(["read", "execute"]), json!(["github-*"])),
        (json!(["read"]), json!(["*"])),
        (json!(["read"]), json!([])),
        (json!(["admin"]), json!(["github-*", "stripe-*"])),
    ] {
        let new = json!({ "name": "wider", "permissions": permissions, "credential_scopes": scopes });
        client.send("POST", "/v1/roles", &new).expect_refusal(403, "forbidden").because("wider");
    }
    let new = json!({ "name": "narrower", "permissions": ["read"], "credential_scopes": ["github-api"] });
    created(&client.send("POST", "/v1/roles", &new));
    let wider = json!({ "permissions": ["execute"] });
    client.send("PATCH", "/v1/roles/narrower", &wider).expect_refusal(403, "forbidden").because("wider");
}
