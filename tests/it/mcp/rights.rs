//! Who may call which tool, on which credentials, for how long, and what the record says of it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    live::within_the_promise,
    support::{
        Agent, Appliance, Credential, Origin,
        appliance::{ALIAS, Builder, KEY},
        audit_line::AuditLine,
        mcp::{DOORS, Door, Mcp, frame_in, post},
        wait::until,
    },
};

/// Each tool with the permission that opens it.
const TOOLS: [(&str, &str); 5] = [
    ("list_credentials", "read"),
    ("get_credential_info", "read"),
    ("http_request", "execute"),
    ("add_credential", "write"),
    ("delete_credential", "delete"),
];

const PERMISSIONS: [&str; 6] = ["read", "write", "update", "delete", "execute", "admin"];

/// A server with a role and a key for each permission, and one that has all that tools need.
fn server() -> Builder {
    let credentials = [ALIAS, "spare", "hidden"].map(|it| Credential::key(it, KEY, &["localhost:*"]));
    let builder = credentials.into_iter().fold(Appliance::builder().server(), Builder::credential);
    let builder = PERMISSIONS.iter().fold(builder, |it, name| it.role(name, name, "").key(name, name));
    let all = "read,write,delete,execute";
    builder.role("all", all, "").key("all", "all").role("scoped", all, "walls,new-*").key("scoped", "scoped")
}

/// Good arguments for a tool.
fn arguments(tool: &str, alias: &str, origin: &Origin) -> Value {
    match tool {
        "list_credentials" => json!({}),
        "http_request" => json!({ "credential": alias, "method": "GET", "url": origin.url("/tool") }),
        "add_credential" => json!({ "alias": alias, "type": "api_key", "key": "k-9Qv7LxN2" }),
        _ => json!({ "alias": alias }),
    }
}

#[test]
fn a_role_is_offered_what_it_may_call_and_may_call_nothing_else() {
    let (appliance, origin) = (server().start(), Origin::https());
    for door in DOORS {
        for permission in PERMISSIONS {
            let mut mcp = door.open(&appliance, appliance.key(permission));
            let offered: BTreeSet<String> =
                TOOLS.iter().filter(|(_, needs)| *needs == permission).map(|(tool, _)| (*tool).to_owned()).collect();
            assert_eq!(mcp.list_tools(), offered, "{door:?} {permission}");
            for (tool, needs) in TOOLS {
                let alias = match tool {
                    "add_credential" => &*format!("new-{door:?}"),
                    "delete_credential" => "new-Stdio",
                    _ => ALIAS,
                };
                if needs == permission && tool == "delete_credential" {
                    continue;
                }
                let called = mcp.call(tool, &arguments(tool, alias, &origin));
                if needs == permission {
                    called.done();
                } else {
                    assert_eq!(called.code(), "permission_denied", "{door:?} {permission} {tool}");
                }
            }
        }
        let mut mcp = door.open(&appliance, appliance.key("delete"));
        mcp.call("delete_credential", &json!({ "alias": format!("new-{door:?}") })).done();
    }
    assert_eq!(origin.requests().len(), DOORS.len());
}

#[test]
fn what_is_out_of_scope_is_answered_as_if_it_were_not_there() {
    let (appliance, origin) = (server().start(), Origin::https());
    for door in DOORS {
        let mut mcp = door.open(&appliance, appliance.key("scoped"));
        let mut told = |alias: &str| -> Vec<String> {
            let called = TOOLS[1..].iter().map(|(tool, _)| {
                let params = json!({ "name": tool, "arguments": arguments(tool, alias, &origin) });
                format!("{tool}: {:?}", mcp.ask("tools/call", &params).unwrap())
            });
            let mut told: Vec<String> = called.collect();
            let read = json!({ "uri": format!("vultrino://credentials/{alias}") });
            told.push(format!("{:?}", mcp.ask("resources/read", &read)));
            told.iter().map(|it| it.replace(alias, "ALIAS")).collect()
        };
        assert_eq!(told("hidden"), told("absent"), "{door:?}");
        let seen = mcp.call("list_credentials", &json!({})).done();
        let seen: Vec<&str> =
            seen["credentials"].as_array().unwrap().iter().map(|it| it["alias"].as_str().unwrap()).collect();
        assert_eq!(seen, [ALIAS], "{door:?}");
        let listed = mcp.ask("resources/list", &json!({})).unwrap().to_string();
        assert!(!listed.contains("hidden"), "{listed}");
    }
    assert_eq!(origin.connections(), 0);
    let kept = appliance.cli(&["list"]).expect_success();
    assert!(kept.contains("hidden") && !kept.contains("absent"), "{kept}");
}

#[test]
fn a_key_that_is_revoked_calls_nothing_within_a_second() {
    let appliance = server().set("rate_limits.auth_failures", "0").start();
    for door in DOORS {
        for tool in ["tools/call", "tools/list"] {
            let names: Vec<String> = (0..3).map(|at| format!("{door:?}-{at}-{}", &tool[6..])).collect();
            let keys: Vec<String> = names.iter().map(|it| appliance.add_key(it, "read", &[])).collect();
            let mut agents: Vec<Option<Mcp>> = keys.iter().map(|it| Some(known(door, &appliance, it))).collect();
            within_the_promise(
                "a revoked key calls nothing",
                |at| drop(appliance.cli(&["key", "revoke", &keys[at][..11]]).expect_success()),
                |at| !answers(agents[at].as_mut().unwrap(), tool),
            );
            agents.clear();
        }
    }
}

/// Whether a call does what it should.
fn answers(mcp: &mut Mcp, method: &str) -> bool {
    let params =
        if method == "tools/call" { json!({ "name": "list_credentials", "arguments": {} }) } else { json!({}) };
    mcp.ask(method, &params).is_ok_and(|it| it["isError"] != true && it["tools"] != json!([]))
}

/// An agent whose key the server knows by now.
fn known(door: Door, appliance: &Appliance, key: &str) -> Mcp {
    until("the key is known", || {
        let mut mcp = Door::Http.of(appliance, key);
        mcp.ask("ping", &json!({})).is_ok().then_some(())
    });
    let mut mcp = door.open(appliance, key);
    assert!(answers(&mut mcp, "tools/call"));
    mcp
}

#[test]
fn an_argument_is_no_key() {
    let (appliance, origin) = (server().start(), Origin::https());
    for door in DOORS {
        let mut mcp = door.open(&appliance, appliance.key("read"));
        let mut rich = door.open(&appliance, appliance.key("execute"));
        for name in ["api_key", "key", "apiKey", "authorization", "password", "vultrino_api_key"] {
            let mut asked = arguments("http_request", ALIAS, &origin);
            asked[name] = json!(appliance.key("all"));
            let said = mcp.ask("tools/call", &json!({ "name": "http_request", "arguments": asked }));
            assert!(said.as_ref().map_or(true, |it| it["isError"] == true), "{said:?}");
            let said = refusal(&mut rich, "http_request", &asked);
            assert!(said.contains("unknown") && !said.contains(appliance.key("all")), "{door:?} {name}: {said}");
        }
        // Nor is a header one.
        let mut asked = arguments("http_request", ALIAS, &origin);
        asked["headers"] = json!({ "Authorization": format!("Bearer {}", appliance.key("all")) });
        assert_eq!(mcp.call("http_request", &asked).code(), "permission_denied", "{door:?}");
        assert_eq!(rich.call("http_request", &asked).code(), "invalid_request", "{door:?}");
    }
    assert_eq!(origin.connections(), 0);
}

/// The text of a refusal for bad arguments, whichever form it has.
#[track_caller]
pub(crate) fn refusal(mcp: &mut Mcp, tool: &str, arguments: &Value) -> String {
    match mcp.try_call(tool, arguments) {
        Err(fault) => {
            assert_eq!(fault.code, -32602, "{tool} {arguments}: {fault:?}");
            fault.message
        }
        Ok(called) => {
            assert_eq!(called.code(), "invalid_request", "{tool} {arguments}: {called:?}");
            called.content["error"]["message"].as_str().unwrap().to_owned()
        }
    }
}

#[test]
fn the_path_takes_posts_of_those_who_have_a_key_and_of_no_page() {
    let appliance = server().set("rate_limits.auth_failures", "0").start();
    let (host, shown) = (appliance.address().to_string(), format!("Bearer {}", appliance.key("read")));
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }).to_string();
    let ask = |change: &[(&str, &str)]| {
        let usual = [
            ("Host", &*host),
            ("Authorization", &*shown),
            ("Content-Type", "application/json"),
            ("Accept", "application/json, text/event-stream"),
        ];
        let mut fields: Vec<(&str, &str)> =
            usual.into_iter().filter(|(name, _)| change.iter().all(|(other, _)| name != other)).collect();
        fields.extend(change.iter().filter(|(_, value)| !value.is_empty()));
        post(Agent::dial(appliance.address()), &fields, ping.as_bytes())
    };
    assert_eq!(frame_in(&ask(&[])).unwrap()["result"], json!({}));
    for origin in ["https://evil.example", "null", "http://127.0.0.1:7878", &*format!("http://{host}"), "x"] {
        assert_eq!(ask(&[("Origin", origin)]).status(), 403, "{origin}");
    }
    for site in ["cross-site", "same-site"] {
        assert_eq!(ask(&[("Sec-Fetch-Site", site)]).status(), 403, "{site}");
    }
    for version in ["1999-01-01", "x"] {
        assert_eq!(ask(&[("MCP-Protocol-Version", version)]).status(), 400, "{version}");
    }
    for foreign in ["evil.example", "evil.example:7878", "127.0.0.1.evil.example", "localhost.evil.example"] {
        assert_eq!(ask(&[("Host", foreign)]).status(), 403, "{foreign}");
    }
    for shown in ["", "Bearer vk_canary4f9a8e7d6c5b4a3928171605", "Bearer", "Basic dms6"] {
        let answer = ask(&[("Authorization", shown)]);
        assert_eq!(answer.status(), 401, "{shown}: {answer:#?}");
        assert!(answer.values("www-authenticate").iter().any(|it| it.starts_with("Bearer")), "{answer:#?}");
        let told = frame_in(&answer).unwrap();
        assert_eq!((&told["id"], &told["error"]["data"]["code"]), (&Value::Null, &json!("unauthorized")), "{told}");
    }
    for kind in ["", "text/plain", "application/x-www-form-urlencoded"] {
        assert!((400..500).contains(&ask(&[("Content-Type", kind)]).status()), "{kind}");
    }
    for method in ["GET", "DELETE", "PUT", "PATCH"] {
        let mut agent = Agent::dial(appliance.address());
        agent.send(format!(
            "{method} /mcp HTTP/1.1\r\nHost: {host}\r\nAuthorization: {shown}\r\nAccept: text/event-stream\r\n\r\n"
        ));
        let answer = agent.answer(method);
        assert_eq!((answer.status(), answer.values("allow").join("")), (405, "POST".to_owned()), "{method}");
    }
    for path in ["/mcp/", "/MCP", "/mcp/x"] {
        let mut agent = Agent::dial(appliance.address());
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {shown}\r\nContent-Length: {}\r\n\r\n{ping}",
            ping.len()
        );
        agent.send(head);
        assert_eq!(agent.answer("POST").status(), 404, "{path}");
    }
}

#[test]
fn every_call_of_a_tool_has_one_line() {
    let (appliance, origin) = (server().start(), Origin::https());
    for door in DOORS {
        let before = appliance.audit_text().lines().count();
        let mut mcp = door.open(&appliance, appliance.key("all"));
        mcp.list_tools();
        for tool in ["list_credentials", "get_credential_info", "http_request"] {
            mcp.call(tool, &arguments(tool, ALIAS, &origin)).done();
        }
        let new = json!({ "alias": "new", "type": "api_key", "key": "k-9Qv7LxN2" });
        mcp.call("add_credential", &new).done();
        assert_eq!(mcp.call("add_credential", &new).code(), "alias_exists");
        mcp.call("delete_credential", &json!({ "alias": "new" })).done();
        assert_eq!(mcp.call("delete_credential", &json!({ "alias": "new" })).code(), "not_found");
        assert_eq!(mcp.call("http_request", &arguments("http_request", "new", &origin)).code(), "credential_not_found");
        let mut poor = door.open(&appliance, appliance.key("update"));
        for (tool, _) in TOOLS {
            assert_eq!(poor.call(tool, &arguments(tool, ALIAS, &origin)).code(), "permission_denied");
        }
        let expected = [
            "list_credentials ok",
            "get_credential_info ok",
            "http_request ok",
            "credential_add ok",
            "credential_add denied",
            "credential_delete ok",
            "credential_delete denied",
            "http_request denied",
            "list_credentials denied",
            "get_credential_info denied",
            "http_request denied",
            "credential_add denied",
            "credential_delete denied",
        ];
        let lines = appliance.audit("a line for each call", |lines| {
            let new: Vec<_> = lines[before..].iter().filter(|it| it.door == "MCP").cloned().collect();
            (new.len() >= expected.len()).then_some(new)
        });
        // Each worker writes its own, so they may stand in another order.
        let said = |all: &mut dyn Iterator<Item = String>| {
            let mut all: Vec<String> = all.collect();
            all.sort();
            all
        };
        let noted = said(&mut lines.iter().map(|it| format!("{} {}", it.action, it.get("outcome"))));
        assert_eq!(noted, said(&mut expected.iter().map(|it| (*it).to_owned())), "{door:?}");
        let all = appliance.audit_text();
        assert_eq!(all.lines().count(), before + expected.len(), "{door:?}: nothing else is on the record:\n{all}");
    }
}

#[test]
fn a_call_that_comes_to_nothing_has_its_line_too() {
    let appliance = server().set("rate_limits.management", "2").set("rate_limits.auth_failures", "0").start();
    for door in DOORS {
        let key = appliance.add_key(&format!("of-{door:?}"), "all", &[]);
        let mut mcp = known(door, &appliance, &key);
        refusal(&mut mcp, "get_credential_info", &json!({ "alias": ALIAS, "more": 1 }));
        mcp.call("list_credentials", &json!({})).done();
        assert_eq!(mcp.call("list_credentials", &json!({})).code(), "rate_limited", "{door:?}");
        assert_eq!(mcp.call("delete_credential", &json!({ "alias": "spare" })).code(), "rate_limited", "{door:?}");
        appliance.cli(&["key", "revoke", &key[..11]]).expect_success();
        until("the key is of no more use", || (!answers(&mut mcp, "tools/list")).then_some(()));
        assert!(!answers(&mut mcp, "tools/call"), "{door:?}");
        let said = appliance.audit("a line of the last call", |lines| {
            // The store does not have the revoked key any more.
            let key = |it: &AuditLine| if it.action == "mcp_refused" { "?" } else { &key[..11] };
            let its = lines.iter().filter(|it| it.door == "MCP" && it.get("key") == key(it));
            let said: Vec<String> =
                its.map(|it| format!("{} {} {}", it.action, it.get("status"), it.get("credential"))).collect();
            said.iter().any(|it| it.starts_with("mcp_refused")).then_some(said)
        });
        for (line, count) in [
            ("get_credential_info 400 walls", 1),
            ("list_credentials 200 -", 2),
            ("list_credentials 429 -", 1),
            ("credential_delete 429 spare", 1),
        ] {
            assert_eq!(said.iter().filter(|it| *it == line).count(), count, "{door:?} {line}: {said:?}");
        }
        assert!(said.iter().all(|it| !it.starts_with("mcp_refused") || it == "mcp_refused 401 -"), "{said:?}");
    }
}
