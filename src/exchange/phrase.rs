//! Reason phrases of refused tunnels. Go, curl and Python print the status line of a failed CONNECT and nothing of its body.

use crate::exchange::Refusal;

impl Refusal {
    /// The reason for the status line: one line of ASCII from a fixed set, with nothing in it that a caller sent.
    pub fn phrase(&self) -> &'static str {
        match self {
            Self::Invalid(why) if is_printable(why) => why,
            Self::Invalid(_) => "the request is not valid",
            Self::Target(_) => "the target is no host and port",
            Self::Method => "this method is not forwarded",
            Self::MissingCredential => "no credential is named",
            Self::AmbiguousCredential(_) => "several credentials are bound to this host",
            Self::Unauthorized | Self::ProxyUnauthorized => "the API key is not valid",
            Self::KeylessKey | Self::ProxyKeylessKey => "this API key is valid only where callers need none",
            Self::KeyMissing | Self::ProxyKeyMissing => "an API key is needed as the user of the proxy address",
            Self::Forbidden(_) => "the key's role lacks a permission",
            Self::OutOfScope(_) => "the credential is not in the key's scope",
            Self::Revoked => "the API key or credential was revoked",
            Self::Policy(_) => "a policy denies it",
            Self::RateLimited(_) => "too many requests",
            Self::ForeignPage => "pages of other origins are refused",
            Self::ForeignHost => "the Host is not in [server] allowed_hosts",
            Self::Unbound(_) => "the credential is bound to no host",
            Self::HostNotBound(_) => "the credential is not bound to this host",
            Self::Plaintext(_) => "the credential is bound to https",
            Self::Unmatched => "no credential for this host in the caller's scope",
            Self::Port => "the port is not in [proxy] connect_ports",
            Self::Address => "the host is not public, see [upstream] allow_private",
            Self::Loop => "the request has been through this proxy before",
            Self::NotFound(_) => "no such credential",
            Self::NoSuchPath => "nothing is served here",
            Self::Misdirected => "the request is for another host than the tunnel",
            Self::ServerName => "the TLS server name is not the tunnel's host",
            Self::TooLarge => "the body is too large",
            Self::UriTooLong => "the target is too long",
            Self::HeadersTooLarge => "the header section is too large",
            Self::Expectation => "the expectation cannot be met",
            Self::LastRecipient => "not forwarded",
            Self::Unreachable | Self::ConnectTimeout => "cannot connect to the host",
            Self::ParentUnauthorized => "the parent proxy refuses the user or password",
            Self::BadAnswer => "the host sent no valid answer",
            Self::Timeout(_) => "the host did not answer in time",
            Self::ClientGone => "the request ended early",
            Self::AuditUnavailable => "the audit log cannot be written",
            Self::Overloaded => "too much is open at once",
            Self::Crowding => "this client has too much open, see [limits]",
            Self::Internal => "internal error",
        }
    }
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
}
