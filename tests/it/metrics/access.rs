//! Who may read metrics: everybody who may do without a key, and keys whose role may read.

use crate::support::{Answer, Appliance, scrape};

#[test]
fn local_callers_need_no_key_and_a_web_page_gets_nothing() {
    let appliance = Appliance::start();
    scrape::Scrape::of(&appliance);
    scrape::ask(&appliance, "Origin: https://example.com\r\n").expect_refusal(403, "forbidden").because("cross_origin");
    let with = |key: &str| scrape::ask(&appliance, &format!("Authorization: Bearer {key}\r\n"));
    with("vk_0123456789abcdef0123456789abcdef").expect_refusal(401, "unauthorized");
}

#[test]
fn in_server_mode_a_key_must_be_allowed_to_read() {
    let appliance = Appliance::builder().set("server.mode", "\"server\"").set("rate_limits.auth_failures", "2").start();
    for (role, permissions) in [("reader", "read"), ("agent", "execute")] {
        appliance.cli(&["role", "create", role, "-p", permissions]).expect_success();
    }
    let [reader, agent] = ["reader", "agent"].map(|role| {
        let made = appliance.cli(&["key", "create", role, "-r", role]).expect_success();
        made.lines().next().unwrap().strip_prefix("Created API key: ").unwrap().to_owned()
    });
    let appliance = appliance.restart();
    let with = |key: &str| scrape::ask(&appliance, &format!("Authorization: Bearer {key}\r\n"));
    let before = scrape::Scrape::read(&with(&reader));

    let refused: [Answer; 2] = [scrape::ask(&appliance, ""), with("vk_0123456789abcdef0123456789abcdef")];
    for answer in refused {
        assert_eq!(answer.values("www-authenticate"), ["Bearer realm=\"vultrino\""]);
        answer.expect_refusal(401, "unauthorized");
    }
    with(&agent).expect_refusal(403, "forbidden").because("permission");
    with("vk_0123456789abcdef0123456789abcdee").expect_refusal(401, "unauthorized");
    let limited = with("vk_0123456789abcdef0123456789abcded");
    assert!(!limited.values("retry-after").is_empty(), "{limited:#?}");
    limited.expect_refusal(429, "rate_limited");

    let after = scrape::Scrape::read(&with(&reader));
    let more = |name: &str, label: (&str, &str)| after.count(name, &[label]) - before.count(name, &[label]);
    let seen = |result| more("vultrino_authentications_total", ("result", result));
    // Two were valid: the one that may not read, and the one that reads this.
    assert_eq!(["ok", "missing", "invalid", "limited"].map(seen), [2, 1, 2, 1]);
    assert_eq!(more("vultrino_rate_denials_total", ("limit", "authentication")), 1);
    assert_eq!(more("vultrino_refusals_total", ("code", "rate_limited")), 1);
    let line = appliance.audit_of("/metrics");
    assert!(line.text.contains(" API ") && line.get("outcome") == "denied", "{}", line.text);
}
