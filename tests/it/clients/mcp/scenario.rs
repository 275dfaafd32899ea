//! What a client does with us, step by step, and what shall come of each.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    clients::mcp::origin::{BYTES, CROWD, LONG, long, worst},
    support::{
        Appliance, Origin,
        appliance::{ALIAS, BEARER},
    },
};

/// The key that the client adds.
const NEW: &str = "sk_made-up-4711";
/// Bytes that an agent gets unless it asks for another length.
const PART: usize = 262_144;

/// Steps as the programs take them, each with its result as [`reduced`] tells it.
pub(super) fn steps(origin: &Origin, revision: &str) -> Vec<(Value, Value)> {
    let mut steps = Vec::new();
    let is_modern = revision == "2026-07-28";
    if !is_modern {
        steps.push((json!(["ping"]), json!({})));
    }
    steps.extend(looking());
    steps.extend(requesting(origin));
    steps.extend(managing(origin));
    steps.extend(reading(if is_modern { -32602 } else { -32002 }));
    steps.push(crowd(origin));
    steps
}

/// An answer as long as can be asked for, of what is longest in JSON.
pub(super) fn longest(origin: &Origin) -> Vec<(Value, Value)> {
    let worst = String::from_utf8(worst()).unwrap();
    let url = origin.url("/worst");
    let arguments = json!({ "credential": ALIAS, "method": "GET", "url": url, "length": worst.len() });
    vec![(call("http_request", arguments), answer("text/plain", worst.len(), &worst))]
}

fn looking() -> Vec<(Value, Value)> {
    let tools = ["add_credential", "delete_credential", "get_credential_info", "http_request", "list_credentials"];
    let listed = json!({ "alias": ALIAS, "type": "api_key", "description": "Of a test" });
    vec![
        (json!(["tools/list"]), json!(tools)),
        (call("list_credentials", json!({})), json!({ "credentials": [listed] })),
        (call("get_credential_info", json!({ "alias": ALIAS })), about()),
        (call("get_credential_info", json!({ "alias": "nobody" })), failure("credential_not_found")),
        (call("no_such_tool", json!({})), json!({ "code": -32602 })),
    ]
}

fn about() -> Value {
    json!({
        "alias": ALIAS, "type": "api_key", "description": "Of a test", "hosts": ["localhost:*"],
        "methods": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
    })
}

fn requesting(origin: &Origin) -> Vec<(Value, Value)> {
    let request = |method: &str, path: &str, more: Value| {
        let mut arguments = json!({ "credential": ALIAS, "method": method, "url": origin.url(path) });
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        call("http_request", arguments)
    };
    let form = "email=test@example.com&name=Test+User";
    let stripe = json!({ "headers": { "Content-Type": "application/x-www-form-urlencoded" }, "body": form });
    let long = String::from_utf8(long()).unwrap();
    let part = |from: usize, to: usize| {
        let mut part = answer("text/plain", LONG, &long[from..to]);
        if to < LONG {
            part["truncated"] = json!(true);
            part["next_offset"] = json!(to);
        }
        part
    };
    let mut bytes = answer("application/octet-stream", BYTES.len(), &BASE64_STANDARD.encode(BYTES));
    bytes["encoding"] = json!("base64");
    let mut unknown = request("GET", "/v1/customers", json!({}));
    unknown[1]["arguments"]["credential"] = json!("nobody");
    vec![
        (request("GET", "/v1/customers", json!({})), answer("application/json", 11, r#"{"data":[]}"#)),
        (request("POST", "/v1/customers", stripe), answer("text/plain", form.len(), form)),
        (request("GET", "/bytes", json!({})), bytes),
        (request("GET", "/long", json!({})), part(0, PART)),
        (request("GET", "/long", json!({ "offset": PART })), part(PART, 2 * PART)),
        (request("GET", "/long", json!({ "offset": 2 * PART })), part(2 * PART, LONG)),
        (request("GET", "/long", json!({ "offset": 8, "length": 16 })), part(8, 24)),
        (request("GET", "/v1/customers", json!({ "length": 0 })), failure("invalid_request")),
        (unknown, failure("credential_not_found")),
    ]
}

fn managing(origin: &Origin) -> Vec<(Value, Value)> {
    let hosts = [origin.authority()];
    let key = json!({ "alias": "new-api", "type": "api_key", "key": NEW, "description": "New", "hosts": hosts });
    let basic = json!({ "alias": "jenkins-ci", "type": "basic_auth", "username": "admin", "password": "token123" });
    let unknown = json!({ "alias": "other", "type": "oauth2", "key": "x" });
    let use_it = json!({ "credential": "new-api", "method": "GET", "url": origin.url("/v1/customers?by=new") });
    let added = |alias: &str| json!({ "success": true, "alias": alias });
    let delete = |alias: &str| call("delete_credential", json!({ "alias": alias }));
    let three = json!([
        { "alias": "jenkins-ci", "type": "basic_auth", "description": "" },
        { "alias": "new-api", "type": "api_key", "description": "New" },
        { "alias": ALIAS, "type": "api_key", "description": "Of a test" },
    ]);
    vec![
        (call("add_credential", key.clone()), added("new-api")),
        (call("add_credential", basic), added("jenkins-ci")),
        (call("add_credential", key), failure("alias_exists")),
        (call("add_credential", unknown), failure("invalid_type")),
        (call("list_credentials", json!({})), json!({ "credentials": three })),
        (call("http_request", use_it), answer("application/json", 11, r#"{"data":[]}"#)),
        (delete("new-api"), json!({ "success": true })),
        (delete("jenkins-ci"), json!({ "success": true })),
        (delete("jenkins-ci"), failure("not_found")),
    ]
}

/// A resource that is not there has another code in each.
fn reading(absent: i32) -> Vec<(Value, Value)> {
    let read = |uri: &str| json!(["resources/read", { "uri": uri }]);
    let credential = format!("vultrino://credentials/{ALIAS}");
    vec![
        (json!(["resources/list"]), json!(["vultrino://guide", credential])),
        (json!(["resources/templates/list"]), json!(["vultrino://credentials/{alias}"])),
        (read("vultrino://guide"), json!("text/markdown")),
        (read(&credential), about()),
        (read("vultrino://credentials/nobody"), json!({ "code": absent })),
        (json!(["prompts/list"]), json!(["use_vultrino"])),
        (json!(["prompts/get", { "name": "use_vultrino" }]), json!("user")),
        (json!(["prompts/get", { "name": "another" }]), json!({ "code": -32602 })),
    ]
}

/// All at once, of which the first is answered when the others have been.
fn crowd(origin: &Origin) -> (Value, Value) {
    let paths = ["slow"].into_iter().chain(["quick"; CROWD - 1]);
    let request = |path: &str| {
        let url = origin.url(&format!("/{path}"));
        call("http_request", json!({ "credential": ALIAS, "method": "GET", "url": url }))
    };
    let expected = |path: &str| answer("text/plain", path.len(), path);
    (paths.clone().map(request).collect(), paths.map(expected).collect())
}

fn call(name: &str, arguments: Value) -> Value {
    let mut params = json!({ "name": name });
    params["arguments"] = arguments;
    json!(["tools/call", params])
}

pub(super) fn answer(kind: &str, length: usize, body: &str) -> Value {
    json!({ "status": 200, "headers": { "content-type": kind, "content-length": length.to_string() }, "body": body })
}

pub(super) fn failure(code: &str) -> Value {
    json!({ "error": { "code": code } })
}

/// What the test looks for in a result, once all else in it is as it should be.
#[track_caller]
pub(super) fn reduced(step: &Value, result: &Value) -> Value {
    if step[0].is_array() {
        let steps = step.as_array().unwrap().iter().zip(result.as_array().unwrap());
        return steps.map(|(step, result)| reduced(step, result)).collect();
    }
    if let Some(code) = result.get("code") {
        assert_sentence(&result["message"]);
        return json!({ "code": code });
    }
    match step[0].as_str().unwrap() {
        "ping" => json!({}),
        "tools/list" => tools(&result["tools"]),
        "tools/call" => called(result),
        "resources/list" => each(&result["resources"], "uri"),
        "resources/templates/list" => each(&result["resourceTemplates"], "uriTemplate"),
        "resources/read" => contents(&result["contents"]),
        "prompts/list" => each(&result["prompts"], "name"),
        "prompts/get" => {
            let message = &result["messages"][0];
            assert!(message["content"]["text"].as_str().unwrap().contains("list_credentials"), "{result:#}");
            message["role"].clone()
        }
        other => panic!("what is {other}?"),
    }
}

fn each(list: &Value, name: &str) -> Value {
    list.as_array().unwrap().iter().map(|it| it[name].clone()).collect()
}

/// Their names; each tool says what a person and a program want to know.
fn tools(list: &Value) -> Value {
    for tool in list.as_array().unwrap() {
        let name = tool["name"].as_str().unwrap();
        assert!(tool["title"].as_str().is_some_and(|it| !it.is_empty()), "{tool:#}");
        assert_sentence(&tool["description"]);
        for schema in ["inputSchema", "outputSchema"] {
            assert_eq!(tool[schema]["type"], "object", "{tool:#}");
            for (name, it) in tool[schema]["properties"].as_object().unwrap() {
                let is_told = it["description"].is_string() || it["items"].is_object() || it["const"].is_boolean();
                assert!(is_told, "{name} in {tool:#}");
            }
        }
        let is_look = matches!(name, "list_credentials" | "get_credential_info");
        assert_eq!(tool["annotations"]["readOnlyHint"], is_look, "{tool:#}");
    }
    let Value::Array(mut names) = each(list, "name") else { panic!("{list:#}") };
    names.sort_by_key(ToString::to_string);
    names.into()
}

/// What the tool says, without what is different each time: twice the same, or an error that says what to do.
fn called(result: &Value) -> Value {
    let [content] = &**result["content"].as_array().unwrap() else { panic!("{result:#}") };
    let mut told: Value = serde_json::from_str(content["text"].as_str().unwrap()).unwrap();
    if result["isError"] == true {
        assert_eq!(result.get("structuredContent"), None, "{result:#}");
        assert_sentence(&told["error"]["message"]);
        told["error"].as_object_mut().unwrap().remove("message");
        return told;
    }
    assert_eq!(result["structuredContent"], told, "{result:#}");
    let fields = told.as_object_mut().unwrap();
    for (name, length) in [("id", 36), ("created_at", 20), ("updated_at", 20)] {
        let text = fields.remove(name);
        assert!(text.is_none_or(|it| it.as_str().unwrap().len() == length), "{result:#}");
    }
    told
}

/// JSON as it is, and of a text its kind.
fn contents(list: &Value) -> Value {
    let [content] = &**list.as_array().unwrap() else { panic!("{list:#}") };
    let text = content["text"].as_str().unwrap();
    if content["mimeType"] == "application/json" {
        return called(
            &json!({ "content": [content], "structuredContent": serde_json::from_str::<Value>(text).unwrap() }),
        );
    }
    assert!(text.contains("http_request"), "{content:#}");
    content["mimeType"].clone()
}

fn assert_sentence(text: &Value) {
    let text = text.as_str().unwrap_or_default();
    assert!(text.len() > 20 && !text.contains(".."), "{text}");
}

/// Each request has come with its credential and nothing of ours, and the log tells of it.
#[track_caller]
pub(super) fn judge(origin: &Origin, appliance: &Appliance) {
    let requests = origin.requests();
    assert_eq!(requests.len(), 8 + CROWD);
    for request in &requests {
        let is_new = request.target().ends_with("?by=new");
        let bearer = if is_new { format!("Bearer {NEW}") } else { BEARER.to_owned() };
        assert_eq!(request.values("authorization"), [bearer]);
        request.assert_nothing_of_ours();
    }
    let posted = requests.iter().find(|it| it.method() == "POST").unwrap();
    assert_eq!(posted.values("content-type"), ["application/x-www-form-urlencoded"]);
    let line = appliance.audit_of(&origin.url("/v1/customers?by="));
    let told = (&*line.door, &*line.action, line.get("credential"), line.get("outcome"));
    assert_eq!(told, ("MCP", "http_request", "new-api", "ok"));
}
