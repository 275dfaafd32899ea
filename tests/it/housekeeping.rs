//! What the server writes down of what has happened: in the store, now and then, and at its end.

use std::path::Path;

use serde_json::Value;
use vultrino::{
    base::secret::Secret,
    store::{FileStore, Records},
};

use crate::support::{Agent, Appliance, Origin, Way, agent::NAMED, template::PASSWORD, wait::until};

fn stored(home: &Path) -> Records {
    FileStore::open(&home.join("credentials.enc"), &Secret::from(PASSWORD.to_owned())).unwrap().load().unwrap()
}

#[test]
fn at_the_end_the_store_knows_of_the_last_use_of_a_key_and_of_the_last_line() {
    let mut appliance = Appliance::start();
    let origin = Origin::https();
    let key = appliance.mint("ci", &["--permissions", "execute"]);
    let bearer = format!("Bearer {key}");
    let mut agent = Agent::via(&appliance, Way::Path, &origin);
    until("the key counts", || {
        (agent.ask("GET", "/", &[NAMED, ("Authorization", &bearer)]).status() == 200).then_some(())
    });
    let before = stored(appliance.home());
    assert!(appliance.end().success());
    let after = stored(appliance.home());
    assert_eq!(after.revision, before.revision + 1, "one write");
    let keys: Value = serde_json::from_str(&appliance.cli(&["key", "list", "--json"]).expect_success()).unwrap();
    assert!(keys[0]["last_used_at"].is_string(), "{keys}");
    let last = appliance.audit("the last line", |lines| lines.last().map(|it| it.get("seq").to_owned()));
    assert_eq!(after.anchor.unwrap().facts.sequence.to_string(), last);
}

#[test]
fn a_server_that_did_nothing_writes_nothing() {
    let mut appliance = Appliance::start();
    assert!(appliance.end().success());
    let before = stored(appliance.home()).revision;
    let mut appliance = appliance.restart();
    assert!(appliance.end().success());
    assert_eq!(stored(appliance.home()).revision, before);
}
