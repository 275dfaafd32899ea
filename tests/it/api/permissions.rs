//! Every endpoint, once with each permission alone: who may do what.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    api::{Client, guarded, json as body},
    support::{Credential, Origin},
};

const ALL: [&str; 6] = ["read", "write", "update", "delete", "execute", "admin"];

/// Method, path as the description has it, the name in it, and the permissions each of which is enough; all is any key.
const TABLE: &[(&str, &str, &str, &[&str])] = &[
    ("POST", "/v1/execute", "", &["execute"]),
    ("GET", "/metrics", "", &["read"]),
    ("GET", "/v1/credentials", "", &["read"]),
    ("POST", "/v1/credentials", "", &["write"]),
    ("GET", "/v1/credentials/{alias}", "there", &["read"]),
    ("PATCH", "/v1/credentials/{alias}", "there", &["update"]),
    ("DELETE", "/v1/credentials/{alias}", "there", &["delete"]),
    ("GET", "/v1/roles", "", &["admin"]),
    ("POST", "/v1/roles", "", &["admin"]),
    ("GET", "/v1/roles/{role}", "there", &["admin"]),
    ("PATCH", "/v1/roles/{role}", "there", &["admin"]),
    ("GET", "/v1/keys", "", &["admin"]),
    ("POST", "/v1/keys", "", &["admin"]),
    ("DELETE", "/v1/keys/{key}", "vk_nosuch", &["admin"]),
    ("DELETE", "/v1/roles/{role}", "there", &["admin"]),
    ("GET", "/v1/policies", "", &["read", "admin"]),
    ("POST", "/v1/policies/test", "", &["read"]),
    ("GET", "/v1/audit", "", &ALL),
    ("GET", "/v1/types", "", &ALL),
    ("GET", "/v1/credentials/types", "", &ALL),
    ("GET", "/v1/openapi.json", "", &ALL),
];

fn asked(path: &str, origin: &Origin, permission: &str) -> Value {
    let params = json!({ "method": "GET", "url": origin.url("/x") });
    match path {
        "/v1/execute" => json!({ "credential": "there", "action": "http.request", "params": params }),
        "/v1/credentials" => json!({ "alias": permission, "type": "api_key", "data": { "key": "x" } }),
        "/v1/credentials/{alias}" | "/v1/roles/{role}" => json!({ "description": permission }),
        "/v1/roles" => json!({ "name": permission, "permissions": [permission] }),
        "/v1/keys" => json!({ "name": "k", "role_id": "there" }),
        "/v1/policies/test" => json!({ "credential": "there", "url": origin.url("/x") }),
        _ => Value::Null,
    }
}

#[test]
fn each_permission_opens_what_it_should_and_nothing_else() {
    let appliance = guarded().credential(Credential::key("there", "k", &["localhost:*"])).start();
    let origin = Origin::https();
    let described = body(&Client::that_may(&appliance, "read", "").get("/v1/openapi.json"));
    let described: BTreeSet<(String, String)> =
        described["paths"].as_object().unwrap().iter().flat_map(methods).collect();
    let table = TABLE.iter().map(|(method, path, ..)| ((*path).to_owned(), (*method).to_owned())).collect();
    assert_eq!(described, table, "every endpoint is in the table");

    appliance.cli(&["role", "create", "there", "--permissions", "admin"]).expect_success();
    for permission in ALL {
        let client = Client::that_may(&appliance, permission, "");
        for (method, path, name, enough) in TABLE {
            let place = path.split('{').next().unwrap().to_owned() + name;
            let asked = asked(path, &origin, permission);
            let answer = if asked.is_null() || *method == "GET" || *method == "DELETE" {
                client.ask(method, &place)
            } else {
                client.send(method, &place, &asked)
            };
            let context = format!("{method} {path} with {permission}: {}", answer.text());
            if enough.contains(&permission) {
                // The name in the path need not be there: whoever may ask is told so.
                let fine = [200, 201].contains(&answer.status()) || (!name.is_empty() && answer.status() == 404);
                assert!(fine, "{context}");
            } else {
                assert_eq!(answer.status(), 403, "{context}");
                let refusal = answer.expect_refusal(403, "forbidden").because("permission");
                assert_eq!(refusal.details["permission"], json!(enough[0]), "{context}");
            }
        }
        // What was deleted on the way.
        if permission == "delete" {
            appliance.add(&Credential::key("there", "k", &["localhost:*"]));
        }
    }
}

/// Of one path; `/health` is for everybody.
fn methods((path, item): (&String, &Value)) -> Vec<(String, String)> {
    let methods = item.as_object().unwrap().keys().filter(|_| path != "/health");
    methods.map(|it| (path.clone(), it.to_uppercase())).collect()
}
