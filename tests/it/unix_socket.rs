//! The unix socket: the same proxy for those whom its file lets in.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, net::UnixListener},
    path::PathBuf,
};

use tempfile::TempDir;

use crate::support::{
    Agent, Answer, Appliance, Origin, WAYS, Way,
    agent::NAMED,
    appliance::{BEARER, Builder},
};

/// An appliance with a socket, at a path that is short enough.
pub(crate) fn with_socket() -> (Builder, PathBuf, TempDir) {
    let folder = TempDir::with_prefix("vs-").unwrap();
    let path = folder.path().join("proxy.sock");
    let builder = Appliance::builder().set("server.socket", &format!("{:?}", path.display().to_string()));
    (builder, path, folder)
}

fn ask(socket: &std::path::Path, appliance: &Appliance, way: Way, origin: &Origin, path: &str) -> Answer {
    match Agent::through(socket, appliance, way, origin) {
        Ok(mut agent) => agent.ask("GET", path, &[NAMED]),
        Err(refused) => *refused,
    }
}

#[test]
fn every_way_works_through_it_and_its_lines_show_no_address() {
    let (builder, socket, _folder) = with_socket();
    let (appliance, origin) = (builder.start(), Origin::https());
    for (way, path) in WAYS.into_iter().zip(["/one", "/two", "/three"]) {
        let mut agent = Agent::through(&socket, &appliance, way, &origin).unwrap();
        for _ in 0..3 {
            agent.get(path).expect_origins(200);
        }
        agent.post("/post", &[], &vec![7; 300_000]).expect_origins(200);
        assert_eq!(appliance.audit_of(path).get("source"), "-");
    }
    assert!(origin.requests().iter().all(|it| it.values("authorization") == [BEARER]));
}

#[test]
fn it_is_for_its_owner_and_group_and_gone_at_the_end() {
    let (builder, socket, _folder) = with_socket();
    let mut appliance = builder.start();
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o7777, 0o660);
    appliance.expect_printed(&format!("Listening on {}\n", socket.display()));
    assert!(appliance.end().success());
    assert!(!socket.exists());
}

#[test]
fn what_a_killed_server_left_is_replaced_and_a_living_one_is_not() {
    let (builder, socket, _folder) = with_socket();
    let (mut appliance, origin) = (builder.start(), Origin::https());
    appliance.kill();
    assert!(socket.exists());
    let appliance = appliance.restart();
    ask(&socket, &appliance, Way::Path, &origin, "/").expect_origins(200);
    let second = appliance.cli(&["serve", "--bind", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(1), "{second:?}");
    assert!(second.stderr.contains("another process listens on"), "{second:?}");
    ask(&socket, &appliance, Way::Path, &origin, "/").expect_origins(200);
}

#[test]
fn what_is_no_socket_stays() {
    let (builder, socket, _folder) = with_socket();
    let mut appliance = builder.start();
    appliance.end();
    fs::write(&socket, "dear").unwrap();
    let refused = appliance.cli(&["serve"]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(refused.stderr.contains("is no socket"), "{refused:?}");
    assert_eq!(fs::read_to_string(&socket).unwrap(), "dear");
}

#[test]
fn a_file_that_somebody_else_put_there_meanwhile_is_not_removed() {
    let (builder, socket, _folder) = with_socket();
    let mut appliance = builder.start();
    fs::remove_file(&socket).unwrap();
    let _other = UnixListener::bind(&socket).unwrap();
    assert!(appliance.end().success());
    assert!(socket.exists());
}

#[test]
fn its_file_is_the_authentication_of_local_mode_but_not_of_server_mode() {
    let origin = Origin::https();
    let (builder, socket, _folder) = with_socket();
    let appliance = builder.set("server.local_auth", "\"key\"").start();
    for way in WAYS {
        ask(&socket, &appliance, way, &origin, "/").expect_origins(200);
    }
    Agent::via(&appliance, Way::Path, &origin).get("/").expect_refusal(401, "unauthorized");
    let (builder, socket, _folder) = with_socket();
    let appliance = builder.set("server.mode", "\"server\"").start();
    ask(&socket, &appliance, Way::Path, &origin, "/").expect_refusal(401, "unauthorized");
    for way in [Way::Absolute, Way::Tunnel] {
        ask(&socket, &appliance, way, &origin, "/").expect_refusal(407, "proxy_authentication_required");
    }
}

#[test]
fn pages_and_foreign_hosts_are_refused_there_too() {
    let (builder, socket, _folder) = with_socket();
    let (appliance, origin) = (builder.start(), Origin::https());
    let mut agent = Agent::through(&socket, &appliance, Way::Path, &origin).unwrap();
    agent.ask("GET", "/", &[NAMED, ("Origin", "https://evil.test")]).expect_refusal(403, "forbidden");
    let target = agent.target("/");
    agent.send(format!("GET {target} HTTP/1.1\r\nHost: evil.test\r\nX-Vultrino-Credential: walls\r\n\r\n"));
    agent.answer("GET").expect_refusal(403, "forbidden");
}

#[test]
fn a_client_that_closes_it_is_gone() {
    let (builder, socket, _folder) = with_socket();
    let appliance = builder.set("server.timeout", "600").start();
    let origin = Origin::https_with(|visit| {
        visit.request()?;
        visit.broken_off();
        Ok(())
    });
    let mut agent = Agent::through(&socket, &appliance, Way::Path, &origin).unwrap();
    let head = agent.head("GET", "/closed", &[NAMED]);
    agent.send(head);
    origin.until("the request", |seen| seen.iter().any(|it| it.count > 0).then_some(()));
    drop(agent);
    origin.closed();
    assert_eq!(appliance.audit_of("/closed").get("outcome"), "client_abort");
}
