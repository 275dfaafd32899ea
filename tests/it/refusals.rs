//! What a refusal tells: the client in the status line of its CONNECT, and the operator in the log.

use std::{thread, time::Duration};

use crate::{
    access::server,
    support::{Agent, Appliance, Origin, Way, agent::NAMED, audit_line::AuditLine},
};

/// The lines of the log about refusals.
fn refusals(appliance: &Appliance) -> Vec<String> {
    appliance.printed().lines().filter(|it| it.contains("request refused")).map(str::to_owned).collect()
}

#[test]
fn the_status_line_of_a_refused_tunnel_says_why_and_its_records_name_the_caller() {
    let mut appliance = server().role("others", "execute", "b-*").key("narrow", "others").start();
    let origin = Origin::https();
    let key = format!("Bearer {}", appliance.key("narrow"));
    let shown = [("Proxy-Authorization", &*key)];
    let with_body = [shown[0], ("Content-Length", "3")];
    let wrong = [("Proxy-Authorization", "Bearer vk_00000000000000000000000000000000")];
    for (authority, fields, line) in [
        ("other.example:443", &shown[..], "HTTP/1.1 403 vultrino: no credential for this host in the caller's scope"),
        ("other.example:22", &shown, "HTTP/1.1 403 vultrino: the port is not in [proxy] connect_ports"),
        ("other.example:443", &[], "HTTP/1.1 407 vultrino: an API key is needed as the user of the proxy address"),
        ("other.example:443", &wrong, "HTTP/1.1 407 vultrino: the API key is not valid"),
        ("other.example:443", &with_body, "HTTP/1.1 400 vultrino: CONNECT has no body"),
    ] {
        let refused = Agent::dial(appliance.address()).connect(authority, fields).unwrap_err();
        assert_eq!(refused.start, line);
    }
    // Elsewhere the status line is the usual one.
    let answer = Agent::via(&appliance, Way::Path, &origin).ask("GET", "/", &[NAMED, ("Authorization", &key)]);
    assert_eq!(answer.start, "HTTP/1.1 403 Forbidden");
    assert!(appliance.end().success());
    let lines = AuditLine::read(&appliance.audit_text());
    for reason in ["unmatched", "port", "invalid_request"] {
        let line = lines.iter().find(|it| it.get("reason") == reason).unwrap();
        assert_eq!((&*line.action, line.get("name")), ("connect", "narrow"), "{line:?}");
    }
}

#[test]
fn each_refusal_of_a_known_caller_is_one_line_of_the_log_without_secrets() {
    let appliance = server().start();
    let origin = Origin::https();
    let key = appliance.key("agent").to_owned();
    let bearer = format!("Bearer {key}");
    let path = "/secret-path?token=canary";
    let named = [("X-Vultrino-Credential", "nothing"), ("Authorization", &*bearer)];
    Agent::via(&appliance, Way::Path, &origin).ask("GET", path, &named).expect_refusal(404, "not_found");
    let shown = [("Proxy-Authorization", &*bearer)];
    drop(Agent::dial(appliance.address()).connect("other.example:443", &shown).unwrap_err());
    appliance.expect_printed("unmatched");
    let lines = refusals(&appliance);
    let [by_name, tunnel] = &lines[..] else { panic!("{lines:?}") };
    for (line, host, reason) in
        [(by_name, origin.authority(), "not_found"), (tunnel, "other.example:443".into(), "unmatched")]
    {
        assert!(line.contains(" INFO ") && line.contains("principal=agent"), "{line}");
        assert!(line.contains(&format!("host={host} ")) && line.contains(reason), "{line}");
        assert!(!line.contains(&key) && !line.contains("canary") && !line.contains("secret-path"), "{line}");
    }
}

#[test]
fn refusals_of_strangers_share_lines_of_the_log() {
    let mut appliance = server().set("rate_limits.auth_failures", "0").start();
    for at in 0..100 {
        let host = format!("host-{at}.example:443");
        drop(Agent::dial(appliance.address()).connect(&host, &[]).unwrap_err());
    }
    assert!(appliance.end().success());
    thread::sleep(Duration::from_millis(100));
    let lines = refusals(&appliance);
    assert!(lines.len() < 10, "{lines:?}");
    let count = |line: &String| -> usize {
        line.split(['=', ' ']).skip_while(|it| !it.contains("count")).nth(1).unwrap().parse().unwrap()
    };
    assert_eq!(lines.iter().map(count).sum::<usize>(), 100, "{lines:?}");
}
