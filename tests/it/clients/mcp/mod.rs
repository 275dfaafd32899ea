//! Official clients of the Model Context Protocol use every tool, resource and prompt, over each way in. They check what they
//! get by themselves: against the protocol's types, and against the schemas that the tools come with.

mod inspector;
mod origin;
mod scenario;
mod sdks;

use std::{path::Path, process::Command};

use serde_json::Value;

use crate::{
    clients::{
        mcp::sdks::{ALL, Client},
        seat::CLIENTS,
    },
    support::{
        Appliance, Credential,
        appliance::{ALIAS, KEY},
        process::{Output, VULTRINO, run},
        skip,
        template::{PASSWORD, clean},
        traces::Traces,
    },
};

/// How a client reaches us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// `POST /mcp`.
    Http,
    /// `vultrino mcp --url`, which has the API key and nothing else.
    Thin,
    /// `vultrino mcp`, which opens the store itself.
    InProcess,
    /// `vultrino serve --mcp`, which asks for no key where one's own programs need none.
    Alone,
}

#[test]
fn every_sdk_uses_all_there_is_over_http() {
    use_all(Way::Http, &ALL);
}

#[test]
fn every_sdk_uses_all_there_is_through_the_thin_client() {
    use_all(Way::Thin, &ALL);
}

#[test]
fn every_sdk_uses_all_there_is_in_a_process_of_its_own() {
    use_all(Way::InProcess, &one_of_each());
}

#[test]
fn every_sdk_uses_all_there_is_without_a_key_on_a_machine_of_ones_own() {
    use_all(Way::Alone, &one_of_each());
}

/// What is different below the protocol is so in any revision.
fn one_of_each() -> Vec<Client> {
    let mut once: Vec<Client> = Vec::new();
    for client in ALL {
        if once.iter().all(|it| it.sdk != client.sdk) {
            once.push(client);
        }
    }
    once
}

/// A client may take less in a message than we send.
#[test]
fn the_longest_answer_is_one_that_every_sdk_takes() {
    let (appliance, origin) = (appliance(Way::Thin), origin::open());
    for client in one_of_each() {
        drive(Way::Thin, &appliance, client, &scenario::longest(&origin));
    }
}

fn use_all(way: Way, clients: &[Client]) {
    let appliance = appliance(way);
    for client in clients {
        let origin = origin::open();
        if drive(way, &appliance, *client, &scenario::steps(&origin, client.spoken)) {
            scenario::judge(&origin, &appliance);
        }
    }
}

/// Has a client take these steps, each of which has its result; whether the client is here.
fn drive(way: Way, appliance: &Appliance, client: Client, steps: &[(Value, Value)]) -> bool {
    let sdk = client.sdk;
    let Some(version) = sdk.version() else {
        let test = format!("{sdk:?} of the Model Context Protocol");
        skip::note(&test, "not here; `make test` installs it, where it may");
        return false;
    };
    let label = format!("{sdk:?} {version}, asked for {}, {way:?}", client.asks);
    let asked: Vec<_> = steps.iter().map(|(step, _)| step).collect();
    let mut command = way.command(appliance, sdk.interpreter());
    command.arg(sdk.script()).arg(client.asks).args(way.target(appliance));
    let output = said(appliance, &mut command, &serde_json::to_string(&asked).unwrap());
    assert!(output.status.success(), "{label}: {output:#?}");
    let said: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|it| panic!("{label}: {it}: {output:#?}"));
    assert_eq!(said["revision"], client.spoken, "{label}");
    let results = said["results"].as_array().unwrap();
    assert_eq!(results.len(), steps.len(), "{label}");
    for ((step, expected), result) in steps.iter().zip(results) {
        assert_eq!(scenario::reduced(step, result), *expected, "{label}: {step}: {result:#}");
    }
    true
}

/// One credential, and a key that may do all with it.
fn appliance(way: Way) -> Appliance {
    let builder = Appliance::builder();
    let builder = if way == Way::Alone { builder } else { builder.server() };
    builder
        .set("rate_limits.management", "0")
        .credential(Credential::key(ALIAS, KEY, &["localhost:*"]).with("--description").with("Of a test"))
        .role("agents", "read,write,execute,delete", "")
        .key("agent", "agents")
        .start()
}

/// Runs a client, which must not tell a secret.
#[track_caller]
fn said(appliance: &Appliance, client: &mut Command, input: &str) -> Output {
    let output = run(client, input);
    for secret in [KEY, PASSWORD, appliance.key("agent")] {
        let traces = Traces::of(secret);
        for text in [&output.stdout, &output.stderr] {
            assert_eq!(traces.found_in(text.as_bytes()), None, "{client:?}");
        }
    }
    output
}

impl Way {
    /// Where a client finds us: a URL, or a command.
    fn target(self, appliance: &Appliance) -> Vec<String> {
        let url = format!("http://{}", appliance.address());
        let config = appliance.home().join("config.toml").display().to_string();
        match self {
            Self::Http => vec![url + "/mcp"],
            Self::Thin => [VULTRINO, "mcp", "--url", &url].map(str::to_owned).to_vec(),
            Self::InProcess => [VULTRINO, "--config", &config, "mcp"].map(str::to_owned).to_vec(),
            Self::Alone => [VULTRINO, "--config", &config, "serve", "--mcp"].map(str::to_owned).to_vec(),
        }
    }

    /// A client with the API key or the storage password in its environment, as this way needs it.
    fn command(self, appliance: &Appliance, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        clean(&mut command, appliance.home());
        command.current_dir(appliance.home()).env("NODE_PATH", format!("{CLIENTS}/node_modules"));
        if self != Self::Alone {
            command.env("VULTRINO_API_KEY", appliance.key("agent"));
        }
        if matches!(self, Self::Http | Self::Thin) {
            command.env_remove("VULTRINO_PASSWORD");
        }
        command
    }
}
