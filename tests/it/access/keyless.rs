//! Keys that callers without a key create in local mode are valid there only.

use serde_json::json;

use crate::{
    api::{Client, created, json as body, minted},
    support::{
        Agent, Appliance, Credential, Origin, Shown, WAYS, agent::NAMED, appliance::ALIAS, mcp::Door, wait::until,
    },
};

/// Creates a role with all permissions and a key of it over the API.
fn create(client: &Client<'_>, name: &str) -> String {
    let permissions = ["read", "write", "update", "delete", "execute", "admin"];
    created(&client.send("POST", "/v1/roles", &json!({ "name": name, "permissions": permissions })));
    let key = created(&client.send("POST", "/v1/keys", &json!({ "name": name, "role_id": name })));
    key["key"].as_str().unwrap().to_owned()
}

#[test]
fn a_key_of_a_keyless_caller_is_refused_where_callers_need_a_key() {
    let credential = Credential::key(ALIAS, "of-the-owner", &["localhost:*"]);
    let appliance = Appliance::builder().credential(credential).start();
    let origin = Origin::https();
    let keyless = create(&Client::of(&appliance), "keyless");
    let second_hand = create(&Client::with(&appliance, &keyless), "second-hand");
    let owners = minted(&appliance, "read,write,update,delete,execute,admin", "");
    let third = create(&Client::with(&appliance, &owners), "third");
    let all = [&keyless, &second_hand, &owners, &third];
    for key in all {
        body(&Client::with(&appliance, key).get("/v1/keys"));
        Door::Stdio.open(&appliance, key).call("list_credentials", &json!({})).done();
    }

    // Local mode that asks for keys: as soon as the configuration is taken up.
    appliance.set("server.local_auth", "\"key\"");
    until("keys are needed", || (Client::of(&appliance).get("/v1/keys").status() == 401).then_some(()));
    expect_refused(&appliance, &origin, &[&keyless, &second_hand]);
    expect_valid(&appliance, &origin, &[&owners, &third]);

    appliance.set("server.mode", "\"server\"");
    let appliance = appliance.restart();
    appliance.expect_printed("were created by callers without one and are refused here");
    expect_refused(&appliance, &origin, &[&keyless, &second_hand]);
    expect_valid(&appliance, &origin, &[&owners, &third]);
}

fn expect_refused(appliance: &Appliance, origin: &Origin, keys: &[&String]) {
    let before = origin.requests().len();
    for key in keys {
        let refused = Client::with(appliance, key).get("/v1/keys");
        let refusal = refused.expect_refusal(401, "unauthorized").because("keyless_key");
        assert!(refusal.message.contains("vultrino key create"), "{refusal:?}");
        for (way, status) in WAYS.into_iter().zip([401, 407, 407]) {
            let answered = match Agent::showing(appliance, way, origin, Shown::Bearer(key)) {
                Err(refused) => refused.status(),
                Ok(mut agent) => agent.ask("GET", "/", &[NAMED]).status(),
            };
            assert_eq!(answered, status, "{way:?}");
        }
    }
    assert_eq!(origin.requests().len(), before);
}

fn expect_valid(appliance: &Appliance, origin: &Origin, keys: &[&String]) {
    for key in keys {
        body(&Client::with(appliance, key).get("/v1/keys"));
        for way in WAYS {
            let mut agent = Agent::keyed(appliance, way, origin, key);
            agent.ask("GET", "/", &[NAMED]).expect_origins(200);
        }
    }
}
