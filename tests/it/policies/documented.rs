//! The policies that Vultrino was asked for, word by word, and what each is said to do.

use std::fs;

use jiff::{Timestamp, civil::date, tz::TimeZone};
use tempfile::TempDir;
use vultrino::{
    config::policies::read_file,
    policy::{PolicySet, lint, lint::Kind},
};

use crate::policies::table::Table;

/// `github-readonly`, as the page on configuration has it.
const CONFIGURATION_PAGE: &str = r#"[[policies]]
name = "github-readonly"
credential_pattern = "github-*" # Glob pattern for credential aliases
default_action = "deny"
[[policies.rules]]
condition = { url_match = "https://api.github.com/*" }
action = "allow"
[[policies.rules]]
condition = { method_match = ["POST", "PUT", "DELETE"] }
action = "deny"
"#;

/// The same name on the page on policies, where it explains their structure.
const POLICY_STRUCTURE: &str = r#"[[policies]]
name = "github-readonly"
credential_pattern = "github-*"
default_action = "deny"
[[policies.rules]]
condition = { url_match = "https://api.github.com/*" }
action = "allow"
[[policies.rules]]
condition = { method_match = ["GET", "HEAD"] }
action = "allow"
"#;

/// And once more, as its first complete example.
const READ_ONLY: &str = r#"[[policies]]
name = "github-readonly"
credential_pattern = "github-readonly-*"
default_action = "deny"
[[policies.rules]]
condition = { url_match = "https://api.github.com/*" }
action = "allow"
[[policies.rules]]
condition = { method_match = ["POST", "PUT", "PATCH", "DELETE"] }
action = "deny"
"#;

/// Rate-limited production access.
const STRIPE: &str = r#"[[policies]]
name = "stripe-production"
credential_pattern = "stripe-live-*"
default_action = "deny"
# Allow only Stripe API
[[policies.rules]]
condition = { url_match = "https://api.stripe.com/*" }
action = "allow"
# Rate limit to prevent abuse
[[policies.rules]]
condition = { rate_limit = { max = 100, window_secs = 60 } }
action = "allow"
"#;

/// Business hours only.
const HOURS: &str = r#"[[policies]]
name = "sensitive-data-access"
credential_pattern = "database-*"
default_action = "deny"
# Only during business hours
[[policies.rules]]
condition = { time_window = { start = "09:00", end = "18:00" } }
action = "allow"
"#;

/// AI agent restrictions.
const AGENT: &str = r#"[[policies]]
name = "ai-agent-safety"
credential_pattern = "ai-*"
default_action = "deny"
# Only read operations
[[policies.rules]]
condition = { method_match = ["GET", "HEAD"] }
action = "allow"
# Allow POST only to specific safe endpoints
[[policies.rules]]
condition = { and = [
{ method_match = ["POST"] },
{ or = [
{ url_match = "https://api.github.com/repos/*/issues" },
{ url_match = "https://api.github.com/repos/*/comments" }
]}
]}
action = "allow"
# Rate limit all requests
[[policies.rules]]
condition = { rate_limit = { max = 60, window_secs = 60 } }
action = "allow"
# Block dangerous operations
[[policies.rules]]
condition = { url_match = "https://api.github.com/repos/*/delete" }
action = "deny"
"#;

/// Allow by default with a blocklist.
const OPEN: &str = r#"[[policies]]
name = "open-access"
credential_pattern = "dev-*"
default_action = "allow"
# Block production endpoints
[[policies.rules]]
condition = { url_match = "https://api.company.com/admin/*" }
action = "deny"
[[policies.rules]]
condition = { url_match = "https://api.company.com/billing/*" }
action = "deny"
"#;

fn read(text: &str) -> PolicySet {
    let folder = TempDir::with_prefix("vultrino-policy-").unwrap();
    let file = folder.path().join("policy.toml");
    fs::write(&file, text).unwrap();
    read_file(&file).unwrap()
}

/// The time at which the wall clock of this machine shows this hour.
fn at(hour: i8) -> Timestamp {
    date(2026, 6, 3).at(hour, 0, 0, 0).to_zoned(TimeZone::system()).unwrap().timestamp()
}

#[track_caller]
fn check(policy: &str, table: &str) {
    let wrong = Table::new(&read(policy)).check("expected", table);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn github_is_read_only() {
    check(
        CONFIGURATION_PAGE,
        "as github-api
        GET https://api.github.com/user allow rule 1
        DELETE https://api.github.com/repos/o/r deny rule 2
        GET https://evil.example/ deny default",
    );
    for (policy, deleting) in [(POLICY_STRUCTURE, "default"), (READ_ONLY, "rule 2")] {
        let table = "as github-readonly-ci
            GET https://api.github.com/user allow rule 1
            DELETE https://api.github.com/repos/o/r deny DELETING
            GET https://evil.example/ deny default";
        check(policy, &table.replace("DELETING", deleting));
    }
}

#[test]
fn stripe_is_limited() {
    check(
        STRIPE,
        "as stripe-live-main
        100x POST https://api.stripe.com/v1/charges allow rule 1
        POST https://api.stripe.com/v1/charges rate_limited rule 2
        GET https://evil.example/ deny default
        wait 60
        POST https://api.stripe.com/v1/charges allow rule 1",
    );
}

#[test]
fn business_hours_are_those_of_the_server() {
    let table = format!(
        "as database-main
        at {}
        GET https://db.example.com/ allow rule 1
        DELETE https://other.example/ allow rule 1
        at {}
        GET https://db.example.com/ deny rule 1",
        at(12),
        at(20)
    );
    check(HOURS, &table);
}

#[test]
fn an_agent_is_kept_safe() {
    check(
        AGENT,
        "as ai-agent
        GET https://api.github.com/user allow rule 1
        POST https://api.github.com/repos/o/r/issues allow rule 2
        DELETE https://api.github.com/repos/o/r deny default
        POST https://api.github.com/repos/o/r/delete deny rule 4
        POST https://evil.example/ deny default
        58x GET https://api.github.com/user allow rule 1
        GET https://api.github.com/user rate_limited rule 3",
    );
}

#[test]
fn open_access_keeps_its_block_list() {
    check(
        OPEN,
        "as dev-tools
        GET https://api.company.com/x allow unopposed
        GET https://api.company.com/admin/x deny rule 1",
    );
}

/// The last one allows GET requests to any host, though its other rule names one.
#[test]
fn lint_names_the_one_policy_that_names_hosts_and_allows_others() {
    for policy in [CONFIGURATION_PAGE, POLICY_STRUCTURE, READ_ONLY, STRIPE, HOURS, OPEN] {
        assert_eq!(lint(&read(policy)), [], "{policy}");
    }
    let concerns = lint(&read(AGENT));
    assert_eq!(concerns.iter().map(|it| (it.rule, it.kind)).collect::<Vec<_>>(), [(Some(1), Kind::NoHost)]);
}
