//! A store of an earlier day in the place of today's is noticed, and taken only where a person says so (F12).

use std::{fs, path::PathBuf};

use serde_json::json;

use crate::{
    api::{Client, created},
    cli::home::{Home, Ran, Running, piped},
    support::{Agent, Appliance, Credential, Origin, Way, appliance::ALIAS, mcp::Door, wait::until},
};

fn log(home: &Home) -> String {
    fs::read_to_string(home.path(".local/share/vultrino/audit.log")).unwrap()
}

#[test]
fn a_store_of_an_earlier_day_is_refused_until_somebody_accepts_it() {
    let home = Home::set_up();
    home.add("first", &[]).ok();
    let older = fs::read(home.store()).unwrap();
    home.add("second", &[]).ok();
    home.run(&["delete", "first", "--force"]).ok();
    let today = fs::read(home.store()).unwrap();

    fs::write(home.store(), &older).unwrap();
    let lines = log(&home).lines().count();
    home.add("third", &[])
        .fails_with(5)
        .says("the store is older than it was")
        .says("vultrino serve --accept-rollback");
    home.run(&["delete", "first", "--force"]).fails_with(5);
    home.run(&["get", "first", "--show-secret", "--force"]).fails_with(5);
    home.run(&["request", "first", "https://a.example/"]).fails_with(5);
    home.run(&["serve", "--bind", "127.0.0.1:0"]).fails_with(5).says("--accept-rollback");
    assert_eq!(fs::read(home.store()).unwrap(), older, "nothing was changed");
    assert_eq!(log(&home).lines().count(), lines);
    // To look is no change.
    assert!(home.run(&["list"]).ok().out.contains("first"));
    home.run(&["audit", "verify"]).ok();

    fs::write(home.store(), &today).unwrap();
    home.add("third", &[]).ok();

    fs::write(home.store(), &older).unwrap();
    let mut serve = home.command(&["serve", "--bind", "127.0.0.1:0", "--accept-rollback"]);
    let serving = Running(piped(&mut serve).spawn().unwrap());
    until("the acceptance is on the record", || log(&home).contains(" store_rollback_accepted ").then_some(()));
    drop(serving);
    home.add("fourth", &[]).ok();
    let log = log(&home);
    let accepted = log.lines().find(|it| it.contains(" store_rollback_accepted ")).unwrap();
    assert!(accepted.contains(" outcome=ok ") && accepted.contains(" object=store:"), "{accepted}");
    home.run(&["audit", "verify"]).ok();
}

#[test]
fn a_store_of_an_earlier_day_does_not_come_into_force_in_a_running_server() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    let store = appliance.home().join("credentials.enc");
    let older = fs::read(&store).unwrap();
    appliance.add(&Credential::key("new", "k", &["localhost:*"]));
    let ask = |alias: &str| {
        let mut agent = Agent::via(&appliance, Way::Path, &origin);
        agent.ask("GET", "/", &[("X-Vultrino-Credential", alias)]).status()
    };
    until("the new credential is there", || (ask("new") == 200).then_some(()));
    let today = fs::read(&store).unwrap();
    fs::write(&store, older).unwrap();
    let health = || {
        let mut agent = Agent::dial(appliance.address());
        agent.send(format!("GET /health HTTP/1.1\r\nHost: {}\r\n\r\n", appliance.address()));
        String::from_utf8(agent.answer("GET").body.clone()).unwrap()
    };
    until("it is noticed", || health().contains("degraded").then_some(()));
    assert_eq!((ask("new"), ask(ALIAS)), (200, 200), "the last state stays in force");
    fs::write(&store, today).unwrap();
    until("it is as it was", || (!health().contains("degraded")).then_some(()));
}

#[test]
fn no_writer_makes_a_rolled_back_store_the_accepted_one_while_a_server_runs() {
    // A key is asked with before it counts, and again after it was revoked.
    let mut appliance = Appliance::builder().set("rate_limits.auth_failures", "0").start();
    let writer = appliance.mint("writer", &["--permissions", "read,write"]);
    let revoked = appliance.mint("temporary", &["--permissions", "read,execute"]);
    let (client, holder) = (Client::of(&appliance), Client::with(&appliance, &revoked));
    until("the key counts", || (holder.get("/v1/types").status() == 200).then_some(()));
    let store = appliance.home().join("credentials.enc");
    let older = fs::read(&store).unwrap();
    let add = |alias: &str| {
        let new = json!({ "alias": alias, "type": "api_key", "data": { "key": "x" }, "hosts": ["a.example.com"] });
        client.send("POST", "/v1/credentials", &new)
    };
    created(&add("newest"));
    appliance.cli(&["key", "revoke", &revoked]).expect_success();
    until("it is revoked", || (holder.get("/v1/types").status() == 401).then_some(()));
    let today = fs::read(&store).unwrap();

    // At once, and when the server has noticed: more changes than it lacks.
    fs::write(&store, &older).unwrap();
    for round in 0..2 {
        for at in 0..4 {
            let refusal = add(&format!("later-{round}-{at}")).expect_refusal(409, "conflict");
            assert!(refusal.because("store_rolled_back").message.contains("--accept-rollback"));
        }
        let change = json!({ "description": "changed" });
        client.send("PATCH", &format!("/v1/credentials/{ALIAS}"), &change).expect_refusal(409, "conflict");
        client.ask("DELETE", &format!("/v1/credentials/{ALIAS}")).expect_refusal(409, "conflict");
        let mut mcp = Door::Http.open(&appliance, &writer);
        let new = json!({ "alias": "tool", "type": "api_key", "key": "x" });
        assert_eq!(mcp.call("add_credential", &new).code(), "internal_error");
        until("health says so", || appliance.health().1.contains("store_rolled_back").then_some(()));
    }
    assert!(appliance.health().1.contains("vultrino serve --accept-rollback"), "{:?}", appliance.health());
    appliance.expect_printed("the store is older than it was");
    let mut add_here = appliance.command(&["add", "--alias", "here", "--key", "x"]);
    let refused = Ran::of(&mut add_here).fails_with(5);
    assert!(refused.err.contains("--accept-rollback"), "{refused:?}");
    assert_eq!(fs::read(&store).unwrap(), older, "nothing was written");
    assert_eq!(holder.get("/v1/types").status(), 401);

    // Nor by what the server notes at its end, and a start is refused.
    assert!(appliance.end().success());
    assert_eq!(fs::read(&store).unwrap(), older);
    let serve = Ran::of(&mut appliance.command(&["serve", "--bind", "127.0.0.1:0"])).fails_with(5);
    assert!(serve.err.contains("--accept-rollback"), "{serve:?}");
    fs::write(&store, &today).unwrap();
    let appliance = appliance.restart();
    assert_eq!(Client::with(&appliance, &revoked).get("/v1/types").status(), 401);
    created(&Client::of(&appliance).send(
        "POST",
        "/v1/credentials",
        &json!({
            "alias": "after", "type": "api_key", "data": { "key": "x" },
        }),
    ));
}

/// A home whose store was changed, a copy of the store and of the head of the chain from before, and where these lie.
struct Changed {
    home: Home,
    older: Vec<u8>,
    older_head: Vec<u8>,
    head: PathBuf,
}

impl Changed {
    fn new() -> Self {
        let home = Home::set_up();
        let head = home.path(".local/share/vultrino/journal/chain");
        home.add("first", &[]).ok();
        let (older, older_head) = (fs::read(home.store()).unwrap(), fs::read(&head).unwrap());
        home.run(&["delete", "first", "--force"]).ok();
        Self { home, older, older_head, head }
    }

    #[track_caller]
    fn is_refused(&self, because: &str) {
        self.home.add("third", &[]).fails_with(5).says(because).says("vultrino serve --accept-rollback");
        self.home.run(&["serve", "--bind", "127.0.0.1:0"]).fails_with(5).says(because);
    }

    fn is_accepted(&self) {
        let mut serve = self.home.command(&["serve", "--bind", "127.0.0.1:0", "--accept-rollback"]);
        let serving = Running(piped(&mut serve).spawn().unwrap());
        let file = self.home.path(".local/share/vultrino/audit.log");
        let is_told = || fs::read_to_string(&file).is_ok_and(|it| it.contains(" store_rollback_accepted "));
        until("it is on the record", || is_told().then_some(()));
        drop(serving);
        self.home.add("third", &[]).ok();
    }
}

#[test]
fn the_log_alone_shows_that_a_store_is_older() {
    let changed = Changed::new();
    let today = fs::read(changed.home.store()).unwrap();
    fs::write(changed.home.store(), &changed.older).unwrap();
    for head in [None, Some(&changed.older_head), Some(&vec![0xff; 256])] {
        match head {
            None => fs::remove_file(&changed.head).unwrap(),
            Some(head) => fs::write(&changed.head, head).unwrap(),
        }
        changed.is_refused("the store is older than it was");
    }
    // The store of today is proved by the same log, and the head is made anew.
    fs::write(changed.home.store(), &today).unwrap();
    fs::remove_file(&changed.head).unwrap();
    changed.home.add("second", &[]).ok();
    changed.home.run(&["audit", "verify"]).ok();
    fs::write(changed.home.store(), &changed.older).unwrap();
    changed.is_refused("the store is older than it was");
    changed.is_accepted();
    assert!(log(&changed.home).contains(" object=store:"), "{}", log(&changed.home));
    // From here on the log tells of the accepted one.
    fs::remove_file(&changed.head).unwrap();
    changed.home.add("fourth", &[]).ok();
}

#[test]
fn where_nothing_tells_whether_a_store_is_older_nothing_starts() {
    let changed = Changed::new();
    fs::write(changed.home.store(), &changed.older).unwrap();
    fs::remove_file(&changed.head).unwrap();
    fs::remove_file(changed.home.path(".local/share/vultrino/audit.log")).unwrap();
    changed.is_refused("it cannot be told whether the store is older than it was");
    assert!(!changed.head.exists(), "nothing was made that would look like a proof tomorrow");
    // To look is no change.
    assert!(changed.home.run(&["list"]).ok().out.contains("first"));
    changed.is_accepted();
    assert!(log(&changed.home).contains(" name=local "), "{}", log(&changed.home));
}

#[test]
fn a_head_that_is_lost_while_a_server_runs_is_made_anew_with_what_it_remembered() {
    let home = Home::set_up();
    home.add("first", &[]).ok();
    let older = fs::read(home.store()).unwrap();
    home.run(&["delete", "first", "--force"]).ok();
    let head = home.path(".local/share/vultrino/journal/chain");
    let (config, today) = (home.path(".config/vultrino/config.toml"), log(&home).lines().count());
    let mut serve = home.command(&["serve", "--bind", "127.0.0.1:0"]);
    let serving = Running(piped(&mut serve).spawn().unwrap());
    until("it runs", || home.path(".local/share/vultrino/journal").read_dir().unwrap().count().gt(&1).then_some(()));
    fs::remove_file(&head).unwrap();
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{text}\n# Changed, so that there is something to tell.\n")).unwrap();
    until("it writes a line of its own", || (log(&home).lines().count() > today).then_some(()));
    fs::write(home.store(), &older).unwrap();
    drop(serving);
    home.add("second", &[]).fails_with(5).says("the store is older than it was");
}
