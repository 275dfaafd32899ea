//! No label holds what a caller chose, whatever callers choose.

use std::collections::BTreeSet;

use crate::support::{Agent, Appliance, Credential, Origin, WAYS, Way, agent::NAMED, appliance::ALIAS, scrape::Scrape};

/// Stands in everything that a caller, an administrator or an origin server can choose.
const ODD: &str = "oddity";

/// Every label with every value that it may have. `le` and `version` are judged by their form.
const LABELS: [(&str, &[&str]); 6] = [
    ("door", &["path", "forward", "connect", "tunnel", "api", "mcp"]),
    ("outcome", &["ok", "denied", "client_abort", "upstream_error", "upstream_abort", "error", "revoked_midstream"]),
    ("stage", &["judge", "upstream", "total"]),
    ("limit", &["policy", "proxy", "authentication", "management"]),
    ("result", &["ok", "missing", "invalid", "limited"]),
    (
        "code",
        &[
            "invalid_request",
            "missing_credential",
            "ambiguous_credential",
            "unauthorized",
            "proxy_authentication_required",
            "forbidden",
            "policy_denied",
            "not_found",
            "payload_too_large",
            "uri_too_long",
            "headers_too_large",
            "expectation_failed",
            "misdirected_request",
            "rate_limited",
            "upstream_error",
            "upstream_timeout",
            "audit_unavailable",
            "overloaded",
            "internal_error",
        ],
    ),
];

#[test]
fn every_label_is_from_a_fixed_list_whatever_is_asked() {
    let (odd, policy) = (format!("{ODD}-1"), format!("{ODD}-2"));
    let rule = "rules = [{ condition = { method_match = [\"GET\"] }, action = \"deny\" }]";
    let appliance = Appliance::builder()
        .credential(Credential::key(ALIAS, ODD, &["localhost:*"]))
        .credential(Credential::key(&odd, ODD, &["localhost:*"]))
        .set("policies", &format!("[{{ name = \"{policy}\", credential_pattern = \"{odd}\", {rule} }}]"))
        .start();
    let before = Scrape::of(&appliance);
    let origin = Origin::answering(format!("HTTP/1.1 299 {ODD}\r\nX-{ODD}: {ODD}\r\nContent-Length: 0\r\n\r\n"));
    for way in WAYS {
        for (method, path, fields) in [
            ("GET", "/oddity\"} 1?oddity=1", &[NAMED][..]),
            ("ODDITY", "/oddity", &[NAMED]),
            ("POST", "/oddity", &[("X-Vultrino-Credential", ODD)]),
            ("GET", "/oddity", &[("X-Vultrino-Credential", &*odd)]),
            ("GET", "/oddity", &[NAMED, ("Authorization", "Bearer vk_oddityoddityoddityoddityoddityod")]),
            ("GET", "/oddity", &[NAMED, ("User-Agent", "oddity"), ("X-Oddity", "oddity")]),
            ("GET", "/oddity", &[NAMED, ("Expect", "oddity")]),
        ] {
            let mut agent = Agent::via(&appliance, way, &origin);
            let head = agent.head(method, &path.replace(['"', ' '], "%22"), fields);
            agent.send(head);
            agent.answer(method);
        }
    }
    for bytes in [
        format!("GET /{ODD} HTTP/1.1\r\nHost: {ODD}\r\nConnection: close\r\n\r\n"),
        format!(
            "GET /https://{ODD}.invalid/ HTTP/1.1\r\nHost: localhost\r\nX-Vultrino-Credential: {ALIAS}\r\nConnection: close\r\n\r\n"
        ),
        format!("CONNECT {ODD}.invalid:1 HTTP/1.1\r\nHost: {ODD}.invalid:1\r\n\r\n"),
        format!("{ODD}\"}} 1\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: localhost\r\n{ODD}\x01: 1\r\n\r\n"),
        format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", ODD.repeat(20_000)),
    ] {
        let mut agent = Agent::dial(appliance.address());
        agent.send(bytes);
        agent.rest();
    }
    drop(Agent::dial(appliance.address()));

    let after = Scrape::of(&appliance);
    assert!(!after.text.to_lowercase().contains(ODD), "{}", after.text);
    for sample in &after.samples {
        for (label, value) in &sample.labels {
            let is_known = match &**label {
                "le" => value == "+Inf" || value.parse::<f64>().is_ok(),
                "version" => value == env!("CARGO_PKG_VERSION"),
                label => LABELS.iter().any(|(name, values)| *name == label && values.contains(&&**value)),
            };
            assert!(is_known, "{sample:?}");
        }
    }
    // Traffic makes numbers, not series.
    let series = |it: &Scrape| it.samples.iter().map(|it| format!("{}{:?}", it.name, it.labels)).collect::<Vec<_>>();
    assert_eq!(series(&before), series(&after));
    for (label, values) in LABELS {
        assert_eq!(after.values_of(label), values.iter().copied().collect::<BTreeSet<_>>(), "{label}");
    }
    for way in ["path", "forward", "connect"] {
        assert!(after.sum("vultrino_requests_total", &[("door", way), ("outcome", "denied")]) >= 3, "{}", after.text);
    }
    for code in ["invalid_request", "not_found", "policy_denied", "expectation_failed", "uri_too_long"] {
        assert!(after.count("vultrino_refusals_total", &[("code", code)]) >= 1, "{code} in {}", after.text);
    }
    assert!(matches!(Agent::via(&appliance, Way::Path, &origin).get("/").status(), 299));
}
