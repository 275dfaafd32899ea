//! `/v1/credentials`: what is told of them, how they are changed, and that nothing ever tells a secret.

use serde_json::{Value, json};

use crate::{
    api::{Client, created, guarded, json as body},
    support::{
        Agent, Appliance, Credential, Origin, Way,
        appliance::{ALIAS, BEARER},
    },
};

const SECRET: &str = "sekrit-\"quoted\"\\and\u{20ac}scaped-zqxj";

/// Without the quotes around it: as a JSON document may hold it.
fn spellings() -> [String; 3] {
    let escaped = json!(SECRET).to_string();
    [SECRET.to_owned(), escaped.trim_matches('"').to_owned(), "zqxj".to_owned()]
}

#[test]
fn a_credential_is_added_listed_shown_changed_and_deleted() {
    let appliance = Appliance::builder().without_credentials().start();
    let client = Client::of(&appliance);
    assert_eq!(body(&client.get("/v1/credentials")), json!({ "credentials": [] }));
    let new = json!({
        "alias": "new-api-key",
        "type": "basic_auth",
        "data": { "username": "jo", "password": SECRET },
        "description": "Description of this credential",
        "metadata": { "team": "backend" },
        "hosts": ["localhost:*"],
    });
    let answer = created(&client.send("POST", "/v1/credentials", &new));
    let id = answer["id"].as_str().unwrap().to_owned();
    assert_eq!(answer, json!({ "id": id, "alias": "new-api-key" }));
    client.send("POST", "/v1/credentials", &new).expect_refusal(409, "conflict");

    let list = body(&client.get("/v1/credentials"));
    let at = list["credentials"][0]["created_at"].clone();
    assert!(at.as_str().is_some_and(|it| it.len() == 20 && it.ends_with('Z')), "{at}");
    let listed = json!({
        "id": id, "alias": "new-api-key", "type": "basic_auth", "description": "Description of this credential",
        "created_at": at, "updated_at": at,
    });
    assert_eq!(list, json!({ "credentials": [listed] }));
    let mut shown = listed;
    shown["metadata"] = json!({ "team": "backend" });
    shown["hosts"] = json!(["localhost:*"]);
    shown["auto"] = json!(true);
    assert_eq!(body(&client.get("/v1/credentials/new-api-key")), shown);
    assert_eq!(body(&client.get("/v1/credentials?type=basic_auth"))["credentials"].as_array().unwrap().len(), 1);
    assert_eq!(body(&client.get("/v1/credentials?type=api_key")), json!({ "credentials": [] }));

    let change = json!({ "description": null, "metadata": {}, "hosts": [], "auto": false });
    let changed = body(&client.send("PATCH", "/v1/credentials/new-api-key", &change));
    assert_eq!((&changed["id"], &changed["description"]), (&json!(id), &Value::Null));
    assert_eq!((&changed["metadata"], &changed["hosts"], &changed["auto"]), (&json!({}), &json!([]), &json!(false)));
    assert_eq!(changed, body(&client.get("/v1/credentials/new-api-key")));
    // What is left out stays.
    assert_eq!(
        body(&client.send("PATCH", "/v1/credentials/new-api-key", &json!({ "auto": true })))["hosts"],
        json!([])
    );

    assert_eq!(body(&client.ask("DELETE", "/v1/credentials/new-api-key")), json!({ "success": true }));
    for method in ["GET", "DELETE"] {
        client.ask(method, "/v1/credentials/new-api-key").expect_refusal(404, "not_found");
    }
    client.send("PATCH", "/v1/credentials/new-api-key", &json!({})).expect_refusal(404, "not_found");
    for action in ["credential_add", "credential_update", "credential_delete"] {
        appliance.audit(action, |lines| {
            lines.iter().find(|it| it.action == action && it.door == "API" && it.get("outcome") == "ok").cloned()
        });
    }
}

#[test]
fn what_was_changed_holds_for_the_next_request() {
    let appliance = Appliance::builder().without_credentials().start();
    let origin = Origin::https();
    let client = Client::of(&appliance);
    let path = |alias: &str| {
        let mut agent = Agent::dial(appliance.address());
        let (host, url) = (appliance.address(), origin.url("/x"));
        agent.send(format!("GET /{url} HTTP/1.1\r\nHost: {host}\r\nX-Vultrino-Credential: {alias}\r\n\r\n"));
        agent.answer("GET").status()
    };
    for turn in 0..20 {
        let (alias, first, second) = (format!("a-{turn}"), format!("first-{turn}"), format!("second-{turn}"));
        let new = json!({ "alias": alias, "type": "api_key", "data": { "key": first }, "hosts": ["localhost:*"] });
        created(&client.send("POST", "/v1/credentials", &new));
        assert_eq!(path(&alias), 200);
        let place = format!("/v1/credentials/{alias}");
        body(&client.send("PATCH", &place, &json!({ "data": { "key": second } })));
        assert_eq!(path(&alias), 200);
        body(&client.ask("DELETE", &place));
        assert_eq!(path(&alias), 404);
    }
    let mut used: Vec<_> = origin.requests().iter().map(|it| it.values("authorization")[0].to_owned()).collect();
    let mut given: Vec<_> =
        (0..20).flat_map(|it| [format!("Bearer first-{it}"), format!("Bearer second-{it}")]).collect();
    used.sort();
    given.sort();
    assert_eq!(used, given);
}

#[test]
fn the_secret_goes_up_as_it_was_given_and_comes_back_from_nowhere() {
    let appliance = Appliance::builder().without_credentials().start();
    let origin = Origin::https();
    let client = Client::of(&appliance);
    let data = json!({ "username": "jo", "password": SECRET });
    let mut answers = vec![];
    let new = json!({ "alias": "b", "type": "basic_auth", "data": data, "hosts": ["localhost:*"] });
    answers.push(client.send("POST", "/v1/credentials", &new));
    answers.push(client.send("POST", "/v1/credentials", &new));
    answers.push(client.send("PATCH", "/v1/credentials/b", &json!({ "data": data })));
    for path in ["/v1/credentials", "/v1/credentials/b", "/v1/audit", "/v1/openapi.json", "/health"] {
        answers.push(client.get(path));
    }
    // Wherever it stands by mistake.
    for wrong in [
        json!({ "alias": SECRET, "type": "api_key", "data": { "key": "x" } }),
        json!({ "alias": "c", "type": SECRET, "data": { "key": "x" } }),
        json!({ "alias": "c", "type": "api_key", "data": SECRET }),
        json!({ "alias": "c", "type": "api_key", "data": { SECRET: 1 } }),
        json!({ "alias": "c", "type": "api_key", "data": { "key": [SECRET] } }),
        json!({ "alias": "c", "type": "api_key", "data": { "key": format!("{SECRET}\n") } }),
        json!({ "alias": "c", "type": "api_key", "data": { "username": SECRET, "password": SECRET } }),
        json!({ "alias": "c", "type": "basic_auth", "data": { "username": format!("{SECRET}:"), "password": "x" } }),
        json!({ "alias": "c", "type": "api_key", "data": { "key": "x" }, "metadata": SECRET }),
        json!({ "alias": "c", "type": "api_key", "data": { "key": "x" }, "hosts": [SECRET] }),
        json!({ "alias": "c", "type": "api_key", "data": { "key": "x" }, "auto": SECRET }),
        json!({ "alias": "c", "type": "api_key", "data": { "key": "x" }, SECRET: 1 }),
        json!([SECRET]),
    ] {
        let answer = client.send("POST", "/v1/credentials", &wrong);
        assert_eq!(answer.status(), 400, "{wrong}");
        answers.push(answer);
        answers.push(client.send("PATCH", "/v1/credentials/b", &wrong));
    }
    let params = json!({ "method": "GET", "url": origin.url("/x") });
    answers.push(client.send(
        "POST",
        "/v1/execute",
        &json!({ "credential": "b", "action": "http.request", "params": params }),
    ));
    let basic = base64(&format!("jo:{SECRET}"));
    assert_eq!(origin.only_request().values("authorization"), [format!("Basic {basic}")]);
    let answers = answers.iter().flat_map(|it| [format!("{:?}", it.message), it.text()]);
    let all = answers.chain([appliance.printed(), appliance.audit_text()]).collect::<String>();
    for spelling in spellings() {
        let shown = all.find(&spelling).map(|at| all[..at].chars().rev().take(300).collect::<String>());
        assert_eq!(shown.map(|it| it.chars().rev().collect::<String>()), None, "{spelling}");
    }
}

fn base64(text: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    STANDARD.encode(text)
}

#[test]
fn what_is_no_credential_is_refused() {
    let appliance = Appliance::start();
    let client = Client::of(&appliance);
    let before = body(&client.get("/v1/credentials"));
    let data = json!({ "key": "x" });
    for (name, wrong) in [
        ("alias", json!("../x")),
        ("alias", json!("a/b")),
        ("alias", json!("")),
        ("alias", json!("a".repeat(300))),
        ("alias", json!("a\n")),
        ("alias", json!("types")),
        ("alias", Value::Null),
        ("type", json!("oauth2")),
        ("type", json!("API_KEY")),
        ("data", json!({})),
        ("data", json!({ "key": "" })),
        ("data", json!({ "key": "x", "more": "y" })),
        ("data", json!({ "key": "x\r\nEvil: 1" })),
        ("data", Value::Null),
        ("description", json!("a\u{0}")),
        ("description", json!("a".repeat(2000))),
        ("metadata", json!([])),
        ("metadata", json!({ "header_name": "Host" })),
        ("metadata", json!({ "header-name": "X-API-Key" })),
        ("metadata", json!({ "header_prefix": "Token " })),
        ("metadata", json!({ "header_name": "X\r\nEvil" })),
        ("hosts", json!(["https://x/y"])),
        ("hosts", json!("localhost")),
        ("auto", json!("yes")),
    ] {
        let mut new = json!({ "alias": "fine", "type": "api_key", "data": data });
        new[name] = wrong;
        client.send("POST", "/v1/credentials", &new).expect_refusal(400, "invalid_request");
    }
    for name in ["alias", "type", "data"] {
        let mut new = json!({ "alias": "fine", "type": "api_key", "data": data });
        new.as_object_mut().unwrap().remove(name);
        let refusal = client.send("POST", "/v1/credentials", &new).expect_refusal(400, "invalid_request");
        assert!(refusal.message.contains(&format!("missing field `{name}`")), "{refusal:?}");
    }
    let basic = json!({ "data": { "username": "jo", "password": "x" } });
    client.send("PATCH", &format!("/v1/credentials/{ALIAS}"), &basic).expect_refusal(400, "invalid_request");
    for name in ["data", "metadata", "hosts", "auto"] {
        let place = format!("/v1/credentials/{ALIAS}");
        client.send("PATCH", &place, &json!({ name: null })).expect_refusal(400, "invalid_request");
    }
    let large = json!({ "alias": "fine", "type": "api_key", "data": data, "metadata": { "x": "y".repeat(20_000) } });
    client.send("POST", "/v1/credentials", &large).expect_refusal(400, "invalid_request");
    let larger = json!({ "alias": "fine", "type": "api_key", "data": data, "description": "y".repeat(70_000) });
    client.send("POST", "/v1/credentials", &larger).expect_refusal(413, "payload_too_large");
    let taken = json!({ "alias": ALIAS.to_uppercase(), "type": "api_key", "data": data });
    client.send("POST", "/v1/credentials", &taken).expect_refusal(409, "conflict");
    for path in ["a%2fb", "..%2fx", "a%0a", "%ff", "a%20b", "%00", &"a".repeat(65)] {
        for method in ["GET", "DELETE"] {
            client.ask(method, &format!("/v1/credentials/{path}")).expect_refusal(400, "invalid_request");
        }
    }
    for query in ["?type=nothing", "?typ=api_key", "?type=api_key&type=api_key", "?x"] {
        client.get(&format!("/v1/credentials{query}")).expect_refusal(400, "invalid_request");
    }
    assert_eq!(body(&client.get("/v1/credentials")), before);
}

#[test]
fn a_known_token_binds_itself_and_any_other_is_bound_to_nothing() {
    let appliance = Appliance::builder().without_credentials().start();
    let client = Client::of(&appliance);
    let add = |alias: &str, key: &str| {
        created(&client.send(
            "POST",
            "/v1/credentials",
            &json!({ "alias": alias, "type": "api_key", "data": { "key": key } }),
        ));
        body(&client.get(&format!("/v1/credentials/{alias}")))["hosts"].clone()
    };
    assert!(add("github", &format!("ghp_{}", "a".repeat(36))).to_string().contains("api.github.com"));
    assert_eq!(add("other", "opaque"), json!([]));
    let params = json!({ "method": "GET", "url": "https://api.github.com/user" });
    let asked = json!({ "credential": "other", "action": "http.request", "params": params });
    client.send("POST", "/v1/execute", &asked).expect_refusal(403, "forbidden").because("unbound");
}

#[test]
fn no_call_of_the_api_sends_a_stored_secret_where_its_owner_did_not() {
    let stored = Credential::key("stored", "made-up-and-stored", &["localhost:*", "api.example.com"]);
    let headed = Credential::key("headed", "made-up", &["localhost:*"]).with("--header").with("X-K");
    let appliance = Appliance::builder().credential(stored).credential(headed).start();
    let client = Client::of(&appliance);
    let prefixed = json!({ "metadata": { "header_name": "X-K", "header_prefix": "Token " } });
    let refused = client.send("PATCH", "/v1/credentials/headed", &prefixed);
    refused.expect_refusal(403, "forbidden").because("secret_needed");
    let patch = |change: Value| client.send("PATCH", "/v1/credentials/stored", &change);
    for change in [
        json!({ "hosts": ["localhost:*", "evil.example.com"] }),
        json!({ "hosts": ["*.example.com"] }),
        json!({ "hosts": ["http://localhost"] }),
        json!({ "metadata": { "header_name": "X-Echoed" } }),
        json!({ "metadata": { "reuse": "after-body" } }),
    ] {
        patch(change).expect_refusal(403, "forbidden").because("secret_needed");
    }
    assert_eq!(body(&client.get("/v1/credentials/stored"))["hosts"], json!(["localhost:*", "api.example.com"]));
    assert_eq!(body(&patch(json!({ "hosts": ["localhost:*"] })))["hosts"], json!(["localhost:*"]), "fewer may be said");
    // Without the word of the credential, `[upstream] reuse` decides.
    let strict = json!({ "metadata": { "reuse": "bodyless" } });
    assert_eq!(body(&patch(strict))["metadata"], json!({ "reuse": "bodyless" }));
    patch(json!({ "metadata": {} })).expect_refusal(403, "forbidden").because("secret_needed");
    let anew =
        json!({ "data": { "key": "my-own" }, "hosts": ["evil.example.com"], "metadata": { "header_name": "X-K" } });
    assert_eq!(body(&patch(anew))["hosts"], json!(["evil.example.com"]), "the stored secret is gone");
    appliance.cli(&["bind", "stored", "api.example.com"]).expect_success();
}

#[test]
fn outside_the_scope_there_is_nothing_to_be_seen() {
    let inside = Credential::key("in-one", "k1", &["localhost:*"]);
    let appliance = guarded().credential(inside).credential(Credential::key("out-one", "k2", &["localhost:*"])).start();
    let origin = Origin::https();
    let client = Client::that_may(&appliance, "read,write,update,delete,execute", "in-*");
    let aliases = |list: Value| list["credentials"].as_array().unwrap().iter().map(|it| it["alias"].clone()).collect();
    let seen: Vec<Value> = aliases(body(&client.get("/v1/credentials")));
    assert_eq!(seen, ["in-one"]);
    let forget = |text: &str, alias: &str| text.replace(alias, "ALIAS");
    let mut told = vec![];
    for alias in ["out-one", "out-none"] {
        let place = format!("/v1/credentials/{alias}");
        let params = json!({ "method": "GET", "url": origin.url("/x") });
        let execute = json!({ "credential": alias, "action": "http.request", "params": params });
        let new = json!({ "alias": alias, "type": "api_key", "data": { "key": "x" } });
        let test = json!({ "credential": alias, "url": origin.url("/x") });
        let refusals = [
            client.get(&place),
            client.ask("DELETE", &place),
            client.send("PATCH", &place, &json!({ "auto": false })),
            client.send("POST", "/v1/credentials", &new),
            client.send("POST", "/v1/execute", &execute),
            client.send("POST", "/v1/policies/test", &test),
        ];
        let refusals = refusals.map(|it| it.expect_refusal(403, "forbidden").because("scope").text);
        told.push(refusals.map(|it| forget(&it, alias)));
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(origin.connections(), 0);
    created(&client.send(
        "POST",
        "/v1/credentials",
        &json!({ "alias": "in-two", "type": "api_key", "data": { "key": "x" } }),
    ));
}

#[test]
fn an_alias_that_is_taken_in_another_case_is_shown_to_those_in_whose_scope_it_is() {
    let appliance = guarded().start();
    let (wide, narrow) = (Client::that_may(&appliance, "write", ""), Client::that_may(&appliance, "write", "aws-*"));
    let other = Client::that_may(&appliance, "write", "gcp-*");
    let new =
        |alias: &str| json!({ "alias": alias, "type": "api_key", "data": { "key": "k" }, "hosts": ["a.example.com"] });
    created(&wide.send("POST", "/v1/credentials", &new("AWS-prod")));
    for client in [narrow, wide] {
        let refusal = client.send("POST", "/v1/credentials", &new("aws-prod")).expect_refusal(409, "conflict");
        assert!(refusal.message.contains("`AWS-prod`"), "{refusal:?}");
    }
    let refusal = other.send("POST", "/v1/credentials", &new("aws-prod")).expect_refusal(403, "forbidden");
    assert!(!refusal.text.contains("AWS-prod"), "{refusal:?}");
}

#[test]
fn ten_changes_at_once_are_all_there() {
    let appliance = Appliance::start();
    std::thread::scope(|scope| {
        for at in 0..10 {
            let client = Client::of(&appliance);
            scope.spawn(move || {
                let new = json!({ "alias": format!("c-{at}"), "type": "api_key", "data": { "key": "x" } });
                created(&client.send("POST", "/v1/credentials", &new));
            });
        }
    });
    assert_eq!(body(&Client::of(&appliance).get("/v1/credentials"))["credentials"].as_array().unwrap().len(), 11);
    let origin = Origin::https();
    Agent::via(&appliance, Way::Path, &origin).get("/x").expect_origins(200);
    assert_eq!(origin.only_request().values("authorization"), [BEARER]);
}
