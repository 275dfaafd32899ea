//! kill -9 under load, again and again: what was used is on the record, the chain holds, and the next start works.

use std::{collections::BTreeMap, sync::mpsc, thread};

use crate::support::{
    Agent, Appliance, Credential, Origin, WAYS,
    agent::NAMED,
    appliance::{ALIAS, KEY},
    audit_line::AuditLine,
    origin::judge,
};

const ROUNDS: usize = 300;
/// Between two looks at the whole chain.
const LOOK: usize = 25;
const CLIENTS: usize = 3;

/// Has clients ask in every way until the server dies, after so many answers.
fn load_and_kill(appliance: &mut Appliance, origin: &Origin, round: usize) {
    let (tell, told) = mpsc::channel::<()>();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|at| {
            let mut agent = Agent::via(appliance, WAYS[(round + at) % 3], origin);
            let tell = tell.clone();
            thread::spawn(move || {
                for count in 0.. {
                    let head = agent.head("GET", &format!("/r{round}-{at}-{count}-"), &[NAMED]);
                    if agent.try_send(head).is_err() || agent.try_answer("GET").is_err() {
                        return;
                    }
                    // Nobody listens any more once there were enough.
                    tell.send(()).unwrap_or_default();
                }
            })
        })
        .collect();
    // Another moment in every round: between the first answers, and in the middle of many.
    for _ in 0..round % 40 {
        told.recv().unwrap();
    }
    appliance.kill();
    for client in clients {
        client.join().unwrap();
    }
}

#[track_caller]
fn verify(appliance: &Appliance) {
    appliance.cli(&["audit", "verify"]).expect_success();
}

#[test]
fn three_hundred_sudden_ends_lose_no_record_of_a_use() {
    let mut appliance = Appliance::start();
    let origin = Origin::https();
    for round in 0..ROUNDS {
        load_and_kill(&mut appliance, &origin, round);
        if round % LOOK == 0 {
            verify(&appliance);
        }
        appliance = appliance.restart();
    }
    let mut used: BTreeMap<String, usize> = BTreeMap::new();
    for seen in origin.closed() {
        assert_eq!(seen.bytes.len(), seen.count, "more has come than is kept");
        for request in judge(&seen.bytes).0 {
            assert_eq!(request.values("authorization"), [format!("Bearer {KEY}")]);
            *used.entry(request.target().to_owned()).or_default() += 1;
        }
    }
    assert!(used.len() > ROUNDS * 10, "too little load: {}", used.len());
    // It has brought in what the dead left behind before it listened.
    let lines = AuditLine::read(&appliance.audit_text());
    let mut told: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for line in lines.iter().filter(|it| it.action == "http_request") {
        let url = line.get("url");
        told.entry(url[url.rfind('/').unwrap()..].to_owned()).or_default().push(line.get("outcome"));
    }
    for target in used.keys() {
        let outcomes = told.get(target).map_or(&[][..], Vec::as_slice);
        assert!(matches!(outcomes, ["ok" | "interrupted"]), "{target}: {outcomes:?}");
    }
    assert!(told.values().all(|it| it.len() == 1), "a record stands twice");
    assert!(told.values().flatten().any(|it| *it == "interrupted"), "no end came in the middle of anything");
    verify(&appliance);
}

#[test]
fn changes_that_were_acknowledged_survive_a_sudden_end() {
    let mut appliance = Appliance::start();
    for round in 0..8 {
        let (name, alias) = (format!("role-{round}"), format!("alias-{round}"));
        appliance.add(&Credential::key(&alias, "k", &["localhost:*"]));
        appliance.add_role(&name, "execute", "");
        appliance.add_key(&name, &name, &[]);
        appliance = appliance.restart();
    }
    let [credentials, roles, keys] = [["list", ""], ["role", "list"], ["key", "list"]].map(|words| {
        appliance.cli(&words.into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>()).expect_success()
    });
    for round in 0..8 {
        assert!(credentials.contains(&format!("alias-{round}")) && credentials.contains(ALIAS), "{credentials}");
        let name = format!("role-{round}");
        assert!(roles.contains(&name) && keys.contains(&name), "{roles}{keys}");
    }
    verify(&appliance);
}
