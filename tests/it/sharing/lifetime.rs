//! How long an idle connection outlives a change: not at all if the change is about its caller, credential or policies, and
//! as long as ever if it is not.

use serde_json::json;

use crate::{
    sharing::{of, on_one_core, two_callers},
    support::{Appliance, Http2Origin, Origin, WAYS, Way, appliance::Builder, visit::Seen},
};

const POLICIES: &str = "[[policies]]\nname = \"of-ann\"\ncredential_pattern = \"ann\"\ndefault_action = \"allow\"\n\
                        [[policies]]\nname = \"of-bob\"\ncredential_pattern = \"bob\"\ndefault_action = \"allow\"\n";

fn with_chief() -> Builder {
    two_callers()
        .role("chief", "admin,delete,execute,read,update,write", "")
        .key("chief", "chief")
        .set("rate_limits.management", "0")
        .sections(POLICIES)
}

/// A connection of each caller, used once, in the order ann, bob.
fn idle_connections(appliance: &Appliance, origin: &Origin, way: Way) {
    for name in ["ann", "bob"] {
        of(name, appliance, way, origin).ask("GET", "/", &[("X-Vultrino-Credential", name)]).expect_origins(200);
    }
    assert_eq!(origin.connections(), 2);
}

/// Waits until ann's is closed, and asks with bob's.
fn ann_has_lost_hers(appliance: &Appliance, origin: &Origin, change: &str) {
    let hers_is_over = |seen: &[Seen]| seen[0].over.then_some(());
    origin.until(&format!("the connection is closed after: {change}"), hers_is_over);
    let mut bob = of("bob", appliance, Way::Path, origin);
    bob.ask("GET", "/", &[("X-Vultrino-Credential", "bob")]).expect_origins(200);
    assert_eq!(origin.connections(), 2, "{change}: bob's connection is the one that he had");
}

#[test]
fn an_idle_connection_does_not_outlive_what_it_was_opened_for() {
    let changes: [(&str, &[&str]); 7] = [
        ("the credential has another secret", &["update"]),
        ("it is bound to another host", &["bind", "ann", "other.example.com"]),
        ("it is bound to none", &["unbind", "ann", "localhost:*"]),
        ("it is gone", &["delete", "ann", "--force"]),
        ("the role is narrower", &["role", "update", "ann", "--scopes", "other-*"]),
        ("the role is gone", &["role", "delete", "ann", "--force"]),
        ("the key is revoked", &["key", "revoke"]),
    ];
    for (at, (change, arguments)) in changes.into_iter().enumerate() {
        let appliance = on_one_core(with_chief());
        let origin = Origin::https();
        idle_connections(&appliance, &origin, WAYS[at % 3]);
        match arguments {
            ["update"] => {
                let body = json!({ "data": { "key": "another-secret" } });
                appliance.api(appliance.key("chief")).send("PATCH", "/v1/credentials/ann", &body).expect_origins(200);
            }
            ["key", "revoke"] => {
                appliance.cli(&["key", "revoke", &appliance.key("ann")[..11]]).expect_success();
            }
            arguments => drop(appliance.cli(arguments).expect_success()),
        }
        ann_has_lost_hers(&appliance, &origin, change);
    }
}

#[test]
fn an_idle_connection_does_not_outlive_a_policy() {
    let appliance = on_one_core(with_chief());
    let origin = Origin::https();
    idle_connections(&appliance, &origin, Way::Path);
    let stricter = POLICIES.replacen("default_action = \"allow\"", "default_action = \"deny\"", 1);
    appliance.rewrite_config(None, &stricter);
    appliance.hang_up();
    ann_has_lost_hers(&appliance, &origin, "the policy is stricter");
}

#[test]
fn a_hundred_changes_that_are_about_others_close_no_connection() {
    let appliance = on_one_core(with_chief());
    let (origin, http2) = (Origin::https(), Http2Origin::start());
    let bearer = format!("Bearer {}", appliance.key("ann"));
    let ask = || {
        of("ann", &appliance, Way::Path, &origin)
            .ask("GET", "/", &[("X-Vultrino-Credential", "ann")])
            .expect_origins(200);
        let mut agent = crate::support::Agent::to(&appliance, Way::Path, "https", &http2.authority());
        agent.ask("GET", "/", &[("X-Vultrino-Credential", "ann"), ("Authorization", &bearer)]).expect_origins(200);
    };
    ask();
    let mut api = appliance.api(appliance.key("chief"));
    for at in 0..33 {
        let role = json!({ "name": format!("role-{at}"), "permissions": ["read"] });
        assert!(api.post("/v1/roles", &role).status() < 300);
        let key = json!({ "name": format!("key-{at}"), "role_id": format!("role-{at}") });
        assert!(api.post("/v1/keys", &key).status() < 300);
        let alias = format!("other-{at}");
        let credential = json!({ "alias": alias, "type": "api_key", "data": { "key": "k" }, "hosts": ["h.example"] });
        assert!(api.post("/v1/credentials", &credential).status() < 300);
        ask();
    }
    let more = "[[policies]]\nname = \"more\"\ncredential_pattern = \"other-*\"\ndefault_action = \"deny\"\n";
    appliance.rewrite_config(None, &format!("{more}{POLICIES}"));
    appliance.hang_up();
    appliance.expect_printed("the configuration was read anew");
    ask();
    assert_eq!((origin.connections(), http2.known().connections), (1, 1));
}
