//! Addresses that only this machine or its network can reach are refused by default, however they are written.

use std::{fs, process::Command};

use crate::support::{
    Agent, Answer, Appliance, Credential, Origin, Way,
    agent::NAMED,
    answer::Refusal,
    appliance::ALIAS,
    process::{VULTRINO, run},
    template::PASSWORD,
};

/// A request that names no credential and whose host none is bound to, so that only the address can be at fault.
#[track_caller]
fn ask(appliance: &Appliance, way: Way, scheme: &str, authority: &str) -> Answer {
    match Agent::with(appliance, way, scheme, authority, &[]) {
        Ok(mut agent) => agent.ask("GET", "/", &[]),
        Err(refused) => *refused,
    }
}

fn by_default() -> Appliance {
    let key = Credential::key(ALIAS, "k", &["localhost:*", "127.0.0.1:*", "http://localhost:*"]);
    Appliance::builder().credential(key).without("upstream.allow_private").start()
}

/// Where clouds hand out credentials, in every form.
const METADATA: [&str; 20] = [
    "169.254.169.254",
    "169.254.170.2",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
    "[fd00:ec2::254]",
    "[fd20:ce::254]",
    "metadata.google.internal",
    "[::ffff:169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::]",
    "[::169.254.169.254]",
    "[::ffff:0:169.254.169.254]",
    "[64:ff9b:1::169.254.169.254]",
    "[64:ff9b:1:a9fe:a9:fe00::]",
    "[fd00::5efe:169.254.169.254]",
    "[fd00::200:5efe:169.254.169.254]",
    "[2001:470:1::5efe:169.254.169.254]",
    "[2001:0:101:101::5601:5601]",
    "[fd64::169.254.169.254]",
];

#[test]
fn loopback_is_refused_however_it_is_spelled() {
    let appliance = by_default();
    let origin = Origin::http();
    let port = origin.port();
    let plain = [
        "127.0.0.1",
        "127.0.0.1.",
        "127.9.9.9",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "sub.localhost",
    ];
    let disguised = ["127.1", "0x7f000001", "2130706433", "0177.0.0.1", "017700000001", "0", "0x7f.1", "127.0.0.1.0x0"];
    for host in plain.iter().chain(&disguised) {
        let authority = format!("{host}:{port}");
        ask(&appliance, Way::Absolute, "http", &authority).expect_refusal(403, "forbidden").because("address");
        for port in [443, port] {
            let refused = Agent::dial(appliance.address()).connect(&format!("{host}:{port}"), &[]).unwrap_err();
            refused.expect_refusal(403, "forbidden").because("address");
        }
        let mut agent = Agent::dial(appliance.address());
        let proxy = appliance.address();
        agent.send(format!("GET /http://{authority}/ HTTP/1.1\r\nHost: {proxy}\r\n{}: {}\r\n\r\n", NAMED.0, NAMED.1));
        agent.answer("GET").expect_refusal(403, "forbidden");
    }
    let refused = appliance.audit("the tunnels", |lines| {
        let refused: Vec<_> = lines.iter().filter(|it| it.door == "TUNNEL").cloned().collect();
        (refused.len() == 2 * (plain.len() + disguised.len())).then_some(refused)
    });
    for line in refused {
        assert_eq!((line.get("reason"), line.get("outcome")), ("address", "denied"), "{}", line.text);
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn a_credential_bound_to_a_private_host_does_not_open_it() {
    let appliance = by_default();
    let (tls, plain) = (Origin::https(), Origin::http());
    for way in [Way::Path, Way::Absolute, Way::Tunnel] {
        let refused = match Agent::with(&appliance, way, "https", &tls.authority(), &[]) {
            Ok(mut agent) => agent.get("/"),
            Err(refused) => *refused,
        };
        refused.expect_refusal(403, "forbidden").because("address");
        if way != Way::Tunnel {
            Agent::via(&appliance, way, &plain).get("/").expect_refusal(403, "forbidden");
        }
    }
    assert_eq!((tls.connections(), plain.connections()), (0, 0));
}

#[test]
fn every_range_that_is_not_of_the_internet_is_refused_alike() {
    let appliance = by_default();
    let hosts = [
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.254",
        "192.168.1.1",
        "100.64.0.1",
        "100.127.255.254",
        "169.254.1.1",
        "192.0.0.8",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "0.1.2.3",
        "[fe80::1]",
        "[fec0::1]",
        "[fc00::1]",
        "[fd12:3456::1]",
        "[ff02::1]",
        "[2001:db8::1]",
        "[100::1]",
        "[64:ff9b::a00:1]",
        "[2002:a00:1::]",
        "[::ffff:10.0.0.1]",
        "[::10.0.0.1]",
        "[2001:0:1:2:3:4:5:6]",
        "[2001:470:1::5efe:10.0.0.1]",
        "[2001:470:1::200:5efe:127.0.0.1]",
        "[fe80::5efe:1.1.1.1]",
        "[::ffff:0:10.0.0.1]",
        "[64:ff9b:1::10.0.0.1]",
        "[2001:0:101:101:0:0:f5ff:fffe]",
    ];
    let mut bodies: Vec<String> = Vec::new();
    for host in hosts.iter().chain(&METADATA) {
        let refusal: Refusal = ask(&appliance, Way::Absolute, "http", host).refusal();
        assert_eq!((refusal.status, &*refusal.code), (403, "forbidden"), "{host}");
        bodies.push(refusal.text);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "one text for all that is blocked: {bodies:#?}");
}

#[test]
fn metadata_services_stay_closed_when_private_ranges_are_open() {
    let open = r#"["10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "192.0.0.0/24", "168.63.0.0/16", "fc00::/7"]"#;
    let appliance = Appliance::builder().set("upstream.allow_private", open).start();
    for host in METADATA {
        let refusal = ask(&appliance, Way::Absolute, "http", host).refusal();
        assert_eq!((refusal.status, &*refusal.code), (403, "forbidden"), "{host}");
    }
    ask(&appliance, Way::Absolute, "http", "127.0.0.1").expect_refusal(403, "forbidden");
}

#[test]
fn zones_are_refused() {
    let appliance = by_default();
    for host in ["[fe80::1%25eth0]", "[fe80::1%eth0]"] {
        ask(&appliance, Way::Absolute, "http", host).expect_refusal(400, "invalid_request");
    }
}

#[test]
fn a_range_that_opens_everything_does_not_start() {
    let appliance = Appliance::builder().without_credentials().start();
    for range in ["0.0.0.0/0", "::/0"] {
        let config = fs::read_to_string(appliance.home().join("config.toml")).unwrap();
        let config = config.replace("127.0.0.0/8", range);
        fs::write(appliance.home().join("open.toml"), config).unwrap();
        let output = run(
            Command::new(VULTRINO)
                .args(["--config", "open.toml", "serve"])
                .env("VULTRINO_PASSWORD", PASSWORD)
                .current_dir(appliance.home()),
            "",
        );
        assert!(!output.status.success(), "{range} {output:?}");
        assert!(output.stderr.contains("allow_private"), "{range} {output:?}");
    }
}

#[test]
fn the_proxy_does_not_call_itself() {
    let hosts = ["localhost:*", "127.0.0.1:*", "http://localhost:*", "http://127.0.0.1:*"];
    let appliance = Appliance::builder().credential(Credential::key(ALIAS, "k", &hosts)).start();
    let port = appliance.address().port();
    for host in ["127.0.0.1", "localhost"] {
        for way in [Way::Path, Way::Absolute] {
            for scheme in ["http", "https"] {
                let mut agent = Agent::to(&appliance, way, scheme, &format!("{host}:{port}"));
                agent.get("/").expect_refusal(403, "forbidden");
            }
        }
        let refused = match Agent::with(&appliance, Way::Tunnel, "https", &format!("{host}:{port}"), &[]) {
            Ok(mut agent) => agent.get("/"),
            Err(refused) => *refused,
        };
        refused.expect_refusal(403, "forbidden");
    }
}
