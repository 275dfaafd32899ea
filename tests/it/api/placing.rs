//! Where a stored secret is sent is the choice of those who know it, and what goes with the requests of others that of
//! an administrator.

use serde_json::{Value, json};

use crate::{
    api::{Client, created, guarded, json as body, minted},
    support::{Agent, Credential, Origin, Way, appliance::ALIAS, mcp::DOORS},
};

const STORED: &str = "/v1/credentials/stored";

/// A credential that requests must name.
fn named(alias: &str) -> Credential {
    Credential::key(alias, "made-up-and-stored", &["localhost:*"]).with("--no-auto")
}

#[test]
fn a_new_secret_is_not_sent_where_another_caller_chose_until_the_hosts_are_repeated() {
    let appliance = guarded().credential(named("stored")).start();
    let origin = Origin::https();
    let owner = Client::that_may(&appliance, "read,update,execute", "");
    let other = Client::that_may(&appliance, "update,execute", "");
    let rotated = |secret: &str| json!({ "data": { "key": secret } });
    // Hosts chosen at the command line, and by the caller itself, are known.
    body(&owner.send("PATCH", STORED, &rotated("second")));

    let widened = json!({ "data": { "key": "dummy" }, "hosts": ["localhost:*", "evil.example.com"] });
    body(&other.send("PATCH", STORED, &widened));
    body(&other.send("PATCH", STORED, &rotated("dummy")));
    let refused = owner.send("PATCH", STORED, &rotated("third"));
    let refusal = refused.expect_refusal(409, "conflict").because("hosts_needed");
    let details: Value = serde_json::from_str(&refusal.text).unwrap();
    assert_eq!(details["details"]["hosts"], json!(["localhost:*", "evil.example.com"]), "{refusal:?}");
    // What adds hosts at the command line does not vouch for those that were there.
    appliance.cli(&["bind", "stored", "other.example.com"]).expect_success();
    owner.send("PATCH", STORED, &rotated("third")).expect_refusal(409, "conflict").because("hosts_needed");

    let repeated = json!({ "data": { "key": "third" }, "hosts": ["localhost:*"] });
    assert_eq!(body(&owner.send("PATCH", STORED, &repeated))["hosts"], json!(["localhost:*"]));
    body(&owner.send("PATCH", STORED, &rotated("fourth")));
    let mut agent = Agent::keyed(&appliance, Way::Path, &origin, &minted(&appliance, "execute", ""));
    agent.ask("GET", "/", &[("X-Vultrino-Credential", "stored")]).expect_origins(200);
    assert_eq!(origin.only_request().values("authorization"), ["Bearer fourth"]);
}

#[test]
fn a_new_secret_is_not_sent_in_a_header_that_another_caller_chose_until_it_is_repeated() {
    let appliance = guarded().credential(named("stored")).start();
    let owner = Client::that_may(&appliance, "read,update", "");
    let other = Client::that_may(&appliance, "update", "");
    let moved = json!({ "data": { "key": "dummy" }, "metadata": { "header_name": "X-Echoed" } });
    body(&other.send("PATCH", STORED, &moved));
    let secret = json!({ "key": "third" });
    for change in [json!({ "data": secret }), json!({ "data": secret, "hosts": ["localhost:*"] })] {
        let refused = owner.send("PATCH", STORED, &change);
        let refusal = refused.expect_refusal(409, "conflict").because("hosts_needed");
        assert!(refusal.text.contains("\"header_name\":\"X-Echoed\""), "{refusal:?}");
    }
    // Nor does the stored one go in another, or in none.
    for metadata in [json!({ "header_name": "X-Other" }), json!({})] {
        let change = json!({ "metadata": metadata });
        owner.send("PATCH", STORED, &change).expect_refusal(403, "forbidden").because("secret_needed");
    }
    body(&owner.send("PATCH", STORED, &json!({ "data": secret, "hosts": ["localhost:*"], "metadata": {} })));
    body(&owner.send("PATCH", STORED, &json!({ "data": secret })));
}

#[test]
fn what_a_key_without_admin_adds_is_used_only_where_it_is_named() {
    let appliance = guarded().credential(Credential::key(ALIAS, "of-the-owner", &["localhost:*"])).start();
    let origin = Origin::https();
    let writer = Client::that_may(&appliance, "read,write", "");
    let admin = Client::that_may(&appliance, "read,write,admin", "");
    let shown = |alias: &str| body(&admin.get(&format!("/v1/credentials/{alias}")))["auto"].clone();
    for (alias, auto) in [("asked", json!(true)), ("silent", Value::Null)] {
        let mut new = json!({ "alias": alias, "type": "api_key", "data": { "key": "x" }, "hosts": ["localhost:*"] });
        if !auto.is_null() {
            new["auto"] = auto;
        }
        created(&writer.send("POST", "/v1/credentials", &new));
        assert_eq!(shown(alias), json!(false), "{alias}");
    }
    for (at, door) in DOORS.into_iter().enumerate() {
        let (alias, key) = (format!("tool-{at}"), minted(&appliance, "write", ""));
        let new = json!({ "alias": alias, "type": "api_key", "key": "x", "hosts": ["localhost:*"] });
        door.open(&appliance, &key).call("add_credential", &new).done();
        assert_eq!(shown(&alias), json!(false), "{alias}");
    }
    // Requests of others that name none are as they were.
    let mut agent = Agent::keyed(&appliance, Way::Absolute, &origin, &minted(&appliance, "execute", ""));
    agent.ask("GET", "/", &[]).expect_origins(200);
    assert_eq!(origin.only_request().values("authorization"), ["Bearer of-the-owner"]);

    let new = json!({ "alias": "of-admin", "type": "api_key", "data": { "key": "x" }, "hosts": ["a.example.com"] });
    created(&admin.send("POST", "/v1/credentials", &new));
    assert_eq!(shown("of-admin"), json!(true));
}

#[test]
fn a_key_without_admin_has_no_credential_chosen_by_more_hosts() {
    let automatic = Credential::key("stored", "made-up-and-stored", &["localhost:*"]);
    let appliance = guarded().credential(automatic).credential(named("quiet")).start();
    let (updater, admin) =
        (Client::that_may(&appliance, "update", ""), Client::that_may(&appliance, "update,admin", ""));
    let wider = json!({ "data": { "key": "x" }, "hosts": ["localhost:*", "a.example.com"] });
    let refused = |client: &Client<'_>, path: &str, change: &Value| {
        client.send("PATCH", path, change).expect_refusal(403, "forbidden").because("auto_needs_admin");
    };
    refused(&updater, STORED, &wider);
    refused(&updater, "/v1/credentials/quiet", &json!({ "auto": true }));
    // What it was it may stay, and become less.
    body(&updater.send("PATCH", STORED, &json!({ "auto": true, "data": { "key": "x" } })));
    body(&admin.send("PATCH", STORED, &wider));
    body(&admin.send("PATCH", "/v1/credentials/quiet", &json!({ "auto": true })));
    body(&updater.send("PATCH", STORED, &json!({ "auto": false })));
    refused(&updater, STORED, &json!({ "auto": true }));
}
