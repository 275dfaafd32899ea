//! Work whose time grows with what a caller sends: it is bounded, or done where nobody is served.

use std::fs;

use serde_json::Value;

use crate::support::{Agent, Appliance, Origin, WAYS, appliance::ALIAS, mcp::Door, wait::until};

/// Clock ticks that the threads of a server have used: those that serve, and all others.
fn used(appliance: &Appliance) -> (u64, u64) {
    let (mut serving, mut others) = (0, 0);
    for task in fs::read_dir(format!("/proc/{}/task", appliance.pid())).unwrap() {
        let Ok(stat) = fs::read_to_string(task.unwrap().path().join("stat")) else { continue };
        let (head, rest) = stat.rsplit_once(") ").unwrap();
        let fields: Vec<&str> = rest.split(' ').collect();
        let ticks = [11, 12].iter().map(|at| fields[*at].parse::<u64>().unwrap()).sum::<u64>();
        if head.ends_with("(vultrino-worker") { serving += ticks } else { others += ticks }
    }
    (serving, others)
}

/// Runs `work` until those that serve, or those that do not, have used a second of the processor, and gives for how many
/// ticks of the latter the former have used one.
#[track_caller]
fn ratio(appliance: &Appliance, mut work: impl FnMut()) -> u64 {
    let before = used(appliance);
    until("a second of the processor is used", || {
        work();
        let now = used(appliance);
        let (serving, others) = (now.0 - before.0, now.1 - before.1);
        (others >= 100 || serving >= 100).then(|| others / serving.max(1))
    })
}

#[test]
fn large_messages_and_their_answers_are_read_and_written_where_nobody_is_served() {
    let appliance = Appliance::start();
    // Whatever is in an answer, escaped it is long.
    let answer = vec![1_u8; 700 << 10];
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", answer.len());
    let origin = Origin::answering([head.as_bytes(), &*answer].concat());
    let body = "\\u00e9".repeat(600_000);
    let url = origin.url("/x");
    let message = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"http_request","arguments":
        {{"credential":"{ALIAS}","method":"POST","url":"{url}","length":{},"body":"{body}"}}}}}}"#,
        768 << 10
    );
    let mut mcp = Door::Http.open(&appliance, "");
    let times = ratio(&appliance, || {
        let answer: Value = mcp.send(&message).unwrap_or_else(|fault| panic!("{fault:?}"));
        assert_eq!(answer["result"]["structuredContent"]["status"], 200, "{answer:.300}");
    });
    assert!(times >= 2, "{times}");
}

#[test]
fn what_is_no_message_is_read_where_nobody_is_served() {
    let appliance = Appliance::start();
    let nested = format!("{{\"a\":[{}]}}", vec!["1"; 1_900_000].join(","));
    let mut mcp = Door::Http.open(&appliance, "");
    let times = ratio(&appliance, || drop(mcp.fault(&nested)));
    // A little more than two: those that serve read four megabytes each time. It is none if they parse them as well.
    assert!(times >= 1, "{times}");
}

#[test]
fn large_bodies_of_execute_are_read_where_nobody_is_served() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    let url = origin.url("/x");
    let body = "\\u00e9".repeat(600_000);
    let order = format!(
        r#"{{"credential":"{ALIAS}","action":"http.request","params":{{"method":"POST","url":"{url}","body":"{body}"}}}}"#
    );
    let head = format!(
        "POST /v1/execute HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        appliance.address(),
        order.len(),
    );
    let (mut agent, whole) = (Agent::dial(appliance.address()), head + &order);
    let times = ratio(&appliance, || {
        agent.send(&whole);
        assert_eq!(agent.answer("POST").status(), 200);
    });
    assert!(times >= 2, "{times}");
}

#[test]
fn options_of_a_connection_have_a_bound() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    let options = |count: usize| (0..count).map(|at| format!("x-{at}")).collect::<Vec<_>>().join(", ");
    for way in WAYS {
        let mut agent = Agent::via(&appliance, way, &origin);
        agent
            .ask("GET", "/few", &[("X-Vultrino-Credential", ALIAS), ("Connection", &options(32)), ("X-31", "1")])
            .expect_origins(200);
        let many = agent.ask("GET", "/many", &[("X-Vultrino-Credential", ALIAS), ("Connection", &options(33))]);
        many.expect_refusal(400, "invalid_request");
        let mut agent = Agent::via(&appliance, way, &origin);
        let split = [("X-Vultrino-Credential", ALIAS), ("Connection", &*options(20)), ("Connection", &*options(20))];
        agent.ask("GET", "/many", &split).expect_refusal(400, "invalid_request");
    }
    assert!(origin.requests().iter().all(|it| it.values("x-31").is_empty() && !it.target().contains("/many")));
    let head = format!("HTTP/1.1 200 OK\r\nConnection: {}\r\nContent-Length: 2\r\n\r\nok", options(20_000 / 8));
    let hostile = Origin::answering(head);
    Agent::via(&appliance, WAYS[0], &hostile).get("/").expect_refusal(502, "upstream_error");
}

#[test]
fn long_paths_are_judged_as_short_ones_are() {
    let pattern = format!("https://localhost:*/*{}b*", "a".repeat(200));
    let policy = format!(
        "[[policies]]\nname = \"p\"\ncredential_pattern = \"*\"\ndefault_action = \"allow\"\n\
         rules = [{{ condition = {{ url_match = \"{pattern}\" }}, action = \"deny\" }}]\n"
    );
    let appliance = Appliance::builder().sections(&policy).start();
    let origin = Origin::https();
    let named = [("X-Vultrino-Credential", ALIAS)];
    let ask = |path: &str| Agent::via(&appliance, WAYS[0], &origin).ask("GET", path, &named).status();
    let long = "a".repeat(60_000);
    assert_eq!(ask(&format!("/{long}")), 200);
    assert_eq!(ask(&format!("/{long}b/x")), 403);
    assert_eq!(ask(&format!("/{}b", "a".repeat(199))), 200);
}
