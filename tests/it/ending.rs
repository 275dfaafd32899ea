//! A server that is told to end takes nothing new, finishes what it has begun, and says all in the audit log.

use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::support::{
    Agent, Appliance, Origin, WAYS, Way, agent::NAMED, audit_line::AuditLine, holding::Holding, wait::until,
};

#[test]
fn five_hundred_requests_in_flight_are_answered_before_the_end() {
    const ALL: usize = 500;
    let mut appliance = Appliance::start();
    let holding = Holding::start();
    // Few tunnels: what their handshakes cost is not the point.
    let way = |at: usize| if at.is_multiple_of(10) { Way::Tunnel } else { WAYS[at % 2] };
    let mut held = holding.hold_all((0..ALL).map(|at| Agent::via(&appliance, way(at), &holding.origin)));
    let mut idle = Agent::via(&appliance, Way::Path, &holding.origin);
    idle.get("/before").expect_origins(200);
    appliance.signal("TERM");
    until("nothing new is accepted", || TcpStream::connect(appliance.address()).is_err().then_some(()));
    assert_eq!(appliance.ended(), None, "it waits for those in flight");
    // Who is in may ask once more, and is told that it was the last time.
    let answer = idle.get("/last").expect_origins(200);
    assert_eq!(answer.values("connection"), ["close"], "{answer:#?}");
    holding.release();
    for agent in &mut held {
        assert_eq!(agent.answer("GET").expect_origins(200).text(), "ok");
        assert!(agent.is_closed());
    }
    let status = until("it has ended", || appliance.ended());
    assert!(status.success(), "{status} {}", appliance.printed());
    let text = appliance.audit_text();
    let lines = AuditLine::read(&text);
    let whole = lines.iter().filter(|it| it.get("url").ends_with("/held") && it.get("outcome") == "ok").count();
    assert_eq!(whole, ALL, "{text}");
    assert!(appliance.cli(&["audit", "verify"]).status.success());
}

#[test]
fn what_was_sent_before_the_end_is_answered() {
    for _ in 0..5 {
        let mut appliance = Appliance::start();
        let origin = Origin::https();
        let mut agents: Vec<Agent> =
            WAYS.iter().cycle().take(30).map(|way| Agent::via(&appliance, *way, &origin)).collect();
        for agent in &mut agents {
            let head = agent.head("GET", "/just-before", &[NAMED]);
            agent.send(head);
        }
        appliance.signal("TERM");
        for agent in &mut agents {
            agent.answer("GET").expect_origins(200);
        }
        let status = until("it has ended", || appliance.ended());
        assert!(status.success(), "{status} {}", appliance.printed());
    }
}

#[test]
fn a_second_signal_ends_it_at_once_and_nothing_is_lost() {
    let mut appliance = Appliance::start();
    let holding = Holding::start();
    let mut held = holding.hold_all(WAYS.into_iter().map(|way| Agent::via(&appliance, way, &holding.origin)));
    appliance.signal("TERM");
    until("nothing new is accepted", || TcpStream::connect(appliance.address()).is_err().then_some(()));
    let begun = Instant::now();
    appliance.signal("TERM");
    let status = until("it has ended", || appliance.ended());
    assert!(begun.elapsed() < Duration::from_secs(10) && status.success(), "{status:?} {:?}", begun.elapsed());
    for agent in &mut held {
        assert!(agent.try_answer("GET").is_err());
    }
    let text = appliance.audit_text();
    let cut = |it: &&AuditLine| it.get("url").ends_with("/held") && it.get("outcome") == "interrupted";
    assert_eq!(AuditLine::read(&text).iter().filter(cut).count(), 3, "{text}");
    assert!(appliance.cli(&["audit", "verify"]).status.success());
}
