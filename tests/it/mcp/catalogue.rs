//! What is listed: the names, schemas and hints that agents were promised, for this caller and no other.

use serde_json::{Value, json};

use crate::support::{
    Appliance, Credential,
    appliance::{ALIAS, KEY},
    mcp::DOORS,
};

/// Read only, destructive, idempotent, open world.
const HINTS: [(&str, [bool; 4]); 5] = [
    ("list_credentials", [true, false, true, false]),
    ("get_credential_info", [true, false, true, false]),
    ("http_request", [false, true, false, true]),
    ("add_credential", [false, false, false, false]),
    ("delete_credential", [false, true, true, false]),
];

#[test]
fn the_tools_have_their_schemas_and_hints() {
    let builder = Appliance::builder().server().role("all", "read,write,delete,execute", "").key("all", "all");
    let appliance = builder.start();
    let mut mcp = DOORS[0].open(&appliance, appliance.key("all"));
    let listed = mcp.ask("tools/list", &json!({})).unwrap();
    let tools = listed["tools"].as_array().unwrap();
    assert_eq!(tools.len(), HINTS.len());
    for (tool, (name, hints)) in tools.iter().zip(HINTS) {
        let names = ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"];
        assert_eq!(tool["name"], name);
        assert_eq!(names.map(|it| tool["annotations"][it].as_bool().unwrap()), hints, "{name}");
        for schema in ["inputSchema", "outputSchema"] {
            assert_eq!(tool[schema]["type"], "object", "{tool:#}");
        }
        assert!(tool["title"].is_string() && tool["description"].is_string(), "{tool:#}");
    }
    let takes = |at: usize| &tools[at]["inputSchema"];
    assert_eq!(takes(0)["properties"], json!({}));
    assert_eq!(takes(1)["required"], json!(["alias"]));
    assert_eq!(takes(2)["required"], json!(["credential", "method", "url"]));
    let methods = json!(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]);
    assert_eq!(takes(2)["properties"]["method"]["enum"], methods);
    assert_eq!(takes(2)["properties"]["headers"]["additionalProperties"], json!({ "type": "string" }));
    assert_eq!(takes(3)["required"], json!(["alias", "type"]));
    assert_eq!(takes(3)["properties"]["type"]["enum"], json!(["api_key", "basic_auth"]));
    for name in ["key", "username", "password", "description"] {
        assert_eq!(takes(3)["properties"][name]["type"], "string", "{name}");
    }
    assert_eq!(takes(4)["required"], json!(["alias"]));
}

/// What one caller may see must not be kept for another.
#[test]
fn whatever_depends_on_the_caller_is_private() {
    let key = Credential::key(ALIAS, KEY, &["localhost:*"]);
    let builder = Appliance::builder().server().credential(key);
    let appliance = builder.role("reader", "read", "").key("reader", "reader").start();
    let uri = format!("vultrino://credentials/{ALIAS}");
    for door in DOORS {
        let mut mcp = door.open(&appliance, appliance.key("reader"));
        for (method, params) in [
            ("tools/list", json!({})),
            ("resources/list", json!({})),
            ("resources/templates/list", json!({})),
            ("prompts/list", json!({})),
            ("resources/read", json!({ "uri": uri })),
        ] {
            let listed: Value = mcp.ask(method, &params).unwrap();
            assert_eq!((&listed["cacheScope"], &listed["ttlMs"]), (&json!("private"), &json!(0)), "{door:?} {method}");
        }
    }
}

#[test]
fn a_credential_tells_where_and_how_it_may_be_used() {
    let key = Credential::key(ALIAS, KEY, &["localhost:*"]);
    let policy = format!(
        "[[policies]]\nname = \"look\"\ncredential_pattern = \"{ALIAS}\"\ndefault_action = \"deny\"\n\
         [[policies.rules]]\ncondition = {{ method_match = [\"GET\", \"HEAD\"] }}\naction = \"allow\"\n"
    );
    let builder = Appliance::builder().server().credential(key).sections(&policy);
    let appliance = builder.role("reader", "read", "").key("reader", "reader").start();
    let mut mcp = DOORS[0].open(&appliance, appliance.key("reader"));
    let info = mcp.call("get_credential_info", &json!({ "alias": ALIAS })).done();
    let hosts = json!(["localhost:*"]);
    assert_eq!((&info["hosts"], &info["methods"]), (&hosts, &json!(["GET", "HEAD"])), "{info}");
    let read = mcp.ask("resources/read", &json!({ "uri": format!("vultrino://credentials/{ALIAS}") })).unwrap();
    let text: Value = serde_json::from_str(read["contents"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(text, info);
}
