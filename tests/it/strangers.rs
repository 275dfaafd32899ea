//! Refusals of callers that are not known: repeated ones share a line of the audit log, and those of others never do.

use serde_json::{Value, json};

use crate::{
    access::server,
    support::{Agent, Appliance, Origin, WAYS, Way, agent::NAMED, audit_line::AuditLine, wait::until},
};

/// Ends a server and gives the lines of its log with this reason.
#[track_caller]
fn lines(appliance: &mut Appliance, reason: &str) -> Vec<AuditLine> {
    assert!(appliance.end().success());
    let mut lines = AuditLine::read(&appliance.audit_text());
    lines.retain(|it| it.get("reason") == reason);
    lines
}

/// How many requests these lines stand for.
fn sum(lines: &[AuditLine]) -> usize {
    lines.iter().map(|it| if it.get("count").is_empty() { 1 } else { it.get("count").parse().unwrap() }).sum()
}

#[test]
fn repeated_refusals_of_a_stranger_share_a_line_and_are_all_counted() {
    let mut appliance = server().set("rate_limits.auth_failures", "0").start();
    let origin = Origin::https();
    let made_up = format!("Bearer vk_{:032}", 7);
    for at in 0..100 {
        let way = [Way::Path, Way::Absolute][at % 2];
        let fields: &[_] = if at % 4 < 2 { &[] } else { &[NAMED, (way.key_field(), &*made_up)] };
        let status = Agent::via(&appliance, way, &origin).ask("GET", &format!("/{at}"), fields).status();
        assert!(matches!(status, 401 | 407), "{at} {status}");
    }
    for _ in 0..50 {
        let refused = Agent::dial(appliance.address()).connect(&origin.authority(), &[]).unwrap_err();
        assert_eq!(refused.status(), 407);
    }
    for at in 0..50 {
        assert_eq!(appliance.api_without_key().get(&format!("/v1/roles?{at}")).status(), 401);
    }
    // Each 10 s may end a line.
    let report = appliance.cli(&["audit", "report", "--json"]).expect_success();
    assert!(serde_json::from_str::<Value>(&report).is_ok());
    assert!(appliance.end().success());
    let all = AuditLine::read(&appliance.audit_text());
    let refused: Vec<AuditLine> = all.into_iter().filter(|it| it.get("outcome") == "denied").collect();
    assert_eq!(sum(&refused), 200);
    assert!(refused.len() < 40, "{}", appliance.audit_text());
    assert!(refused.iter().all(|it| it.get("name") == "-" && it.get("key") != "vk_00000000"), "{refused:?}");
    // The chain is whole, and a report counts what the lines stand for.
    appliance.cli(&["audit", "verify"]).expect_success();
    let report: Value = serde_json::from_str(&appliance.cli(&["audit", "report", "--json"]).expect_success()).unwrap();
    let denied: u64 = report["denials"].as_array().unwrap().iter().map(|it| it["count"].as_u64().unwrap()).sum();
    assert_eq!(denied, 200, "{report}");
    let exported = appliance.cli(&["audit", "export", "--format", "jsonl", "--outcome", "denied"]).expect_success();
    let counted = exported.lines().map(|it| serde_json::from_str::<Value>(it).unwrap()["count"].as_u64().unwrap_or(1));
    assert_eq!(counted.sum::<u64>(), 200);
}

#[test]
fn the_line_is_written_while_the_stranger_goes_on() {
    let appliance = server().set("rate_limits.auth_failures", "0").start();
    let origin = Origin::https();
    let line = until("a line for several", || {
        Agent::via(&appliance, Way::Path, &origin).get("/again").expect_refusal(401, "unauthorized");
        AuditLine::read(&appliance.audit_text()).into_iter().find(|it| !it.get("count").is_empty())
    });
    let told = [line.get("reason"), line.get("status"), line.get("key"), line.get("ms")];
    assert_eq!(told, ["unauthorized", "401", "-", "-"], "{line:?}");
    assert!(line.get("url").contains("/again") && line.get("source").starts_with("127.0.0.1:"), "{line:?}");
}

#[test]
fn pages_of_other_sites_share_a_line_whatever_is_wrong_with_what_they_ask() {
    let mut appliance = Appliance::start();
    let own = appliance.address().to_string();
    let asked = [
        ("/https://localhost/x", "rebound.example", "", 403),
        ("/ftp://localhost/x", "rebound.example", "", 400),
        ("/https://localhost/x", &own, "Sec-Fetch-Site: cross-site", 400),
        ("/ftp://localhost/x", &own, "Sec-Fetch-Site: same-site", 400),
        ("/ftp://localhost/x", &own, "Origin: https://page.example", 400),
    ];
    for (target, host, field, status) in asked {
        let field = if field.is_empty() { String::new() } else { format!("{field}\r\n") };
        for at in 0..30 {
            let mut agent = Agent::dial(appliance.address());
            agent.send(format!("GET {target}{at} HTTP/1.1\r\nHost: {host}\r\n{field}\r\n"));
            assert_eq!(agent.answer("GET").status(), status, "{target} {host} {field}");
        }
    }
    assert!(appliance.end().success());
    let all = AuditLine::read(&appliance.audit_text());
    for (reason, times) in [("host_not_allowed", 30), ("invalid_request", 90), ("missing_credential", 30)] {
        let lines: Vec<_> = all.iter().filter(|it| it.get("reason") == reason).cloned().collect();
        assert_eq!(sum(&lines), times, "{reason}");
        assert!(lines.len() < 10 && lines.iter().all(|it| it.get("name") != "local"), "{lines:?}");
    }
}

#[test]
fn every_refusal_of_a_known_key_has_its_line_also_before_the_key_is_looked_at() {
    let mut appliance = server().start();
    let origin = Origin::https();
    let key = appliance.key("agent").to_owned();
    let bearer = format!("Bearer {key}");
    for at in 0..20 {
        // Refused for where it goes.
        let mut agent = Agent::via(&appliance, WAYS[at % 2], &origin);
        let path = format!("/{at}");
        let fields = [("X-Vultrino-Credential", "nothing"), (WAYS[at % 2].key_field(), &*bearer)];
        assert_eq!(agent.ask("GET", &path, &fields).status(), 404);
        // Refused for how it is written.
        let mut agent = Agent::dial(appliance.address());
        let host = appliance.address();
        agent.send(format!("GET /ftp://h/{at} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {bearer}\r\n\r\n"));
        agent.answer("GET").expect_refusal(400, "invalid_request");
        let mut agent = Agent::via(&appliance, Way::Path, &origin);
        let fields = [NAMED, ("Authorization", &*bearer), ("Expect", "wonders")];
        assert_eq!(agent.ask("GET", "/", &fields).status(), 417);
        // A tunnel that is not opened.
        let refused =
            Agent::dial(appliance.address()).connect("other.example:443", &[("Proxy-Authorization", &bearer)]);
        assert_eq!(refused.unwrap_err().status(), 403);
    }
    assert!(appliance.end().success());
    let all = AuditLine::read(&appliance.audit_text());
    for (reason, action) in [
        ("not_found", "http_request"),
        ("invalid_request", "http_request"),
        ("expectation_failed", "http_request"),
        ("unmatched", "connect"),
    ] {
        let of: Vec<_> = all.iter().filter(|it| it.get("reason") == reason && it.action == action).collect();
        assert_eq!(of.len(), 20, "{reason}: {}", appliance.audit_text());
        for line in of {
            assert_eq!((line.get("key"), line.get("name"), line.get("count")), (&key[..11], "agent", ""), "{line:?}");
        }
    }
}

#[test]
fn a_made_up_key_puts_nobodys_prefix_into_the_log() {
    let mut appliance = server().start();
    let origin = Origin::https();
    let key = appliance.key("agent").to_owned();
    let twin = format!("{}{}", &key[..11], "x".repeat(24));
    let bearer = format!("Bearer {twin}");
    for way in WAYS {
        if way == Way::Tunnel {
            let refused = Agent::dial(appliance.address()).connect(&origin.authority(), &[(way.key_field(), &bearer)]);
            assert_eq!(refused.unwrap_err().status(), 407);
        } else {
            let answer = Agent::via(&appliance, way, &origin).ask("GET", "/", &[NAMED, (way.key_field(), &bearer)]);
            assert!(matches!(answer.status(), 401 | 407), "{answer:#?}");
        }
    }
    assert_eq!(appliance.api(&twin).get("/v1/roles").status(), 401);
    let mcp = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    assert_eq!(appliance.api(&twin).post("/mcp", &mcp).status(), 401);
    let lines = lines(&mut appliance, "unauthorized");
    assert!(!lines.is_empty() && lines.iter().all(|it| it.get("key") == "?"), "{lines:?}");
    assert!(!appliance.audit_text().contains(" key=vk_"), "{}", appliance.audit_text());
}
