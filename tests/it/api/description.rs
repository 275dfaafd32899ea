//! The `OpenAPI` description, and whether the API keeps to it, whatever it is asked.

use std::{path::Path, process::Command};

use serde_json::{Value, json};

use crate::{
    api::{Client, json as body},
    support::{
        Appliance, Credential,
        process::{Output, run},
        skip,
    },
};

/// Where `make test` puts it.
const SCHEMATHESIS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/clients/python/bin/schemathesis");

#[test]
fn the_description_says_what_may_be_answered() {
    let appliance = Appliance::start();
    let client = Client::of(&appliance);
    let description = body(&client.get("/v1/openapi.json"));
    assert_eq!(description["openapi"], "3.1.0");
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let answers: Vec<&String> = operation["responses"].as_object().unwrap().keys().collect();
            let all = ["400", "401", "403", "429", "500", "503"].map(str::to_owned);
            assert!(
                !path.starts_with("/v1/") || all.iter().all(|it| answers.contains(&it)),
                "{method} {path} {answers:?}"
            );
        }
    }
    let types = body(&client.get("/v1/types"));
    let field = |name: &str| json!({ "name": name, "required": true, "secret": true });
    let basic: Value = json!({ "type": "basic_auth", "fields": [field("username"), field("password")] });
    assert_eq!(types, json!({ "types": [{ "type": "api_key", "fields": [field("key")] }, basic] }));
    assert_eq!(types, body(&client.get("/v1/credentials/types")));
}

#[test]
fn no_request_gets_an_answer_that_the_description_does_not_have() {
    if !Path::new(SCHEMATHESIS).exists() {
        return skip::note(
            "no_request_gets_an_answer_that_the_description_does_not_have",
            "schemathesis is not installed",
        );
    }
    let appliance = Appliance::builder()
        .credential(Credential::key("github-api", "sekrit-fuzz", &["localhost:1"]))
        .set("rate_limits.management", "0")
        .start();
    appliance.cli(&["role", "create", "executor", "--permissions", "execute"]).expect_success();
    let mut command = Command::new(SCHEMATHESIS);
    command
        .args(["run", &format!("http://{}/v1/openapi.json", appliance.address())])
        .args(["--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "20", "--seed", "1"])
        // What a description cannot say is refused as well; without keys, none is ignored.
        .args(["--checks", "all", "--exclude-checks", "positive_data_acceptance,ignored_auth"])
        .args(["--request-timeout", "20", "--wait-for-schema", "20", "--warnings", "off"])
        .current_dir(appliance.home());
    let Output { status, stdout, stderr } = run(&mut command, "");
    assert!(status.success(), "{stdout}\n{stderr}");
    assert!(!appliance.printed().contains("ERROR"), "{}", appliance.printed());
}
