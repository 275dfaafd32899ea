//! An answer that came back through the proxy, read as strictly as requests are.

use std::ops::Deref;

use serde_json::Value;

use crate::support::wire::{Message, status};

/// Every code that an error of ours may have (SPEC API-17).
const CODES: &[(&str, u16)] = &[
    ("invalid_request", 400),
    ("missing_credential", 400),
    ("ambiguous_credential", 400),
    ("unauthorized", 401),
    ("forbidden", 403),
    ("policy_denied", 403),
    ("not_found", 404),
    ("proxy_authentication_required", 407),
    ("conflict", 409),
    ("payload_too_large", 413),
    ("uri_too_long", 414),
    ("expectation_failed", 417),
    ("misdirected_request", 421),
    ("rate_limited", 429),
    ("headers_too_large", 431),
    ("internal_error", 500),
    ("upstream_error", 502),
    ("overloaded", 503),
    ("audit_unavailable", 503),
    ("upstream_timeout", 504),
];

/// A final answer and the interim ones before it.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub message: Message,
    pub interim: Vec<Message>,
}

impl Deref for Answer {
    type Target = Message;

    fn deref(&self) -> &Message {
        &self.message
    }
}

impl Answer {
    /// Its status code.
    pub(crate) fn status(&self) -> u16 {
        status(&self.start).unwrap()
    }

    /// Its body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Asserts that the origin answered this, not we.
    #[track_caller]
    pub(crate) fn expect_origins(self, status: u16) -> Self {
        assert_eq!(self.status(), status, "{self:#?}\n{}", self.text());
        assert!(self.values("proxy-status").is_empty(), "{self:#?}");
        self
    }

    /// Asserts that we refused, in the one shape that all our errors have, with this status and code.
    #[track_caller]
    pub(crate) fn expect_refusal(self, status: u16, code: &str) -> Refusal {
        let refusal = self.refusal();
        assert_eq!((refusal.status, &*refusal.code), (status, code), "{:#?}\n{refusal:#?}", self.start);
        refusal
    }

    /// Reads an error of ours.
    ///
    /// # Panics
    /// If it is none, or not in the one shape that all our errors have.
    #[track_caller]
    pub(crate) fn refusal(&self) -> Refusal {
        let context = format!("{:#?}\n{}", self.message, self.text());
        assert_eq!(self.values("content-type"), ["application/json"], "{context}");
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {context}"));
        let fields = body.as_object().unwrap_or_else(|| panic!("{context}"));
        assert!(fields.keys().all(|it| ["error", "message", "details"].contains(&it.as_str())), "{context}");
        let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_else(|| panic!("{context}"));
        let code = text("error").to_owned();
        assert!(!text("message").is_empty(), "{context}");
        let status = self.status();
        // TRACE and its like have a status of their own and no code of their own.
        let known = CODES.contains(&(&*code, status)) || (status == 405 && code == "invalid_request");
        assert!(known, "{status} {code} is no error of the API: {context}");
        let statuses = self.values("proxy-status");
        let shown = format!("details=\"{code}\"");
        let good = matches!(*statuses, [one] if one.starts_with("vultrino; ") && one.contains("error=") && one.contains(&shown));
        assert!(good, "Proxy-Status of {code}: {statuses:?}");
        let details = fields.get("details").cloned().unwrap_or(Value::Null);
        Refusal { status, code, message: text("message").to_owned(), details, text: self.text() }
    }
}

/// An error of ours, taken apart.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub status: u16,
    pub code: String,
    pub message: String,
    pub details: Value,
    pub text: String,
}

impl Refusal {
    /// `details.reason`, or `""`.
    pub(crate) fn reason(&self) -> &str {
        self.details["reason"].as_str().unwrap_or_default()
    }

    /// Asserts why.
    #[track_caller]
    pub(crate) fn because(self, reason: &str) -> Self {
        assert_eq!(self.reason(), reason, "{self:#?}");
        self
    }
}
