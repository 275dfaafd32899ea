//! Local mode needs no key and stays on this machine; server mode, and `local_auth`, take nothing without one.

use crate::support::{Agent, Answer, Appliance, Origin, WAYS, Way, agent::NAMED, appliance::ALIAS, wait::until};

fn ask(appliance: &Appliance, way: Way, origin: &Origin) -> Answer {
    match Agent::with(appliance, way, origin.scheme(), &origin.authority(), &[]) {
        Ok(mut agent) => agent.ask("GET", "/", &[NAMED]),
        Err(refused) => *refused,
    }
}

#[track_caller]
fn asks_for_a_key(appliance: &Appliance) {
    let origin = Origin::https();
    for way in WAYS {
        let (status, code) = match way {
            Way::Path => (401, "unauthorized"),
            Way::Absolute | Way::Tunnel => (407, "proxy_authentication_required"),
        };
        ask(appliance, way, &origin).expect_refusal(status, code);
    }
    assert_eq!(origin.connections(), 0);
    assert_eq!(appliance.health().0, 200);
}

#[test]
fn server_mode_listens_on_any_address_and_asks_everybody_for_a_key() {
    let appliance = Appliance::builder().set("server.mode", "\"server\"").set("server.bind", "\"0.0.0.0:0\"").start();
    assert!(appliance.address().ip().is_unspecified());
    asks_for_a_key(&appliance);
}

#[test]
fn server_mode_asks_on_loopback_too() {
    asks_for_a_key(&Appliance::builder().set("server.mode", "\"server\"").start());
}

#[test]
fn local_mode_asks_for_a_key_if_told_to() {
    asks_for_a_key(&Appliance::builder().set("server.local_auth", "\"key\"").start());
    let appliance = Appliance::builder().set("server.local_auth", "\"none\"").start();
    let origin = Origin::https();
    for way in WAYS {
        ask(&appliance, way, &origin).expect_origins(200);
    }
}

#[test]
fn a_key_is_let_in_and_what_matches_no_credential_is_not() {
    let appliance = Appliance::builder().set("server.mode", "\"server\"").start();
    let (origin, other) = (Origin::https(), Origin::https());
    let key = appliance.mint("ci", &["--permissions", "execute"]);
    let bearer = format!("Bearer {key}");
    until("the key counts", || {
        let mut agent = Agent::via(&appliance, Way::Path, &origin);
        (agent.ask("GET", "/", &[NAMED, ("Authorization", &bearer)]).status() == 200).then_some(())
    });
    let shown = [("Proxy-Authorization", &*bearer)];
    let mut forward = Agent::via(&appliance, Way::Absolute, &origin);
    forward.ask("GET", "/", &[NAMED, shown[0]]).expect_origins(200);
    let mut inside = Agent::with(&appliance, Way::Tunnel, "https", &origin.authority(), &shown).unwrap();
    inside.get("/").expect_origins(200);
    appliance.cli(&["unbind", ALIAS, "localhost:*"]).expect_success();
    until("nothing is bound", || (forward.ask("GET", "/", &shown).status() == 403).then_some(()));
    forward.ask("GET", "/", &shown).expect_refusal(403, "forbidden");
    let refused = Agent::with(&appliance, Way::Tunnel, "https", &other.authority(), &shown).err().unwrap();
    refused.expect_refusal(403, "forbidden");
    assert_eq!(other.connections(), 0);
}

#[test]
fn server_mode_says_what_is_missing() {
    let appliance = Appliance::builder().set("server.mode", "\"server\"").set("server.bind", "\"0.0.0.0:0\"").start();
    let told = |appliance: &Appliance, what: &str| {
        appliance.expect_printed(what);
        appliance.printed()
    };
    told(&appliance, "vultrino key create");
    // The last thing that is said.
    told(&appliance, "without TLS");
    appliance.mint("ci", &["--permissions", "execute"]);
    let printed = told(&appliance.restart(), "without TLS");
    assert!(printed.contains("Server mode") && !printed.contains("vultrino key create"), "{printed}");
    let appliance = Appliance::start();
    let mut agent = Agent::via(&appliance, Way::Path, &Origin::https());
    agent.get("/");
    let printed = told(&appliance, "Local mode");
    assert!(!printed.contains("vultrino key create") && !printed.contains("TLS"), "{printed}");
}
