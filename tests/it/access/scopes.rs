//! Scopes: which aliases a key reaches, and that the others look alike whether or not they exist.

use serde_json::{Value, json};

use crate::{
    access::server,
    support::{Agent, Answer, Appliance, Credential, Origin, Shown, WAYS, Way, appliance::Builder},
};

/// Within the scope of `agent`.
const OWN: &str = "a-own";
/// Outside it, of equal length: one that is there and one that is not.
const FOREIGN: [&str; 2] = ["b-is-there", "b-is-never"];

fn scoped(permissions: &str, scopes: &str) -> Builder {
    let credential = |alias: &str| Credential::key(alias, &format!("key-of-{alias}"), &["localhost:*"]);
    Appliance::builder()
        .server()
        .credential(credential(OWN))
        .credential(credential(FOREIGN[0]))
        .role("scoped", permissions, scopes)
        .key("agent", "scoped")
}

/// All that an answer shows, but for the alias that was asked for.
fn shown(answer: &Answer, alias: &str) -> String {
    format!("{:?}", **answer).replace(alias, "ALIAS")
}

#[test]
fn an_alias_out_of_scope_looks_the_same_whether_or_not_it_exists() {
    let appliance = scoped("read,write,update,delete,execute", "a-*").start();
    let key = appliance.key("agent").to_owned();
    for way in WAYS {
        let origin = Origin::https();
        let mut agent = Agent::keyed(&appliance, way, &origin, &key);
        let answers = FOREIGN.map(|alias| {
            let answer = agent.ask("GET", "/", &[("X-Vultrino-Credential", alias)]);
            answer.clone().expect_refusal(403, "forbidden").because("scope");
            shown(&answer, alias)
        });
        assert_eq!(answers[0], answers[1], "{way:?}");
        assert_eq!(origin.connections(), 0, "{way:?}");
        agent.ask("GET", "/", &[("X-Vultrino-Credential", OWN)]).expect_origins(200);
        // What is in scope may be told apart: it can be listed anyway.
        agent.ask("GET", "/", &[("X-Vultrino-Credential", "a-never")]).expect_refusal(404, "not_found");
    }
    let origin = Origin::https();
    for way in [Way::Absolute, Way::Tunnel] {
        let answers = FOREIGN.map(|alias| {
            let asked = Agent::showing(&appliance, way, &origin, Shown::Password(alias, &key));
            shown(&asked.map_or_else(|refused| *refused, |mut agent| agent.ask("GET", "/", &[])), alias)
        });
        assert_eq!(answers[0], answers[1], "{way:?}, as the user of the proxy's address");
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn an_alias_out_of_scope_looks_the_same_to_every_call_of_the_api() {
    // What is left of a limit would tell two answers apart.
    let builder = scoped("read,write,update,delete,execute", "a-*");
    let appliance = builder.set("rate_limits.management", "0").set("rate_limits.proxy", "0").start();
    let mut api = appliance.api(appliance.key("agent"));
    let origin = Origin::https();
    let new =
        |alias: &str| json!({ "alias": alias, "type": "api_key", "data": { "key": "k" }, "hosts": ["localhost:*"] });
    let mut both = |what: &str, call: &mut dyn FnMut(&mut crate::support::api::Api, &str) -> Answer| {
        let answers = FOREIGN.map(|alias| {
            let answer = call(&mut api, alias);
            assert_eq!(answer.status(), 403, "{what}: {answer:#?}");
            shown(&answer, alias)
        });
        assert_eq!(answers[0], answers[1], "{what}");
    };
    both("get", &mut |api, alias| api.get(&format!("/v1/credentials/{alias}")));
    both("delete", &mut |api, alias| api.delete(&format!("/v1/credentials/{alias}")));
    both("patch", &mut |api, alias| {
        api.send("PATCH", &format!("/v1/credentials/{alias}"), &json!({ "description": "mine now" }))
    });
    both("create", &mut |api, alias| api.post("/v1/credentials", &new(alias)));
    both("execute", &mut |api, alias| api.execute(alias, "GET", &origin.url("/")));
    assert_eq!(origin.connections(), 0);
    let listed = api.get("/v1/credentials").json();
    let aliases: Vec<&str> =
        listed["credentials"].as_array().unwrap().iter().filter_map(|it| it["alias"].as_str()).collect();
    assert_eq!(aliases, [OWN]);
    assert!(api.get(&format!("/v1/credentials/{OWN}")).json()["description"].is_null());
    let told = appliance.cli(&["get", FOREIGN[0]]).expect_success();
    assert!(!told.contains("mine now"), "{told}");
}

#[test]
fn a_host_alone_chooses_only_among_what_is_in_scope() {
    let appliance = scoped("execute", "a-*").start();
    let key = appliance.key("agent").to_owned();
    for way in [Way::Absolute, Way::Tunnel] {
        let origin = Origin::https();
        // Two are bound to this host; the caller may use one.
        Agent::keyed(&appliance, way, &origin, &key).ask("GET", "/", &[]).expect_origins(200);
        let expected = format!("Bearer key-of-{OWN}");
        assert_eq!(origin.only_request().values("authorization"), [expected], "{way:?}");
    }
}

#[test]
fn nothing_in_scope_for_a_host_is_as_if_nothing_were_bound_to_it() {
    let appliance = scoped("execute", "c-*").start();
    let key = appliance.key("agent").to_owned();
    let origin = Origin::https();
    for way in [Way::Absolute, Way::Tunnel] {
        let answer = match Agent::showing(&appliance, way, &origin, Shown::Bearer(&key)) {
            Ok(mut agent) => agent.ask("GET", "/", &[]),
            Err(refused) => *refused,
        };
        assert!(!answer.text().contains(OWN) && !answer.text().contains(FOREIGN[0]), "{}", answer.text());
        let refusal = answer.expect_refusal(403, "forbidden");
        // A tunnel to a port of no binding in scope is refused as one of no binding at all.
        let reason = if way == Way::Absolute { "unmatched" } else { "port" };
        assert_eq!(refusal.reason(), reason, "{way:?}");
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn scopes_match_in_any_case_and_a_star_is_any_run() {
    let appliance = server().set("rate_limits.auth_failures", "0").start();
    let origin = Origin::https();
    for (alias, at) in ["GitHub-api", "github-api2", "gitlab-x", "test"].iter().zip(0..) {
        appliance.add(&Credential::key(alias, &format!("k{at}"), &["localhost:*"]));
    }
    for (role, scopes, reached) in [
        ("lower", "github-*", "GitHub-api github-api2"),
        ("upper", "GITHUB-*", "GitHub-api github-api2"),
        ("part", "g*b-*", "GitHub-api github-api2 gitlab-x"),
        ("exactly", "github-API", "GitHub-api"),
        ("either", "{test,gitlab-*}", "gitlab-x test"),
        ("list", "te*, GitHub-api", "GitHub-api test"),
        ("all", "*", "GitHub-api github-api2 gitlab-x test"),
    ] {
        appliance.add_role(role, "execute", scopes);
        let key = appliance.add_key(role, role, &[]);
        let mut agent = crate::support::wait::until("the key is known", || {
            let mut agent = Agent::showing(&appliance, Way::Path, &origin, Shown::Bearer(&key)).ok()?;
            (agent.ask("GET", "/", &[("X-Vultrino-Credential", "0")]).status() != 401).then_some(agent)
        });
        let mut got = Vec::new();
        for alias in ["GitHub-api", "github-api2", "gitlab-x", "test"] {
            let answer = agent.ask("GET", "/", &[("X-Vultrino-Credential", alias)]);
            match answer.status() {
                200 => got.push(alias),
                _ => drop(answer.expect_refusal(403, "forbidden").because("scope")),
            }
        }
        assert_eq!(got.join(" "), reached, "{scopes}");
    }
}

#[test]
fn another_case_leads_out_of_no_scope_and_out_of_no_policy() {
    let policy = "[[policies]]\nname = \"closed\"\ncredential_pattern = \"github-*\"\ndefault_action = \"deny\"\n";
    let builder = server().role("writer", "read,write,execute", "github-*").key("writer", "writer").sections(policy);
    let builder = builder.role("other", "read,write,execute", "S*").key("other", "other");
    let origin = Origin::https();
    let builder = builder.credential(Credential::key("secret-db", "k", &["localhost:*"])).reaching(&origin);
    let appliance = builder.start();
    let new =
        |alias: &str| json!({ "alias": alias, "type": "api_key", "data": { "key": "k" }, "hosts": ["localhost:*"] });
    let mut api = appliance.api(appliance.key("writer"));
    assert_eq!(api.post("/v1/credentials", &new("GitHub-x")).status(), 201);
    for way in WAYS {
        let mut agent = Agent::keyed(&appliance, way, &origin, appliance.key("writer"));
        let answer = agent.ask("GET", "/", &[("X-Vultrino-Credential", "GitHub-x")]);
        assert_eq!(answer.expect_refusal(403, "policy_denied").details["policy"], "closed", "{way:?}");
        // In scope by any case, but no credential has it.
        agent.ask("GET", "/", &[("X-Vultrino-Credential", "github-X")]).expect_refusal(404, "not_found");
    }
    // An alias that is taken out of scope cannot be found by trying its other cases.
    for alias in ["secret-db", "Secret-db", "SECRET-DB", "secret-new"] {
        assert_eq!(api.post("/v1/credentials", &new(alias)).status(), 403, "{alias}");
    }
    let mut api = appliance.api(appliance.key("other"));
    assert_eq!(api.post("/v1/credentials", &new("Secret-DB")).status(), 409);
    assert_eq!(api.get("/v1/credentials/secret-db").status(), 200);
    assert_eq!(origin.connections(), 0);
}

#[test]
fn a_scope_that_is_no_pattern_is_refused_where_it_is_made() {
    let appliance = server().role("admins", "admin,execute,read", "").key("admin", "admins").start();
    let mut api = appliance.api(appliance.key("admin"));
    for scope in ["[", "[ab]", "**", "a-**", "{}", "{a", "a}", "{a,}", "", "a?", "a b", "a/b", "a\\b", "ä"] {
        let role = json!({ "name": "odd", "permissions": ["execute"], "credential_scopes": [scope] });
        let answer = api.post("/v1/roles", &role);
        assert_eq!(answer.status(), 400, "{scope:?}: {answer:#?}");
        let error: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(error["error"], "invalid_request", "{scope:?}");
        let out = appliance.cli(&["role", "create", "odd", "--permissions", "execute", "--scopes", scope]);
        assert_eq!(out.status.code(), Some(2), "{scope:?}: {out:#?}");
    }
    let listed = appliance.cli(&["role", "list"]).expect_success();
    assert!(!listed.contains("odd"), "{listed}");
}

#[test]
fn no_key_makes_a_key_or_a_role_that_may_more_than_itself() {
    let builder = scoped("read", "a-*").role("chief", "admin,execute", "a-*").key("chief", "chief");
    let appliance = builder.role("wide", "read", "").role("strong", "admin,execute,read", "a-*").start();
    let mut api = appliance.api(appliance.key("chief"));
    let role = |name: &str, permissions: &[&str], scopes: &[&str]| json!({ "name": name, "permissions": permissions, "credential_scopes": scopes });
    for (body, what) in [
        (role("r1", &["read"], &["a-*"]), "a permission it lacks"),
        (role("r2", &["execute", "write"], &["a-*"]), "one it has and one it lacks"),
        (role("r3", &["execute"], &[]), "every credential"),
        (role("r4", &["execute"], &["*"]), "every credential, in writing"),
        (role("r5", &["execute"], &["a-*", "b-*"]), "other credentials too"),
        (role("r6", &["execute"], &["*-*"]), "a pattern that reaches further"),
        (role("r7", &["execute"], &["{a,b}-*"]), "a choice that reaches further"),
    ] {
        let answer = api.post("/v1/roles", &body);
        assert_eq!(answer.status(), 403, "{what}: {answer:#?}");
    }
    api.post("/v1/roles", &role("narrow", &["execute"], &["a-own"])).json();
    let roles = api.get("/v1/roles").json();
    let id = |name: &str| {
        let found = roles["roles"].as_array().unwrap().iter().find(|it| it["name"] == name);
        found.unwrap_or_else(|| panic!("{roles:#}"))["id"].clone()
    };
    for (name, status) in [("wide", 403), ("strong", 403), ("scoped", 403)] {
        let answer = api.post("/v1/keys", &json!({ "name": "k", "role_id": id(name) }));
        assert_eq!(answer.status(), status, "{name}: {answer:#?}");
    }
    for name in ["narrow", "chief"] {
        let made = api.post("/v1/keys", &json!({ "name": "k", "role_id": id(name) })).json();
        assert!(made["key"].as_str().is_some_and(|it| it.len() == 35), "{made}");
    }
    // Whoever may write may not mint.
    let writer = scoped("read,write,update,delete,execute", "").start();
    let mut api = writer.api(writer.key("agent"));
    assert_eq!(api.post("/v1/roles", &role("r", &["read"], &["a-own"])).status(), 403);
    assert_eq!(api.post("/v1/keys", &json!({ "name": "k", "role_id": "x" })).status(), 403);
}
