//! Credentials are added, bound and deleted while the proxy serves: nothing is lost, nothing stops, each change is seen soon.

use std::{
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::support::{Agent, Appliance, Credential, Origin, WAYS, Way, agent::NAMED, appliance::ALIAS, wait::until};

const WRITERS: usize = 20;
/// How often somebody asks meanwhile: often enough to notice, and no load that slows the writers down.
const PACE: Duration = Duration::from_millis(2);

#[test]
fn twenty_writers_at_once_lose_nothing_and_stop_nobody() {
    let appliance = Appliance::start();
    let (origin, other) = (Origin::https(), Origin::https());
    let (done, over) = channel::<()>();
    let (serving_appliance, serving_origin) = (&appliance, &other);
    thread::scope(|scope| {
        let serving = scope.spawn(move || {
            let mut agent = Agent::via(serving_appliance, Way::Tunnel, serving_origin);
            let mut served = 0;
            while over.recv_timeout(PACE) == Err(RecvTimeoutError::Timeout) {
                agent.get("/meanwhile").expect_origins(200);
                served += 1;
            }
            served
        });
        let writers: Vec<_> = (0..WRITERS)
            .map(|at| {
                let (appliance, origin) = (&appliance, &origin);
                scope.spawn(move || {
                    let alias = format!("writer-{at}");
                    appliance.add(&Credential::key(&alias, &format!("key-{at}"), &["localhost:*"]));
                    let mut agent = Agent::via(appliance, WAYS[at % 3], origin);
                    let path = format!("/by/{alias}");
                    until("the new credential is usable", || {
                        let answer = agent.ask("GET", &path, &[("X-Vultrino-Credential", &*alias)]);
                        (answer.status() == 200).then_some(())
                    });
                })
            })
            .collect();
        let joined: Vec<_> = writers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        drop(done);
        assert!(joined.iter().all(Result::is_ok), "a writer failed");
        assert!(serving.join().unwrap() > 0);
    });
    let requests = origin.requests();
    for at in 0..WRITERS {
        let path = format!("/by/writer-{at}");
        let keys: Vec<String> =
            requests.iter().filter(|it| it.target() == path).map(|it| it.values("authorization").concat()).collect();
        assert_eq!(keys, [format!("Bearer key-{at}")]);
    }
    assert_eq!(aliases(&appliance).len(), WRITERS + 1);
}

#[test]
fn a_deleted_credential_is_gone_on_connections_that_stay() {
    let appliance = Appliance::start();
    for way in WAYS {
        let origin = Origin::https();
        let alias = format!("gone-{way:?}");
        appliance.add(&Credential::key(&alias, "k", &["localhost:*"]));
        let named = [("X-Vultrino-Credential", &*alias)];
        let mut agent = Agent::via(&appliance, way, &origin);
        until("it is there", || (agent.ask("GET", "/", &named).status() == 200).then_some(()));
        appliance.cli(&["delete", &alias, "--force"]).expect_success();
        until("it is gone", || (Agent::status(&appliance, way, &origin, &named) == Some(404)).then_some(()));
        agent.ask("GET", "/", &named).expect_refusal(404, "not_found");
    }
}

#[test]
fn a_binding_that_is_added_or_taken_away_counts_at_once() {
    let appliance = Appliance::builder().credential(Credential::key(ALIAS, "k", &["api.example.com"])).start();
    let origin = Origin::https();
    let mut agent = Agent::via(&appliance, Way::Path, &origin);
    agent.get("/").expect_refusal(403, "forbidden").because("host_not_bound");
    appliance.cli(&["bind", ALIAS, &origin.authority()]).expect_success();
    until("the binding counts", || (agent.get("/").status() == 200).then_some(()));
    appliance.cli(&["unbind", ALIAS, &origin.authority()]).expect_success();
    let status = || Agent::status(&appliance, Way::Path, &origin, &[NAMED]);
    until("the binding is gone", || (status() == Some(403)).then_some(()));
    agent.get("/").expect_refusal(403, "forbidden").because("host_not_bound");
}

/// A request is judged by what it began with, and opens the secret of that.
#[test]
fn a_credential_that_is_edited_all_the_time_refuses_nobody() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    let (appliance, origin) = (&appliance, &origin);
    thread::scope(|scope| {
        let editing = scope.spawn(move || {
            for at in 0..12 {
                appliance.cli(&["bind", ALIAS, &format!("{at}.example")]).expect_success();
            }
        });
        let asking = || {
            let mut agent = Agent::via(appliance, Way::Tunnel, origin);
            while !editing.is_finished() {
                agent.get("/meanwhile").expect_origins(200);
            }
        };
        thread::scope(|scope| (0..3).for_each(|_| drop(scope.spawn(asking))));
        editing.join().unwrap();
    });
}

fn aliases(appliance: &Appliance) -> Vec<String> {
    let text = appliance.cli(&["list", "--json"]).expect_success();
    let list: Vec<Value> = serde_json::from_str(&text).unwrap();
    list.iter().map(|it| it["alias"].as_str().unwrap().to_owned()).collect()
}
