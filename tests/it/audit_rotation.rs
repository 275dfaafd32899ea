//! The chain of audit records goes on whatever logrotate does, and whatever kills the server; `audit verify` says so.

use std::{
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{Agent, Appliance, Origin, WAYS, Way, agent::NAMED, wait::until};

fn rotated(log: &Path, number: u32) -> PathBuf {
    PathBuf::from(format!("{}.{number}", log.display()))
}

/// As logrotate does before it makes a new `.1`.
fn make_way(log: &Path) {
    for number in (1..9).rev().filter(|it| rotated(log, *it).exists()) {
        fs::rename(rotated(log, number), rotated(log, number + 1)).unwrap();
    }
}

/// One request each way, and a change by another process; their lines are in the log.
fn use_it(appliance: &Appliance, origin: &Origin, mark: &str) {
    for way in WAYS {
        Agent::via(appliance, way, origin).get(&format!("/{mark}/{way:?}")).expect_origins(200);
    }
    appliance.cli(&["bind", "walls", &format!("{mark}.example")]).expect_success();
    let log = appliance.home().join("audit.log");
    until("all lines are in the log", || {
        let text = fs::read_to_string(&log).unwrap_or_default();
        (text.matches(&format!("/{mark}/")).count() == WAYS.len()).then_some(())
    });
}

#[test]
fn the_chain_goes_on_whatever_logrotate_does() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    let log = appliance.home().join("audit.log");
    use_it(&appliance, &origin, "first");
    make_way(&log);
    fs::rename(&log, rotated(&log, 1)).unwrap();
    let hup = Command::new("kill").args(["-HUP", &appliance.pid().to_string()]).status().unwrap();
    assert!(hup.success());
    use_it(&appliance, &origin, "second");
    make_way(&log);
    fs::copy(&log, rotated(&log, 1)).unwrap();
    OpenOptions::new().write(true).open(&log).unwrap().set_len(0).unwrap();
    use_it(&appliance, &origin, "third");
    let verified = appliance.cli(&["audit", "verify", "--json"]).expect_success();
    let verified: serde_json::Value = serde_json::from_str(&verified).unwrap();
    assert_eq!(verified["files"].as_array().unwrap().len(), 3, "{verified}");
    assert!(verified["records"].as_u64().unwrap() >= 12, "{verified}");
}

#[test]
fn what_a_kill_interrupts_is_chained_too() {
    let mut appliance = Appliance::start();
    let origin = Origin::https_with(|visit| {
        visit.request()?;
        visit.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")?;
        visit.drain();
        Ok(())
    });
    let quick = Origin::https();
    for round in 0..3 {
        let mut agent = Agent::via(&appliance, Way::Path, &origin);
        agent.send(agent.head("GET", &format!("/under-way/{round}"), &[NAMED]));
        agent.read_until("hello");
        Agent::via(&appliance, Way::Path, &quick).get("/ended").expect_origins(200);
        appliance = appliance.restart();
        appliance.audit_of(&format!("/under-way/{round}"));
        let verified = appliance.cli(&["audit", "verify"]).expect_success();
        assert!(verified.starts_with("Verified "), "{verified}");
    }
}
