//! What each permission opens: the table in the documentation, walked cell by cell.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Value, json};

use crate::support::{
    Agent, Appliance, Credential, Origin, WAYS,
    api::Api,
    appliance::{ALIAS, Builder, KEY},
    process::run,
};

const PERMISSIONS: [&str; 6] = ["read", "write", "update", "delete", "execute", "admin"];
const PAGE: &str = "docs/src/roles-and-keys.md";
const HEAD: &str = "| | `read` | `write` | `update` | `delete` | `execute` | `admin` |";

/// A row of the table: an operation, and for each permission whether it is enough.
struct Row {
    operation: String,
    enough: [bool; 6],
}

/// The table as the documentation shows it.
fn documented() -> Vec<Row> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE)).unwrap();
    let (_, table) = page.split_once(HEAD).unwrap_or_else(|| panic!("{PAGE} has no table that begins with {HEAD}"));
    let rows = table.lines().skip(2).take_while(|it| it.starts_with('|'));
    rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [operation, marks @ ..] = &*cells else { panic!("{line}") };
        assert!(marks.iter().all(|it| ["", "yes"].contains(it)), "{line}");
        let enough: Vec<bool> = marks.iter().map(|it| *it == "yes").collect();
        Row { operation: (*operation).to_owned(), enough: enough.try_into().unwrap() }
    })
    .collect()
}

/// A server with a role and a key for each permission, named like it; and things to read, change and delete.
fn server() -> Builder {
    let credential = |alias: &str| Credential::key(alias, KEY, &["localhost:*"]);
    let builder = Appliance::builder().server().credential(credential(ALIAS)).credential(credential("spare"));
    let builder = PERMISSIONS.iter().fold(builder, |it, name| it.role(name, name, "").key(name, name));
    builder.role("spare", "admin", "").key("spare", "spare")
}

/// Does what a row says, and gives the status.
#[track_caller]
fn attempt(appliance: &Appliance, origin: &Origin, permission: &str, operation: &str) -> u16 {
    let key = appliance.key(permission);
    let mut api = appliance.api(key);
    let found = |list: &str, name: &str, appliance: &Appliance| -> String {
        let all: Value = appliance.api(appliance.key("admin")).get(&format!("/v1/{list}")).json();
        let found = all[list].as_array().unwrap().iter().find(|it| it["name"] == name);
        found.unwrap_or_else(|| panic!("{all:#}"))["id"].as_str().unwrap().to_owned()
    };
    let credential = json!({ "alias": "made", "type": "api_key", "data": { "key": "k" } });
    let answer = match operation.trim_matches('`') {
        "a request through the proxy, in any way" => {
            let statuses: BTreeSet<u16> = WAYS.into_iter().map(|way| through(appliance, way, origin, key)).collect();
            assert_eq!(statuses.len(), 1, "{permission}: {statuses:?}");
            return statuses.into_iter().next().unwrap();
        }
        "POST /v1/execute" => api.execute(ALIAS, "GET", &origin.url("/")),
        "GET /v1/credentials/{alias}" => api.get(&format!("/v1/credentials/{ALIAS}")),
        "POST /v1/credentials" => api.post("/v1/credentials", &credential),
        "PATCH /v1/credentials/{alias}" => {
            api.send("PATCH", "/v1/credentials/spare", &json!({ "description": "changed" }))
        }
        "DELETE /v1/credentials/{alias}" => api.delete("/v1/credentials/spare"),
        "POST /v1/roles" => api.post("/v1/roles", &json!({ "name": "made", "permissions": ["admin"] })),
        "GET /v1/roles/{role}" => api.get("/v1/roles/read"),
        "PATCH /v1/roles/{role}" => api.send("PATCH", "/v1/roles/spare", &json!({ "description": "changed" })),
        "DELETE /v1/roles/{role}" => api.delete("/v1/roles/spare"),
        "POST /v1/keys" => {
            api.post("/v1/keys", &json!({ "name": "made", "role_id": found("roles", "admin", appliance) }))
        }
        "DELETE /v1/keys/{key}" => api.delete(&format!("/v1/keys/{}", found("keys", "spare", appliance))),
        "POST /v1/policies/test" => {
            api.post("/v1/policies/test", &json!({ "credential": ALIAS, "url": origin.url("/") }))
        }
        plain => api.get(plain.strip_prefix("GET ").unwrap_or_else(|| panic!("nobody knows how to try {plain}"))),
    };
    if answer.status() == 403 {
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body["details"]["reason"], "permission", "{operation}: {body}");
    }
    answer.status()
}

fn through(appliance: &Appliance, way: crate::support::Way, origin: &Origin, key: &str) -> u16 {
    match Agent::showing(appliance, way, origin, crate::support::Shown::Bearer(key)) {
        Ok(mut agent) => agent.get("/").status(),
        Err(refused) => refused.expect_refusal(403, "forbidden").because("permission").status,
    }
}

#[test]
fn each_cell_of_the_documented_table_is_as_it_says() {
    let appliance = server().start();
    let origin = Origin::https();
    let mut wrong = Vec::new();
    let rows = documented();
    assert!(rows.len() > 15, "{}", rows.len());
    for Row { operation, enough } in &rows {
        // What a permission opens comes last: until then there is something to be refused.
        let mut order: Vec<usize> = (0..6).collect();
        order.sort_by_key(|at| enough[*at]);
        for at in order {
            let status = attempt(&appliance, &origin, PERMISSIONS[at], operation);
            let is_as_told = if enough[at] { (200..300).contains(&status) } else { status == 403 };
            if !is_as_told {
                wrong.push(format!("{operation} with {}: {status}, documented {}", PERMISSIONS[at], enough[at]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_documented_table_has_a_row_for_every_call_of_the_api() {
    let appliance = server().start();
    let description = appliance.api(appliance.key("read")).get("/v1/openapi.json").json();
    let mut calls = BTreeSet::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        let methods = item
            .as_object()
            .unwrap()
            .keys()
            .filter(|it| ["get", "post", "put", "patch", "delete"].contains(&it.as_str()));
        calls.extend(methods.map(|method| format!("`{} {path}`", method.to_uppercase())));
    }
    // Nobody needs a key for these; see below.
    let open = ["`GET /health`", "`GET /metrics`"];
    calls.retain(|it| !open.contains(&it.as_str()));
    let rows: BTreeSet<String> =
        documented().into_iter().map(|it| it.operation).filter(|it| it.starts_with('`')).collect();
    assert_eq!(rows, calls);
}

#[test]
fn health_needs_no_key_and_all_else_does() {
    let appliance = server().start();
    let mut api: Api = appliance.api_without_key();
    assert_eq!(api.get("/health").status(), 200);
    for row in documented().iter().filter(|it| it.operation.starts_with('`')) {
        let (method, path) = row.operation.trim_matches('`').split_once(' ').unwrap();
        let path = path.replace(['{', '}'], "");
        let answer = if method == "GET" { api.get(&path) } else { api.send(method, &path, &json!({})) };
        assert_eq!(answer.status(), 401, "{}: {answer:#?}", row.operation);
    }
}

#[test]
fn a_key_alone_opens_no_store_at_the_command_line() {
    let appliance = server().start();
    let key = appliance.key("admin").to_owned();
    let before = fs::read(appliance.home().join("credentials.enc")).unwrap();
    for words in [
        "list",
        "get walls",
        "get walls --show-secret --force",
        "add --alias x --key k --host localhost",
        "delete walls --force",
        "bind walls localhost",
        "unbind walls localhost:*",
        "request walls https://localhost/",
        "role list",
        "role get read",
        "role create x --permissions read",
        "role update read --permissions read",
        "role delete read --force",
        "key list",
        "key create x --role read",
        "key revoke vk_0000",
        "password change --new-password-stdin",
        "admin set-password --admin-password-stdin",
        "serve",
    ] {
        let mut command = appliance.command(&words.split(' ').collect::<Vec<_>>());
        command.env_remove("VULTRINO_PASSWORD").env("VULTRINO_API_KEY", &key);
        let out = run(&mut command, "another-long-password\n");
        assert_eq!(out.status.code(), Some(4), "{words}: {out:#?}");
        assert!(!out.stdout.contains(KEY) && !out.stderr.contains(KEY), "{words}");
    }
    let after = fs::read(appliance.home().join("credentials.enc")).unwrap();
    assert!(before == after, "the store is as it was");
}
