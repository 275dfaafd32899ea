//! A store of an earlier day in the place of today's is noticed, and taken only where a person says so (F12).

use std::fs;

use crate::{
    cli::home::{Home, Running, piped},
    support::{Agent, Appliance, Credential, Origin, Way, appliance::ALIAS, wait::until},
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
    home.run(&["get", "first", "--show-secret"]).fails_with(5);
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
