//! What a record says to those who show it elsewhere than in the audit log. Texts were escaped when they came in.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use memchr::{memchr, memmem};

use crate::audit::{Door, Record};

impl Record {
    /// As [`Record::set_key`] was told; `-` if it was not.
    pub fn key(&self) -> &[u8] {
        self.key.as_bytes()
    }

    /// The caller's address.
    pub fn source(&self) -> Option<SocketAddr> {
        self.source
    }

    /// Whether it is known who asked.
    pub fn has_name(&self) -> bool {
        self.name() != "-"
    }

    /// The caller's name; `-` where it is not known.
    pub fn name(&self) -> &str {
        text(self.name.as_bytes())
    }

    /// The credential's alias; `-` where there is none.
    pub fn credential(&self) -> &str {
        text(self.credential.as_bytes())
    }

    /// The request's method; `-` where there is none.
    pub fn method(&self) -> &str {
        text(self.method.as_bytes())
    }

    /// Where the request came in.
    pub fn door(&self) -> Door {
        self.door
    }

    /// What was done, such as `http_request` or `role_create`.
    pub fn action(&self) -> &'static str {
        self.action
    }

    /// How many refusals it stands for, where it stands for several; else 0.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How long ago it was opened.
    pub fn age(&self) -> Duration {
        Instant::now().saturating_duration_since(self.opened)
    }

    /// Host, port and path of the URL, without its query.
    pub fn place(&self) -> &str {
        let start = memmem::find(&self.url, b"://").map_or(0, |at| at + 3);
        let end = memchr(b'?', &self.url).unwrap_or(self.url.len());
        text(self.url.get(start..end).unwrap_or_default())
    }

    /// The host and port of the URL; `-` where it has none.
    pub fn host(&self) -> &str {
        let host = self.place().split('/').next().unwrap_or_default();
        if host.is_empty() { "-" } else { host }
    }
}

/// What is not UTF-8 was escaped, unless it was cut in the middle of a character.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("?")
}
