//! What happens is counted, once, and as the audit log has it.

use std::{
    fs,
    sync::{Arc, mpsc},
    thread,
};

use crate::support::{Agent, Appliance, Origin, WAYS, Way, agent::NAMED, scrape::Scrape, wait::until};

const DOORS: [(Way, &str); 3] = [(Way::Path, "path"), (Way::Absolute, "forward"), (Way::Tunnel, "connect")];

#[test]
fn requests_their_bytes_and_their_time_are_counted_by_door_and_outcome() {
    let appliance = Appliance::start();
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n".to_owned() + &"x".repeat(1000));
    for (nth, way) in WAYS.into_iter().enumerate() {
        let mut agent = Agent::via(&appliance, way, &origin);
        for _ in 0..=nth {
            agent.post("/up", &[], &[b'y'; 300]).expect_origins(200);
        }
    }
    Agent::dial(appliance.address()).connect("example.com:1", &[]).unwrap_err().expect_refusal(403, "forbidden");
    Agent::to(&appliance, Way::Path, "https", "example.com").get("/").expect_refusal(403, "forbidden");
    let scrape = until("all are counted", || {
        let scrape = Scrape::of(&appliance);
        (scrape.sum("vultrino_requests_total", &[]) >= 8).then_some(scrape)
    });
    for (nth, (_, door)) in DOORS.into_iter().enumerate() {
        let ok = scrape.count("vultrino_requests_total", &[("door", door), ("outcome", "ok")]);
        assert_eq!(ok, [1, 2, 3][nth], "{door}");
    }
    assert_eq!(scrape.count("vultrino_requests_total", &[("door", "tunnel"), ("outcome", "denied")]), 1);
    assert_eq!(scrape.count("vultrino_upload_bytes_total", &[]), 1800);
    assert_eq!(scrape.count("vultrino_download_bytes_total", &[]), 6000);
    let times = "vultrino_request_duration_seconds";
    assert_eq!(
        ["judge", "upstream", "total"].map(|it| scrape.count(&format!("{times}_count"), &[("stage", it)])),
        [6, 6, 8]
    );
    let [judge, upstream, total] =
        ["judge", "upstream", "total"].map(|it| scrape.value(&format!("{times}_sum"), &[("stage", it)]));
    assert!(judge > 0.0 && upstream > judge && total >= judge + upstream, "{judge} {upstream} {total}");
    assert_eq!(scrape.count("vultrino_requests_in_flight", &[]), 1, "the scrape itself");

    let scrape = until("all are written", || {
        let scrape = Scrape::of(&appliance);
        (scrape.count("vultrino_audit_lines_total", &[]) >= 8).then_some(scrape)
    });
    assert_eq!(scrape.count("vultrino_audit_lines_waiting", &[]), 0);
    assert_eq!(scrape.count("vultrino_audit_slots_used", &[]), 0);
    assert!(scrape.count("vultrino_audit_slots", &[]) >= 2048);
}

#[test]
fn who_goes_away_and_who_cannot_be_reached_are_counted_as_such() {
    let appliance = Appliance::start();
    let (tell, arrived) = mpsc::channel();
    let origin = Origin::https_with(move |visit| {
        visit.request()?;
        tell.send(()).unwrap();
        visit.drain();
        Ok(())
    });
    for way in WAYS {
        let mut agent = Agent::via(&appliance, way, &origin);
        let head = agent.head("GET", "/", &[NAMED]);
        agent.send(head);
        arrived.recv().unwrap();
        agent.break_off();
        Agent::to(&appliance, Way::Path, "http", "localhost:1").get("/").refusal();
    }
    let scrape = until("all have ended", || {
        let scrape = Scrape::of(&appliance);
        (scrape.sum("vultrino_requests_total", &[("outcome", "client_abort")]) >= 3).then_some(scrape)
    });
    for (_, door) in DOORS {
        assert_eq!(scrape.count("vultrino_requests_total", &[("door", door), ("outcome", "client_abort")]), 1);
    }
    assert_eq!(scrape.sum("vultrino_requests_total", &[]), 6, "{}", scrape.text);
    let dials = ["vultrino_upstream_dials_total", "vultrino_upstream_failed_dials_total"];
    let denied = scrape.sum("vultrino_requests_total", &[("outcome", "denied")]);
    assert_eq!((denied, dials.map(|it| scrape.count(it, &[]))), (3, [3, 0]), "{}", scrape.text);
}

#[test]
fn connections_and_certificates_are_counted() {
    let appliance = Appliance::start();
    let (release, gate) = mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let origin = Origin::https_with(move |visit| {
        while visit.request()?.is_some() {
            gate.lock().unwrap().recv().unwrap();
            visit.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        }
        Ok(())
    });
    let origin = Arc::new(origin);
    let mut agents = [Way::Tunnel, Way::Tunnel].map(|way| Agent::via(&appliance, way, &origin));
    let values = |names: &[&str]| {
        let scrape = Scrape::of(&appliance);
        names.iter().map(|it| scrape.count(it, &[])).collect::<Vec<_>>()
    };
    let clients = ["vultrino_client_connections", "vultrino_tunnels"];
    // The scrape has a connection of its own.
    assert_eq!(values(&clients), [3, 2]);
    let leaves = ["vultrino_leaf_cache_hosts", "vultrino_leaf_cache_misses_total", "vultrino_leaf_cache_hits_total"];
    assert_eq!(values(&leaves), [1, 1, 1]);

    let asking = thread::scope(|scope| {
        let [first, _] = &mut agents;
        let asking = scope.spawn(|| first.get("/slow").expect_origins(200));
        until("it is in flight", || (values(&["vultrino_requests_in_flight"]) == [2]).then_some(()));
        assert_eq!(values(&["vultrino_audit_slots_used"]), [1]);
        release.send(()).unwrap();
        asking.join().unwrap()
    });
    drop(asking);
    until("it is over", || (values(&["vultrino_requests_in_flight"]) == [1]).then_some(()));
    assert_eq!(values(&["vultrino_upstream_idle_connections"]), [1]);
    release.send(()).unwrap();
    agents[0].get("/again").expect_origins(200);
    let upstream =
        ["vultrino_upstream_dials_total", "vultrino_upstream_reuses_total", "vultrino_upstream_failed_dials_total"];
    assert_eq!(values(&upstream), [1, 1, 0]);
    drop(agents);
    until("all are gone", || (values(&clients) == [1, 0]).then_some(()));
}

#[test]
fn policies_and_limits_are_counted_by_what_refused() {
    let rules = "rules = [{ condition = { method_match = [\"DELETE\"] }, action = \"deny\" }, \
        { condition = { rate_limit = { max = 2, window_secs = 3600 } }, action = \"allow\" }]";
    let policies = format!("[{{ name = \"p\", credential_pattern = \"*\", default_action = \"deny\", {rules} }}]");
    let appliance = Appliance::builder().set("policies", &policies).start();
    let origin = Origin::https();
    let mut agent = Agent::via(&appliance, Way::Path, &origin);
    agent.ask("DELETE", "/", &[NAMED]).expect_refusal(403, "policy_denied");
    for status in [200, 200, 429, 429, 429] {
        assert_eq!(agent.get("/").status(), status);
    }
    let scrape = Scrape::of(&appliance);
    assert_eq!(scrape.count("vultrino_policy_denials_total", &[]), 1);
    assert_eq!(scrape.count("vultrino_rate_denials_total", &[("limit", "policy")]), 3);
    assert_eq!(scrape.count("vultrino_refusals_total", &[("code", "rate_limited")]), 3);
    assert_eq!(scrape.count("vultrino_requests_total", &[("door", "path"), ("outcome", "denied")]), 4);
}

#[test]
fn what_is_in_force_is_told() {
    let appliance = Appliance::start();
    let names = ["vultrino_store_revision", "vultrino_snapshot_generation", "vultrino_config_ok", "vultrino_store_ok"];
    let state = || {
        let scrape = Scrape::of(&appliance);
        names.map(|it| scrape.count(it, &[]))
    };
    let [revision, generation, ..] = state();
    appliance.cli(&["delete", "walls", "--force"]).expect_success();
    until("the change is in force", || {
        let [later, next, config, store] = state();
        assert_eq!((config, store), (1, 1));
        (later > revision && next > generation).then_some(())
    });
    let file = appliance.home().join("config.toml");
    let good = fs::read_to_string(&file).unwrap();
    fs::write(&file, "nonsense").unwrap();
    until("the configuration is refused", || (state()[2] == 0).then_some(()));
    fs::write(&file, good).unwrap();
    until("it is good again", || (state()[2] == 1).then_some(()));
    let scrape = Scrape::of(&appliance);
    assert_eq!(scrape.count("vultrino_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), 1);
    assert_eq!(scrape.count("vultrino_audit_failing", &[]), 0);
    let [memory, open, most] =
        ["process_resident_memory_bytes", "process_open_fds", "process_max_fds"].map(|it| scrape.value(it, &[]));
    assert!(memory > 1e6 && open > 3.0 && open < most, "{}", scrape.text);
    let started = scrape.value("process_start_time_seconds", &[]);
    let now = jiff::Timestamp::now().as_duration().as_secs_f64();
    assert!((now - 120.0..now).contains(&started), "{started}");
}
