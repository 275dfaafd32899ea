//! What the program wants to be shown before it serves.

use std::process::Command;

use serde_json::json;

use crate::support::{
    Appliance, Credential,
    appliance::{ALIAS, KEY},
    mcp::{DOORS, Door, Mcp, thin},
    process::run,
};

/// Looks like a key, and is none.
const NO_KEY: &str = "vk_madeup00000000000000000000000000";

fn server() -> Appliance {
    let key = Credential::key(ALIAS, KEY, &["localhost:*"]);
    let builder = Appliance::builder().server().credential(key);
    builder.role("agent", "read,execute", "").key("agent", "agent").start()
}

/// Somebody meant a key: then nobody is let in without one.
#[test]
fn what_is_no_key_is_told_before_anything_is_served() {
    let (server, local) = (server(), Appliance::start());
    let refused = |mut command: Command, key: &str, said: &str| {
        let output = run(command.env("VULTRINO_API_KEY", key), "");
        let (code, stdout, stderr) = (output.status.code(), output.stdout, output.stderr);
        assert!(code == Some(2) && stdout.is_empty() && stderr.contains(said), "{key:?}: {code:?} {stdout} {stderr}");
        assert!(!key.contains("made") || !stderr.contains("made"), "{stderr}");
    };
    for key in [
        "x",
        "  ",
        "${VULTRINO_API_KEY}",
        "\"vk_madeup0000000000000000000000000000\"",
        "vk_made\r\nup: 0000000000000000000000",
    ] {
        for command in [local.command(&["mcp"]), server.command(&["mcp"]), thin("http://127.0.0.1:9")] {
            refused(command, key, "VULTRINO_API_KEY holds no API key");
        }
    }
    refused(local.command(&["mcp"]), "", "VULTRINO_API_KEY is set, and empty");
    refused(server.command(&["mcp"]), "", "VULTRINO_API_KEY is set, and empty");
    refused(local.command(&["serve", "--mcp"]), "", "VULTRINO_API_KEY is set, and empty");
    let mut keyless = server.command(&["mcp"]);
    let output = run(keyless.env_remove("VULTRINO_API_KEY"), "");
    assert!(output.stderr.contains("in server mode an agent needs an API key"), "{}", output.stderr);
}

#[test]
fn a_switch_turns_it_off_everywhere() {
    let appliance = Appliance::builder().set("mcp.enabled", "false").start();
    for arguments in [&["mcp"][..], &["serve", "--mcp"]] {
        let output = run(&mut appliance.command(arguments), "");
        assert!(output.stderr.contains("MCP is switched off"), "{}", output.stderr);
    }
    let mut mcp = Mcp::run(&mut thin(&format!("http://{}", appliance.address())));
    let fault = mcp.ask("ping", &json!({})).unwrap_err();
    assert!(fault.message.contains("MCP is switched off there"), "{fault:?}");
}

/// Agents mix arguments up.
#[test]
fn a_key_in_the_place_of_an_alias_is_not_written_down() {
    let appliance = server();
    for door in DOORS {
        let mut mcp = door.open(&appliance, appliance.key("agent"));
        let get = json!({ "credential": NO_KEY, "method": "GET", "url": "https://localhost/" });
        for (tool, arguments) in [("get_credential_info", json!({ "alias": NO_KEY })), ("http_request", get)] {
            assert_eq!(mcp.call(tool, &arguments).code(), "credential_not_found", "{door:?} {tool}");
        }
        assert!(mcp.ask("resources/read", &json!({ "uri": format!("vultrino://credentials/{NO_KEY}") })).is_err());
        if door != Door::Http {
            mcp.program().finish();
        }
    }
    let lines = appliance.audit("all lines", |lines| {
        let of_it: Vec<_> = lines.iter().filter(|it| it.door == "MCP").cloned().collect();
        (of_it.len() == 3 * DOORS.len()).then_some(of_it)
    });
    assert!(lines.iter().all(|it| it.get("credential") == "..."), "{lines:#?}");
    assert!(!appliance.audit_text().contains(NO_KEY));
}
