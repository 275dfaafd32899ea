//! Every way in which a request is refused: status, code, text, and what the audit says, from one variant.

use serde_json::{Map, Value, json};

use crate::{
    audit::Outcome,
    base::{capacity::Full, head::AnswerHead, host::HostError, target::TargetError},
    exchange::{pace, time_limit::TimeLimit},
    identity::Permission,
    policy::{Exhausted, Verdict},
};

/// An answer of our own instead of the origin server's.
///
/// Nothing in it but its code, fixed text and safe details: an alias that the caller named, a reason from a fixed set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The request is malformed or ambiguous.
    Invalid(&'static str),
    /// Its target is no plain URL.
    Target(TargetError),
    /// Its method would reflect the request, secrets included, or has no meaning here.
    Method,
    /// A path-style request names no credential.
    MissingCredential,
    /// Several credentials are bound to this host and none is named.
    AmbiguousCredential(Vec<String>),
    /// What was shown is no valid key.
    Unauthorized,
    /// The same, in proxy style.
    ProxyUnauthorized,
    /// The key was made by a caller without one, and callers need one here.
    KeylessKey,
    /// The same, in proxy style.
    ProxyKeylessKey,
    /// No key was shown, and one is needed.
    KeyMissing,
    /// The same, in proxy style.
    ProxyKeyMissing,
    /// The caller's role does not have this permission.
    Forbidden(Permission),
    /// The alias is outside the scope of the caller's role; whether it is there is not told.
    OutOfScope(String),
    /// The right was taken away while the request was on its way.
    Revoked,
    /// A policy denies it.
    Policy(Verdict),
    /// It is allowed, but not so often.
    RateLimited(Exhausted),
    /// A page of another origin may not talk to this listener.
    ForeignPage,
    /// The `Host` field names a host that this listener does not answer for.
    ForeignHost,
    /// The alias is bound to no host.
    Unbound(String),
    /// The alias is bound to other hosts.
    HostNotBound(String),
    /// The alias is bound to this host, but over https only.
    Plaintext(String),
    /// Nothing matches and `unmatched = "deny"`.
    Unmatched,
    /// A tunnel to a port that nothing permits.
    Port,
    /// An address that may not be dialled.
    Address,
    /// A request that we have sent before.
    Loop,
    /// No such alias.
    NotFound(String),
    /// Nothing is served under this path.
    NoSuchPath,
    /// The request inside a tunnel is for another host than the tunnel.
    Misdirected,
    /// The TLS server name inside a tunnel is another than the tunnel's host.
    ServerName,
    /// The body exceeds `max_body_size`.
    TooLarge,
    /// The request-target is too long.
    UriTooLong,
    /// The header section is too large.
    HeadersTooLarge,
    /// An expectation other than `100-continue`.
    Expectation,
    /// `OPTIONS` with `Max-Forwards: 0`: we answer as the last recipient (RFC 9110 section 7.6.2). Not an error.
    LastRecipient,
    /// The origin server cannot be reached. One text for every cause: it must not tell open ports from closed ones.
    Unreachable,
    /// The parent proxy wants to be shown something else.
    ParentUnauthorized,
    /// Its answer is not valid HTTP, or ended early.
    BadAnswer,
    /// It did not answer in time.
    Timeout(TimeLimit),
    /// The whole of connecting took too long. Only the audit log tells it from [`Refusal::Unreachable`].
    ConnectTimeout,
    /// The client went away, or sent no valid body, while the request was on its way.
    ClientGone,
    /// No audit record could be opened.
    AuditUnavailable,
    /// More exchanges are open than can be recorded.
    Overloaded,
    /// More are open of one caller than one may have.
    Crowding,
    /// Our own fault.
    Internal,
}

/// Status, code, and error type in `Proxy-Status` (RFC 9209 section 2.3).
type Kind = (u16, &'static str, &'static str);

/// For `Allow`. Others are forwarded too, but for CONNECT, TRACE and TRACK.
const METHODS: &[u8] = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

const NO_ERROR: Kind = (200, "ok", "");

const DISGUISED: TargetError = TargetError::Authority(HostError::Disguised);

impl Refusal {
    /// Every code that there is.
    pub const CODES: [&str; 19] = [
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
    ];

    /// The status of the answer.
    pub fn status(&self) -> u16 {
        self.kind().0
    }

    /// The code that programs read.
    pub fn code(&self) -> &'static str {
        self.kind().1
    }

    /// The same, for a caller that takes us for a proxy: a missing key is asked for with 407 (RFC 9110 section 15.5.8).
    #[must_use]
    pub fn in_proxy_style(self) -> Self {
        match self {
            Self::Unauthorized => Self::ProxyUnauthorized,
            Self::KeyMissing => Self::ProxyKeyMissing,
            Self::KeylessKey => Self::ProxyKeylessKey,
            other => other,
        }
    }

    /// The alias that was asked for and not used.
    pub fn alias(&self) -> Option<&str> {
        match self {
            Self::OutOfScope(alias) | Self::NotFound(alias) => Some(alias),
            _ => None,
        }
    }

    /// Whether the form of the request is refused, rather than what it is for.
    pub fn is_of_form(&self) -> bool {
        matches!(self, Self::Invalid(_) | Self::Target(_) | Self::Method | Self::Expectation)
    }

    /// What the audit record ends with.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::ClientGone => Outcome::ClientAbort,
            Self::LastRecipient => Outcome::Ok,
            Self::Unreachable
            | Self::ParentUnauthorized
            | Self::BadAnswer
            | Self::Timeout(_)
            | Self::ConnectTimeout => Outcome::UpstreamError,
            Self::Revoked => Outcome::RevokedMidstream,
            Self::Internal | Self::AuditUnavailable | Self::Overloaded => Outcome::Error,
            _ => Outcome::Denied,
        }
    }

    /// A word from a fixed set, for the audit and for `details.reason`.
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Self::KeylessKey | Self::ProxyKeylessKey => Some("keyless_key"),
            Self::Method => Some("method"),
            Self::ForeignPage => Some("cross_origin"),
            Self::ForeignHost => Some("host_not_allowed"),
            Self::Forbidden(_) => Some("permission"),
            Self::OutOfScope(_) => Some("scope"),
            Self::Revoked => Some("revoked"),
            Self::Unbound(_) => Some("unbound"),
            Self::HostNotBound(_) | Self::Plaintext(_) => Some("host_not_bound"),
            Self::Unmatched => Some("unmatched"),
            Self::Port => Some("port"),
            Self::ServerName => Some("sni_mismatch"),
            Self::Loop => Some("loop"),
            Self::Address | Self::Target(DISGUISED) => Some("address"),
            Self::Crowding => Some("client_limit"),
            Self::Timeout(limit) => Some(limit.set_by.reason()),
            Self::ConnectTimeout => Some("connect_timeout"),
            _ => None,
        }
    }

    /// The head and body of the answer.
    pub fn answer(&self) -> (AnswerHead, Vec<u8>) {
        let (status, code, error) = self.kind();
        let mut head = AnswerHead::new(status);
        if *self == Self::LastRecipient {
            head.fields.append("Allow", METHODS);
            return (head, Vec::new());
        }
        head.fields.append("Content-Type", b"application/json");
        head.fields.append("Cache-Control", b"no-store");
        head.fields.append("X-Content-Type-Options", b"nosniff");
        head.fields.append("Proxy-Status", format!("vultrino; error={error}; details=\"{code}\"").as_bytes());
        match self {
            Self::ProxyUnauthorized | Self::ProxyKeyMissing | Self::ProxyKeylessKey => {
                head.fields.append("Proxy-Authenticate", b"Basic realm=\"vultrino\"");
            }
            Self::Unauthorized | Self::KeyMissing | Self::KeylessKey => {
                head.fields.append("WWW-Authenticate", b"Bearer realm=\"vultrino\"");
            }
            Self::AuditUnavailable | Self::Overloaded | Self::Crowding => head.fields.append("Retry-After", b"1"),
            Self::RateLimited(it) => pace::tell(&mut head, it),
            Self::Method => head.fields.append("Allow", METHODS),
            _ => {}
        }
        let mut body = json!({ "error": code, "message": self.message() });
        let details = self.details();
        if !details.is_empty() {
            body["details"] = Value::Object(details);
        }
        (head, format!("{body}\n").into_bytes())
    }

    /// What a person reads.
    pub fn message(&self) -> String {
        let fixed = match self {
            Self::Invalid(why) => return format!("The request is not valid: {why}"),
            Self::Target(why) => return format!("The request is not valid: {why}"),
            Self::NotFound(alias) => return format!("Credential '{alias}' not found"),
            Self::Unbound(alias) | Self::HostNotBound(alias) => {
                return format!("Credential '{alias}' may not be used against this host");
            }
            Self::Plaintext(alias) => {
                return format!(
                    "Credential '{alias}' is bound to this host over https only; the URL begins with http://"
                );
            }
            Self::Forbidden(permission) => return format!("The role of this API key has no `{permission}` permission"),
            Self::OutOfScope(alias) => {
                return format!("Credential '{alias}' is not in the scope of this API key");
            }
            Self::Policy(verdict) => return format!("Denied by policy: {verdict}"),
            Self::RateLimited(it) => {
                return format!("Too many requests: {} are allowed in {} s", it.max, it.window.as_secs());
            }
            Self::Revoked => "The API key or credential was revoked while the request was on its way",
            Self::Method => "This method is not forwarded",
            Self::MissingCredential => "X-Vultrino-Credential header is required",
            Self::AmbiguousCredential(_) => {
                "Several credentials are bound to this host; name one in X-Vultrino-Credential"
            }
            Self::Unauthorized | Self::ProxyUnauthorized => "Invalid or expired API key",
            Self::KeylessKey | Self::ProxyKeylessKey => {
                "This API key was created by a caller without one, so it is valid only in local mode without `local_auth`; \
                 create another with `vultrino key create`"
            }
            Self::KeyMissing => "An API key is needed: send it as 'Authorization: Bearer vk_…'",
            Self::ProxyKeyMissing => "An API key is needed: put it into the proxy's address, http://vk_…@host:port",
            Self::ForeignPage => "Requests from web pages of another origin are refused",
            Self::ForeignHost => "This listener does not answer for that Host; see [server] allowed_hosts",
            Self::Unmatched => "No credential is bound to this host, and other hosts are not forwarded",
            Self::Port => "Tunnels to this port are refused; see [proxy] connect_ports",
            Self::Address => "This host is not on the public internet; see [upstream] allow_private",
            Self::Loop => "This request has been through this proxy before",
            Self::NoSuchPath => "Nothing is served here; send /https://host/path, or use this as a proxy",
            Self::Misdirected => "The request is for another host than the tunnel it came through",
            Self::ServerName => "The TLS server name is another than the tunnel's host",
            Self::TooLarge => "The request body exceeds [server] max_body_size",
            Self::UriTooLong => "The request-target is too long",
            Self::HeadersTooLarge => "The header section is too large",
            Self::Expectation => "The only expectation that can be met is 100-continue",
            Self::LastRecipient => "The request was not to be forwarded",
            Self::Unreachable | Self::ConnectTimeout => "Failed to connect to target server",
            Self::ParentUnauthorized => {
                "The proxy in [upstream] proxy does not take the user and password that stand there"
            }
            Self::BadAnswer => "The target server sent no valid answer",
            Self::Timeout(limit) => return format!("The target server did not answer {limit}"),
            Self::ClientGone => "The request ended before its end",
            Self::AuditUnavailable => "The audit log cannot be written, so no credential is used",
            Self::Overloaded => "Too much is open at once",
            Self::Crowding => "This client has too much open at once; see [limits]",
            Self::Internal => "Something went wrong inside Vultrino",
        };
        fixed.to_owned()
    }

    fn details(&self) -> Map<String, Value> {
        let mut details = Map::new();
        // Callers learn nothing of the ports behind a host.
        if let Some(reason) = self.reason().filter(|_| *self != Self::ConnectTimeout) {
            details.insert("reason".into(), json!(reason));
        }
        match self {
            Self::AmbiguousCredential(aliases) => drop(details.insert("credentials".into(), json!(aliases))),
            Self::Forbidden(permission) => drop(details.insert("permission".into(), json!(permission))),
            Self::Policy(verdict) => {
                details.insert("policy".into(), json!(&*verdict.policy));
                details.insert("rule".into(), json!(verdict.rule));
            }
            Self::Unbound(alias) | Self::HostNotBound(alias) => {
                let fix = format!("vultrino bind {alias} --host HOST");
                details.insert("fix".into(), json!(fix));
            }
            Self::Plaintext(_) => drop(details.insert("fix".into(), json!("use https:// in the URL"))),
            _ => {}
        }
        details
    }

    fn kind(&self) -> Kind {
        const DENIED: &str = "http_request_denied";
        const INVALID: &str = "http_request_error";
        match self {
            Self::Target(DISGUISED) | Self::Address => (403, "forbidden", "destination_ip_prohibited"),
            Self::Invalid(_) | Self::Target(_) | Self::ClientGone => (400, "invalid_request", INVALID),
            Self::Method => (405, "invalid_request", DENIED),
            Self::MissingCredential => (400, "missing_credential", DENIED),
            Self::AmbiguousCredential(_) => (400, "ambiguous_credential", DENIED),
            Self::Unauthorized | Self::KeyMissing | Self::KeylessKey => (401, "unauthorized", DENIED),
            Self::ProxyUnauthorized | Self::ProxyKeyMissing | Self::ProxyKeylessKey => {
                (407, "proxy_authentication_required", DENIED)
            }
            Self::Policy(_) => (403, "policy_denied", DENIED),
            Self::RateLimited(_) => (429, "rate_limited", DENIED),
            Self::Forbidden(_)
            | Self::OutOfScope(_)
            | Self::Revoked
            | Self::ForeignPage
            | Self::ForeignHost
            | Self::Unbound(_)
            | Self::HostNotBound(_)
            | Self::Plaintext(_)
            | Self::Unmatched
            | Self::Port => (403, "forbidden", DENIED),
            Self::Loop => (403, "forbidden", "proxy_loop_detected"),
            Self::NotFound(_) | Self::NoSuchPath => (404, "not_found", DENIED),
            Self::Misdirected | Self::ServerName => (421, "misdirected_request", DENIED),
            Self::TooLarge => (413, "payload_too_large", INVALID),
            Self::UriTooLong => (414, "uri_too_long", INVALID),
            Self::HeadersTooLarge => (431, "headers_too_large", INVALID),
            Self::Expectation => (417, "expectation_failed", INVALID),
            Self::LastRecipient => NO_ERROR,
            Self::Unreachable | Self::ConnectTimeout => (502, "upstream_error", "destination_unavailable"),
            Self::ParentUnauthorized => (502, "upstream_error", "proxy_configuration_error"),
            Self::BadAnswer => (502, "upstream_error", "http_protocol_error"),
            Self::Timeout(_) => (504, "upstream_timeout", "http_response_timeout"),
            Self::AuditUnavailable => (503, "audit_unavailable", "proxy_internal_error"),
            Self::Overloaded | Self::Crowding => (503, "overloaded", "connection_limit_reached"),
            Self::Internal => (500, "internal_error", "proxy_internal_error"),
        }
    }
}

impl From<Full> for Refusal {
    fn from(full: Full) -> Self {
        match full {
            Full::All => Self::Overloaded,
            Full::Each => Self::Crowding,
        }
    }
}

impl From<TargetError> for Refusal {
    fn from(error: TargetError) -> Self {
        Self::Target(error)
    }
}
