//! Which setting says how long an origin server may be silent. What it ends is named by it: in the answer and in the audit log.

use std::{fmt, time::Duration};

use crate::{
    audit::Door,
    base::{
        head::Framing,
        host::Host,
        silence::{Silence, is_grpc, streams},
    },
    catalog,
    credential::Credential,
    exchange::{Config, Inbound, snapshot::Known},
};

/// The time, and who set it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimeLimit {
    /// Longest silence before the head of an answer.
    pub after: Duration,
    /// Whose it is.
    pub set_by: Setting,
}

/// A setting that bounds silence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Setting {
    /// `[server] timeout`
    Server,
    /// `[server] stream_idle_timeout`
    Stream,
    /// `timeout` in the metadata of a credential.
    Credential,
    /// The catalog: the service is known to take its time.
    Catalog,
}

impl TimeLimit {
    /// Of a request, with this credential or without one. gRPC may be silent like any stream.
    pub(crate) fn of(config: &Config, known: Option<&Known>, inbound: &Inbound<'_>) -> Self {
        if is_grpc(&inbound.fields) {
            return Self { after: config.stream_idle_timeout, set_by: Setting::Stream };
        }
        let usual = Self { after: config.timeout, set_by: Setting::Server };
        match known {
            Some(known) => known.time_limit.unwrap_or(usual),
            None => Self::of_hosts([&inbound.target.origin.authority.host]).unwrap_or(usual),
        }
        .at_least(usual)
    }

    /// How long the origin server may be silent in all. An answer that is collected as a whole, for the API or MCP, streams to
    /// nobody.
    pub(crate) fn silence(self, config: &Config, door: Door) -> Silence {
        let streaming = if collects(door) { self.after } else { config.stream_idle_timeout };
        Silence { usual: self.after, streaming }
    }

    /// What ends an answer with this framing that falls silent.
    pub(crate) fn of_answer(self, framing: Framing, door: Door) -> Setting {
        if streams(framing) && !collects(door) { Setting::Stream } else { self.set_by }
    }

    /// Of a credential: its own, or that of the first host it is bound to that the catalog knows.
    pub(crate) fn of_credential(credential: &Credential) -> Option<Self> {
        let own = credential.metadata.timeout().map(|after| Self { after, set_by: Setting::Credential });
        own.or_else(|| Self::of_hosts(credential.bindings.iter().filter_map(|it| it.host.exactly())))
    }

    fn of_hosts<'a>(hosts: impl IntoIterator<Item = &'a Host>) -> Option<Self> {
        let after = hosts.into_iter().find_map(catalog::timeout)?;
        Some(Self { after, set_by: Setting::Catalog })
    }

    /// The catalog shortens nothing.
    fn at_least(self, usual: Self) -> Self {
        if self.set_by == Setting::Catalog && self.after < usual.after { usual } else { self }
    }
}

fn collects(door: Door) -> bool {
    matches!(door, Door::Api | Door::Mcp)
}

impl fmt::Display for TimeLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "within {} s; see {}", self.after.as_secs(), self.set_by.place())
    }
}

impl Setting {
    /// A word for the audit log and `details.reason`.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Server => "timeout",
            Self::Stream => "stream_idle_timeout",
            Self::Credential => "credential_timeout",
            Self::Catalog => "catalog_timeout",
        }
    }

    /// Where a person changes it.
    fn place(self) -> &'static str {
        match self {
            Self::Server => "[server] timeout; `timeout` in a credential's metadata sets it for that credential",
            Self::Stream => "[server] stream_idle_timeout",
            Self::Credential => "`timeout` in the credential's metadata",
            Self::Catalog => {
                "the catalog's limit for this service; `timeout` in the credential's metadata sets another"
            }
        }
    }
}
