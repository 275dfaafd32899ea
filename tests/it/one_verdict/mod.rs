//! One request, one verdict: whatever way it is asked in, and when it is only asked about.

#[cfg(test)]
mod characters;
#[cfg(test)]
mod policies;
#[cfg(test)]
mod random;
#[cfg(test)]
mod urls;

use std::process::Command;

use serde_json::Value;

use crate::support::{
    Answer,
    process::{Output, run},
};

/// Every way in which a request is made, or asked about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Door {
    Path,
    Absolute,
    Tunnel,
    /// HTTP/2 in a tunnel.
    Http2,
    Execute,
    Request,
    /// `policy test`.
    Tested,
    /// `/v1/policies/test`.
    ApiTested,
}

/// What a proxied request was answered: `allow`, or the code and what it is explained with.
#[track_caller]
pub(crate) fn of_answer(answer: &Answer) -> String {
    if answer.status() == 200 && answer.values("proxy-status").is_empty() {
        return "allow".to_owned();
    }
    let refusal = answer.refusal();
    said(&refusal.code, refusal.reason(), &refusal.details)
}

/// The same of the API.
#[track_caller]
pub(crate) fn of_api(answer: &Answer) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:#?}"));
    if answer.status() == 200 {
        return "allow".to_owned();
    }
    let code = body["error"].as_str().unwrap_or_else(|| panic!("{answer:#?}"));
    said(code, body["details"]["reason"].as_str().unwrap_or_default(), &body["details"])
}

fn said(code: &str, reason: &str, details: &Value) -> String {
    match (details["policy"].as_str(), &details["rule"]) {
        (Some(policy), Value::Null) => format!("{code} {policy}/default"),
        (Some(policy), rule) => format!("{code} {policy}/{rule}"),
        (None, _) => format!("{code} {reason}").trim_end().to_owned(),
    }
}

/// The same of `vultrino request`.
#[track_caller]
pub(crate) fn of_request(out: &Output) -> String {
    if out.status.success() {
        return "allow".to_owned();
    }
    if let Some((_, verdict)) = out.stderr.split_once("Denied by policy: ") {
        assert_eq!(out.status.code(), Some(4), "{out:#?}");
        return format!("policy_denied {}", verdict.lines().next().unwrap_or_default().trim());
    }
    for (text, code, verdict) in [
        ("may not be used against this host", 4, "forbidden host_not_bound"),
        ("not on the public internet", 4, "forbidden address"),
        ("the URL cannot be used", 2, "invalid_request"),
        ("Failed to connect to target server", 1, "upstream_error"),
    ] {
        if out.stderr.contains(text) {
            assert_eq!(out.status.code(), Some(code), "{out:#?}");
            return verdict.to_owned();
        }
    }
    panic!("{out:#?}")
}

/// The same of `vultrino policy test --json`.
#[track_caller]
pub(crate) fn of_test(command: &mut Command) -> String {
    let out = run(command, "");
    if out.stderr.contains("the URL cannot be used") {
        assert_eq!(out.status.code(), Some(2), "{out:#?}");
        return "invalid_request".to_owned();
    }
    let answer: Value = serde_json::from_str(&out.expect_success()).unwrap();
    of_examination(&answer)
}

/// The verdict that an answer to a question holds.
pub(crate) fn of_examination(answer: &Value) -> String {
    match (answer["result"].as_str(), answer["error"].as_str(), answer["binding"].as_str()) {
        (Some("allow"), None, _) => "allow".to_owned(),
        (Some("deny"), Some(code @ "policy_denied"), _) => said(code, "", answer),
        (Some("deny"), Some(code), Some(binding)) => format!("{code} {binding}"),
        _ => panic!("{answer:#}"),
    }
}
