//! The inspector's command line, which reads the file that agents are configured with, and judges how portable schemas are.

use std::fs;

use serde_json::{Value, json};

use crate::{
    clients::{
        mcp::{
            Way, appliance, origin, said,
            scenario::{answer, failure, reduced},
        },
        node,
        seat::CLIENTS,
    },
    support::{Appliance, appliance::ALIAS, process::Output, skip},
};

const PACKAGE: &str = "@modelcontextprotocol/inspector";

#[test]
fn the_inspector_finds_nothing_amiss() {
    if node::package(PACKAGE).is_none() {
        return skip::note("the inspector", "not here; `make test` installs it, where it may");
    }
    let appliance = appliance(Way::Http);
    let origin = origin::open();
    // The revision is one thing, and what lies below it another.
    for (way, era) in [(Way::Http, "legacy"), (Way::Http, "modern"), (Way::Thin, "modern"), (Way::InProcess, "legacy")]
    {
        let ask = |arguments: &[&str]| inspect(&appliance, way, era, arguments);
        let label = format!("{way:?}, {era}");
        let listed = ask(&["--method", "tools/list", "--strict"]);
        assert_eq!(result(&listed, 0)["tools"].as_array().unwrap().len(), 5, "{label}: {listed:#?}");
        assert!(!listed.stderr.contains("Warning"), "{label}: {}", listed.stderr);

        let call = ["--method", "tools/call", "--tool-name", "http_request", "--tool-arg"];
        let request = |credential: &str| {
            let credential = format!("credential={credential}");
            let url = format!("url={}", origin.url("/v1/customers"));
            ask(&[&call[..], &[&credential, "method=GET", &url]].concat())
        };
        let step = json!(["tools/call"]);
        let told = answer("application/json", 11, r#"{"data":[]}"#);
        assert_eq!(reduced(&step, &result(&request(ALIAS), 0)), told, "{label}");
        // An error that the agent gets to read, and a status for scripts.
        assert_eq!(reduced(&step, &result(&request("nobody"), 5)), failure("credential_not_found"), "{label}");

        let read = result(&ask(&["--method", "resources/read", "--uri", "vultrino://guide"]), 0);
        assert_eq!(reduced(&json!(["resources/read"]), &read), "text/markdown", "{label}");
        let got = result(&ask(&["--method", "prompts/get", "--prompt-name", "use_vultrino"]), 0);
        assert_eq!(reduced(&json!(["prompts/get"]), &got), "user", "{label}");
    }
    assert_eq!(origin.requests().len(), 4);
}

/// Runs it with a file of servers that has us in it.
#[track_caller]
fn inspect(appliance: &Appliance, way: Way, era: &str, arguments: &[&str]) -> Output {
    let mut command = way.command(appliance, node::newer());
    let variables = command.get_envs().filter_map(|(name, value)| Some((name.to_str()?, value?.to_str()?)));
    let ours: Value = variables.filter(|(name, _)| name.starts_with("VULTRINO_")).collect();
    let target = way.target(appliance);
    let server = match way {
        Way::Http => {
            let bearer = format!("Bearer {}", appliance.key("agent"));
            json!({ "type": "http", "url": target[0], "headers": { "Authorization": bearer } })
        }
        Way::Thin | Way::InProcess | Way::Alone => json!({ "command": target[0], "args": target[1..], "env": ours }),
    };
    let file = appliance.home().join("mcp.json");
    fs::write(&file, json!({ "mcpServers": { "vultrino": server } }).to_string()).unwrap();
    let program = format!("{CLIENTS}/node_modules/{PACKAGE}/clients/launcher/build/index.js");
    command.args([&program, "--cli", "--quiet", "--format", "json", "--protocol-era", era, "--server", "vultrino"]);
    command.arg("--config").arg(file).args(arguments).env("MCP_INSPECTOR_SECRET_STORE", "memory");
    said(appliance, &mut command, "")
}

/// What it prints, when it ends so.
#[track_caller]
fn result(output: &Output, status: i32) -> Value {
    assert_eq!(output.status.code(), Some(status), "{output:#?}");
    let said: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|it| panic!("{it}: {output:#?}"));
    said["result"].clone()
}
