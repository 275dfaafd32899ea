//! Changes reach a running server: soon, as a whole or not at all, and without anybody being dropped.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    Agent, Appliance, Credential, Origin, Shown, WAYS, Way,
    agent::NAMED,
    appliance::{ALIAS, KEY},
    wait::until,
};

/// What is promised of a change that another process makes.
const PROMISED: Duration = Duration::from_secs(1);
/// A busy machine may be late; of so many tries the best counts.
const TRIES: usize = 3;

/// Makes a change and waits until `ask` sees it, again and again.
#[track_caller]
pub(crate) fn within_the_promise(what: &str, mut change: impl FnMut(usize), mut ask: impl FnMut(usize) -> bool) {
    let mut took = Vec::new();
    for at in 0..TRIES {
        change(at);
        let since = Instant::now();
        until(what, || ask(at).then_some(()));
        took.push(since.elapsed());
        if since.elapsed() < PROMISED {
            return;
        }
    }
    panic!("{what} took {took:?}");
}

/// Between two requests of a load that shall be there, and leave the processor to others.
const PACE: Duration = Duration::from_millis(3);

/// Policies for all credentials: everything is allowed, or nothing.
fn policy(name: &str, action: &str) -> String {
    format!("[[policies]]\nname = \"{name}\"\ncredential_pattern = \"*\"\ndefault_action = \"{action}\"\n")
}

fn health(appliance: &Appliance) -> Value {
    appliance.api_without_key().get("/health").json()
}

#[test]
fn what_is_changed_at_the_command_line_counts_within_a_second() {
    let builder = Appliance::builder().server().credential(Credential::key(ALIAS, KEY, &["localhost:*"]));
    let builder = builder.role("agents", "execute", "").key("agent", "agents");
    let appliance = builder.set("rate_limits.auth_failures", "0").set("rate_limits.proxy", "0").start();
    let origin = Origin::https();
    let mut agent = Agent::keyed(&appliance, Way::Path, &origin, appliance.key("agent"));
    let mut status = |alias: &str| agent.ask("GET", "/", &[("X-Vultrino-Credential", alias)]).status();
    within_the_promise(
        "a new credential is there",
        |at| appliance.add(&Credential::key(&format!("new-{at}"), "k", &["localhost:*"])),
        |at| status(&format!("new-{at}")) == 200,
    );
    within_the_promise(
        "a binding is gone",
        |at| drop(appliance.cli(&["unbind", &format!("new-{at}"), "localhost:*"]).expect_success()),
        |at| status(&format!("new-{at}")) == 403,
    );
    within_the_promise(
        "a credential is gone",
        |at| drop(appliance.cli(&["delete", &format!("new-{at}"), "--force"]).expect_success()),
        |at| status(&format!("new-{at}")) == 404,
    );
    let lets_in = |key: &str| {
        let shown = Shown::Bearer(key).value().unwrap();
        let mut agent = Agent::via(&appliance, Way::Path, &origin);
        agent.ask("GET", "/", &[NAMED, ("Authorization", &shown)]).status() == 200
    };
    let keys = RefCell::<Vec<String>>::default();
    within_the_promise(
        "a new role and key let in",
        |at| {
            let name = format!("role-{at}");
            appliance.add_role(&name, "execute", "");
            keys.borrow_mut().push(appliance.add_key(&name, &name, &[]));
        },
        |at| lets_in(&keys.borrow()[at]),
    );
    let keys: Vec<String> = (0..TRIES).map(|at| appliance.add_key(&format!("key-{at}"), "agents", &[])).collect();
    until("the keys let in", || keys.iter().all(|it| lets_in(it)).then_some(()));
    within_the_promise(
        "a revoked key lets nobody in",
        |at| drop(appliance.cli(&["key", "revoke", &keys[at][..11]]).expect_success()),
        |at| !lets_in(&keys[at]),
    );
}

#[test]
fn a_policy_that_is_edited_counts_within_a_second_without_a_signal() {
    let home = TempDir::with_prefix("vultrino-").unwrap();
    let folder = home.path().join("policies");
    fs::create_dir(&folder).unwrap();
    // One that says nothing about the credential stays there.
    fs::write(folder.join("other.toml"), policy("other", "deny").replace('*', "other")).unwrap();
    let appliance = Appliance::builder()
        .set("policy.include", "[\"policies/*.toml\"]")
        .credential(Credential::key(ALIAS, KEY, &["localhost:*"]))
        .start_in(home);
    let origin = Origin::https();
    let mut agent = Agent::via(&appliance, Way::Tunnel, &origin);
    agent.get("/").expect_origins(200);
    let write = |text: &str| {
        fs::write(folder.join("new"), text).unwrap();
        fs::rename(folder.join("new"), folder.join("p.toml")).unwrap();
    };
    // In turn, so that each change makes a difference.
    let action = |at: usize| if at.is_multiple_of(2) { "deny" } else { "allow" };
    within_the_promise(
        "an edited policy counts",
        |at| write(&policy("p", action(at))),
        |at| agent.get("/").status() == if at.is_multiple_of(2) { 403 } else { 200 },
    );
    write(&policy("p", "deny"));
    until("the policy denies", || (agent.get("/").status() == 403).then_some(()));
    within_the_promise(
        "a policy that is taken away no longer counts",
        |at| {
            if at > 0 {
                write(&policy("p", "deny"));
                until("the policy denies", || {
                    (Agent::via(&appliance, Way::Path, &origin).get("/").status() == 403).then_some(())
                });
            }
            fs::remove_file(folder.join("p.toml")).unwrap();
        },
        |_| Agent::via(&appliance, Way::Path, &origin).get("/").status() == 200,
    );
}

#[test]
fn a_bad_configuration_changes_nothing_and_is_told_with_its_line() {
    let deny = policy("strict", "deny");
    let appliance =
        Appliance::builder().credential(Credential::key(ALIAS, KEY, &["localhost:*"])).sections(&deny).start();
    let origin = Origin::https();
    let mut agent = Agent::via(&appliance, Way::Tunnel, &origin);
    agent.get("/").expect_refusal(403, "policy_denied");
    assert_eq!(health(&appliance)["status"], "ok");
    for (text, told) in [
        ("[[policies]]\nname = \"strict\"\ncredential_pattern = \"**\"\n", "**"),
        ("[[policies]]\nname = \"strict\"\ncredential_patern = \"*\"\n", "credential_patern"),
        ("[[policies]\n", "config.toml"),
        ("[servers]\n", "servers"),
        (&*(policy("same", "allow") + &policy("same", "allow")), "same"),
        ("[policy]\ninclude = [\"nowhere/missing.toml\"]\n", "missing.toml"),
    ] {
        let before = appliance.printed().len();
        appliance.rewrite_config(None, text);
        appliance.hang_up();
        until("the error is told", || appliance.printed()[before..].contains(told).then_some(()));
        let printed = appliance.printed()[before..].to_owned();
        let line = printed.lines().find(|it| it.contains(told)).unwrap();
        assert!(told == "missing.toml" || line.contains("config.toml:"), "file and line: {line}");
        let health = health(&appliance);
        assert_eq!(
            (&health["status"], health["reasons"].as_array().map(Vec::len)),
            (&"degraded".into(), Some(1)),
            "{health}"
        );
        agent.get("/").expect_refusal(403, "policy_denied");
    }
    appliance.rewrite_config(None, &policy("lenient", "allow"));
    appliance.hang_up();
    until("the good one counts", || (agent.get("/").status() == 200).then_some(()));
    until("all is well", || (health(&appliance)["status"] == "ok").then_some(()));
}

#[test]
fn reloads_under_load_drop_nobody_and_each_record_has_one_generation() {
    const RELOADS: usize = 24;
    let allow = policy("a0", "allow");
    let appliance =
        Appliance::builder().credential(Credential::key(ALIAS, KEY, &["localhost:*"])).sections(&allow).start();
    let origin = Origin::https();
    let over = Arc::<AtomicBool>::default();
    let served: Vec<usize> = thread::scope(|scope| {
        let asking: Vec<_> = WAYS
            .into_iter()
            .map(|way| {
                let (appliance, origin, over) = (&appliance, &origin, over.clone());
                scope.spawn(move || {
                    let mut agent = Agent::via(appliance, way, origin);
                    let mut served = 0;
                    while !over.load(Ordering::SeqCst) {
                        // An answer that does not come whole fails the test here.
                        let answer = agent.get("/load");
                        thread::sleep(PACE);
                        match answer.status() {
                            200 => served += 1,
                            _ => drop(answer.expect_refusal(403, "policy_denied")),
                        }
                    }
                    served
                })
            })
            .collect();
        for at in 1..=RELOADS {
            let (text, outcome) = match at % 3 {
                0 => (format!("[[policies]]\nname = \"bad{at}\"\nwrong = {at}\n"), "denied"),
                1 => (policy(&format!("b{at}"), "deny"), "ok"),
                _ => (policy(&format!("a{at}"), "allow"), "ok"),
            };
            let mark = format!("outcome={outcome} ");
            let count = || {
                let text = appliance.audit_text();
                text.lines().filter(|it| it.contains(" config_reload ") && it.contains(&mark)).count()
            };
            let before = count();
            appliance.rewrite_config(None, &text);
            appliance.hang_up();
            until("the reload is on the record", || (count() > before).then_some(()));
        }
        over.store(true, Ordering::SeqCst);
        asking.into_iter().map(|it| it.join().unwrap()).collect()
    });
    assert!(served.iter().all(|it| *it > 0), "{served:?}");
    let all: usize = served.iter().sum();
    let lines = appliance.audit("a line for each", |lines| {
        let made: Vec<_> = lines.iter().filter(|it| it.get("url").ends_with("/load")).cloned().collect();
        (made.iter().filter(|it| it.get("outcome") == "ok").count() == all).then_some(made)
    });
    let mut verdicts: BTreeMap<u64, Vec<(&str, &str)>> = BTreeMap::new();
    for line in &lines {
        let verdict = (line.get("status"), line.get("policy"));
        let of_generation = verdicts.entry(line.get("gen").parse().unwrap()).or_default();
        if !of_generation.contains(&verdict) {
            of_generation.push(verdict);
        }
    }
    assert!(verdicts.values().all(|it| it.len() == 1), "one generation, one verdict: {verdicts:#?}");
    assert!(verdicts.len() > RELOADS / 3, "{verdicts:#?}");
}
