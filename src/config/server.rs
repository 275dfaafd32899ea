//! `[server]`: the listener and the limits of one request.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use serde::{Deserialize, Deserializer, de};

use crate::{base::host::Host, config::text};

/// The section.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section")]
pub struct Server {
    /// Where the proxy listens. Port 0 takes a free one.
    #[serde(deserialize_with = "bind")]
    pub bind: SocketAddr,
    /// Who may call.
    pub mode: Mode,
    /// What local mode asks of the callers of its TCP listener; `None` where nothing is written.
    pub local_auth: Option<LocalAuth>,
    /// A unix socket to listen on as well. Absolute once the whole configuration is read.
    #[serde(deserialize_with = "socket")]
    pub socket: Option<PathBuf>,
    /// How long the upstream may take from the last request byte to its answer's head, and how long a body of known
    /// length may be silent; never the whole exchange.
    #[serde(deserialize_with = "seconds")]
    pub timeout: Duration,
    /// How long an answer that streams may be silent.
    #[serde(deserialize_with = "seconds")]
    pub stream_idle_timeout: Duration,
    /// The most bytes of a request's body; `None`, written as 0, is no limit.
    #[serde(deserialize_with = "size")]
    pub max_body_size: Option<u64>,
    /// Names by which the listener may be called besides its address and `localhost`.
    #[serde(deserialize_with = "hosts")]
    pub allowed_hosts: Vec<Host>,
}

/// Who may call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Whoever reaches the loopback listener.
    Local,
    /// Whoever shows an API key, on any address.
    Server,
}

/// What local mode asks of those who reach the loopback listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LocalAuth {
    /// Nothing.
    None,
    /// An API key, as in server mode.
    Key,
}

impl Server {
    /// Whether callers of the TCP listener need no key.
    pub fn is_keyless(&self) -> bool {
        self.mode == Mode::Local && self.local_auth != Some(LocalAuth::Key)
    }

    /// Whether callers of the unix socket need no key: in local mode its file permissions say who may call.
    pub fn is_socket_keyless(&self) -> bool {
        self.mode == Mode::Local
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 7878)),
            mode: Mode::Local,
            local_auth: None,
            socket: None,
            timeout: Duration::from_secs(30),
            stream_idle_timeout: Duration::from_hours(1),
            max_body_size: Some(10 * 1024 * 1024),
            allowed_hosts: Vec::new(),
        }
    }
}

/// Reads an address to listen on, in the file and in `--bind`: an IP address and a port, or `localhost` and a port.
pub fn parse_bind(text: &str) -> Result<SocketAddr, String> {
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => SocketAddr::from_str(&format!("127.0.0.1:{port}")),
        None => text.parse(),
    };
    numeric.map_err(|error| format!("{error}: write an IP address and a port, such as 127.0.0.1:7878 or [::1]:7878"))
}

fn bind<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
    text::parse(from, parse_bind)
}

/// Empty is none, as in the file with every default written out.
fn socket<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
    Ok(Some(PathBuf::deserialize(from)?).filter(|it| !it.as_os_str().is_empty()))
}

/// A whole number of seconds, at least one.
pub(crate) fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    match u32::deserialize(from)? {
        0 => Err(de::Error::custom("at least 1 second")),
        it => Ok(Duration::from_secs(it.into())),
    }
}

fn size<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    Ok(Some(u64::deserialize(from)?).filter(|it| *it != 0))
}

fn hosts<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Host>, D::Error> {
    Ok(Vec::<Name>::deserialize(from)?.into_iter().map(|Name(host)| host).collect())
}

struct Name(Host);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        text::parse(from, str::parse).map(Self)
    }
}
