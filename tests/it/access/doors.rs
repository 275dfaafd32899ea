//! Who needs a key at which listener, and what names and keys look like on their way in.

use std::{fs, net::SocketAddr, os::unix::fs::PermissionsExt};

use serde_json::json;

use crate::{
    access::server,
    support::{
        Agent, Appliance, Credential, Origin, Shown, WAYS, Way,
        agent::NAMED,
        appliance::{ALIAS, BEARER, KEY},
    },
};

#[test]
fn local_mode_on_another_address_does_not_start() {
    let appliance = Appliance::start();
    for bind in ["0.0.0.0:0", "[::]:0"] {
        let out = appliance.cli(&["serve", "--bind", bind]);
        assert_eq!(out.status.code(), Some(1), "{bind}: {out:#?}");
        assert!(out.stderr.contains("server"), "it says which mode: {out:#?}");
    }
}

#[test]
fn server_mode_listens_on_any_address() {
    let appliance = server().set("server.bind", "\"0.0.0.0:0\"").start();
    assert!(appliance.address().ip().is_unspecified());
    let address = SocketAddr::from(([127, 0, 0, 1], appliance.address().port()));
    let origin = Origin::https();
    let key = Shown::Bearer(appliance.key("agent")).value().unwrap();
    let mut agent = Agent::dial(address).towards(Way::Path, &origin);
    agent.ask("GET", "/", &[NAMED]).expect_refusal(401, "unauthorized");
    agent.ask("GET", "/", &[NAMED, ("Authorization", &key)]).expect_origins(200);
}

#[test]
fn local_mode_needs_no_key_and_one_that_is_shown_counts() {
    let builder = Appliance::builder().credential(Credential::key(ALIAS, KEY, &["localhost:*"]));
    let origin = Origin::https();
    // Without a port of its own a tunnel that leads to nothing in scope would not come to be.
    let appliance = builder.role("others", "execute", "b-*").key("narrow", "others").reaching(&origin).start();
    let key = appliance.key("narrow").to_owned();
    for way in WAYS {
        Agent::via(&appliance, way, &origin).get("/").expect_origins(200);
        Agent::keyed(&appliance, way, &origin, &key).get("/").expect_refusal(403, "forbidden").because("scope");
        let wrong = format!("vk_{}", "0".repeat(32));
        let answer = match Agent::showing(&appliance, way, &origin, Shown::Bearer(&wrong)) {
            Ok(mut agent) => agent.get("/"),
            Err(refused) => *refused,
        };
        assert_eq!(answer.status(), if way == Way::Path { 401 } else { 407 }, "{way:?}");
    }
    assert_eq!(origin.requests().len(), 3);
}

#[test]
fn local_auth_asks_every_local_caller_for_a_key() {
    let builder = Appliance::builder().set("server.local_auth", "\"key\"");
    let builder = builder.credential(Credential::key(ALIAS, KEY, &["localhost:*"]));
    let appliance = builder.role("agents", "execute", "").key("agent", "agents").start();
    let origin = Origin::https();
    for way in [Way::Path, Way::Absolute] {
        let status = Agent::via(&appliance, way, &origin).get("/").status();
        assert_eq!(status, if way == Way::Path { 401 } else { 407 });
    }
    let refused = Agent::dial(appliance.address()).connect(&origin.authority(), &[]).unwrap_err();
    refused.expect_refusal(407, "proxy_authentication_required");
    assert_eq!(origin.connections(), 0);
    let key = appliance.key("agent").to_owned();
    for way in WAYS {
        Agent::keyed(&appliance, way, &origin, &key).get("/").expect_origins(200);
    }
}

#[test]
fn the_socket_lets_in_whom_the_file_system_lets_in() {
    let builder = Appliance::builder().set("server.local_auth", "\"key\"").set("server.socket", "\"proxy.sock\"");
    let builder = builder.credential(Credential::key(ALIAS, KEY, &["localhost:*"]));
    let appliance = builder.role("agents", "execute", "b-*").key("narrow", "agents").start();
    let socket = appliance.home().join("proxy.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o660);
    let origin = Origin::https();
    for way in [Way::Path, Way::Absolute] {
        let mut agent = Agent::dial_unix(&socket).towards(way, &origin);
        agent.get("/").expect_origins(200);
        // A key that is shown narrows here too.
        let key = Shown::Bearer(appliance.key("narrow")).value().unwrap();
        let answer = agent.ask("GET", "/", &[NAMED, (way.key_field(), &key)]);
        answer.expect_refusal(403, "forbidden").because("scope");
        agent.get("/again").expect_origins(200);
    }
    assert!(origin.requests().iter().all(|it| it.values("authorization") == [BEARER]));
    let line = appliance.audit_of("/again");
    assert_eq!((line.get("outcome"), line.get("source")), ("ok", "-"), "{}", line.text);
}

#[test]
fn the_socket_of_a_server_asks_for_a_key_like_its_other_listener() {
    let appliance = server().set("server.socket", "\"proxy.sock\"").start();
    let socket = appliance.home().join("proxy.sock");
    let origin = Origin::https();
    let key = Shown::Bearer(appliance.key("agent")).value().unwrap();
    let mut agent = Agent::dial_unix(&socket).towards(Way::Path, &origin);
    agent.get("/").expect_refusal(401, "unauthorized");
    agent.ask("GET", "/", &[NAMED, ("Authorization", &key)]).expect_origins(200);
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn an_alias_follows_its_grammar_wherever_it_is_given() {
    let appliance = server().role("all", "read,write,update,delete,execute", "").key("all", "all").start();
    let mut api = appliance.api(appliance.key("all"));
    let new = |alias: &str| json!({ "alias": alias, "type": "api_key", "data": { "key": "k" } });
    let long = "a".repeat(300);
    for alias in ["../x", "a/b", "a%2fb", "a\nb", "a\0b", &long, "\u{202e}abc", "аpi", "", ".a", "-a", "a b", "a:b"] {
        let answer = api.post("/v1/credentials", &new(alias));
        assert_eq!(answer.status(), 400, "{alias:?}: {answer:#?}");
        if !alias.contains('\0') {
            // An equals sign, so that no alias is taken for an option.
            let out = appliance.cli(&["add", &format!("--alias={alias}"), "--key=k", "--host=localhost"]);
            assert_eq!(out.status.code(), Some(2), "{alias:?}: {out:#?}");
        }
    }
    let taken = api.post("/v1/credentials", &new(&ALIAS.to_uppercase()));
    assert_eq!(taken.status(), 409, "{taken:#?}");
    api.post("/v1/credentials", &new("a.B_c-9")).json();
    let key = appliance.key("all").to_owned();
    let origin = Origin::https();
    for alias in ["../x", "a/b", "a%2fb", "a,b", &long, "a b"] {
        let mut agent = Agent::keyed(&appliance, Way::Path, &origin, &key);
        agent.ask("GET", "/", &[("X-Vultrino-Credential", alias)]).expect_refusal(400, "invalid_request");
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn a_text_that_could_mean_several_keys_revokes_none() {
    let appliance = server().key("second", "agents").start();
    let out = appliance.cli(&["key", "revoke", "vk_"]);
    assert_eq!(out.status.code(), Some(2), "{out:#?}");
    for name in ["agent", "second"] {
        assert!(out.stderr.contains(&appliance.key(name)[..11]), "{name} is named: {out:#?}");
        assert!(!out.stderr.contains(appliance.key(name)), "and not whole: {out:#?}");
    }
    let origin = Origin::https();
    for name in ["agent", "second"] {
        Agent::keyed(&appliance, Way::Path, &origin, appliance.key(name)).get("/").expect_origins(200);
    }
    appliance.cli(&["key", "revoke", &appliance.key("second")[..11]]).expect_success();
    crate::support::wait::until("it is gone", || {
        let mut agent = Agent::keyed(&appliance, Way::Path, &origin, appliance.key("second"));
        (agent.get("/").status() == 401).then_some(())
    });
    Agent::keyed(&appliance, Way::Path, &origin, appliance.key("agent")).get("/").expect_origins(200);
}

#[test]
fn what_a_key_did_is_for_admins_to_read() {
    let all = "read,write,update,delete,execute";
    let appliance = server().role("all", all, "").key("curious", "all").start();
    let origin = Origin::https();
    Agent::keyed(&appliance, Way::Path, &origin, appliance.key("agent")).get("/secret-path").expect_origins(200);
    appliance.audit_of("/secret-path");
    let mut api = appliance.api(appliance.key("curious"));
    assert_eq!(api.get("/v1/keys").status(), 403);
    let answer = api.get("/v1/audit");
    assert!(!answer.text().contains("secret-path"), "{}", answer.text());
    assert!([200, 403].contains(&answer.status()), "{answer:#?}");
    let other = appliance.key("agent")[..11].to_owned();
    assert!(!answer.text().contains(&other), "{}", answer.text());
}
