//! `[proxy]`: what happens to the requests that pass.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, de};

use crate::{base::host::HostPattern, config::text};

/// The section.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section")]
pub struct Proxy {
    /// Fields that never go upstream. Our own (`X-Vultrino-*`) and hop-by-hop ones never do, listed or not.
    pub strip_headers: Vec<FieldName>,
    /// Fields that every request upstream gets, each replacing the client's own.
    #[serde(deserialize_with = "fields")]
    pub inject_headers: Vec<(FieldName, FieldValue)>,
    /// What becomes of a request in proxy style for which there is no credential; `None` is the mode's own way:
    /// local mode forwards, server mode denies.
    pub unmatched: Option<Unmatched>,
    /// Which tunnels are looked into.
    pub intercept: Intercept,
    /// Hosts whose tunnels are passed on unseen, whatever `intercept` says.
    #[serde(deserialize_with = "hosts")]
    pub tunnel_hosts: Vec<HostPattern>,
    /// Ports that a CONNECT may name besides those that a credential is bound to.
    #[serde(deserialize_with = "ports")]
    pub connect_ports: Vec<u16>,
}

/// What becomes of a request for which there is no credential.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unmatched {
    /// It goes upstream as it is.
    Forward,
    /// It is refused.
    Deny,
}

/// Which tunnels are looked into; nothing can be injected into the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Intercept {
    /// All of them.
    #[default]
    All,
    /// Those to a host that a credential in the caller's scope is bound to.
    Bound,
    /// None of them.
    Off,
}

impl Default for Proxy {
    fn default() -> Self {
        let ours = ["X-Vultrino-Credential", "X-Vultrino-Policy"];
        Self {
            strip_headers: ours.into_iter().map(|it| FieldName(it.to_owned())).collect(),
            inject_headers: Vec::new(),
            unmatched: None,
            intercept: Intercept::default(),
            tunnel_hosts: Vec::new(),
            connect_ports: vec![80, 443],
        }
    }
}

/// The name of a header field (RFC 9110 section 5.1) that a setting may touch: none that frames or routes the message.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct FieldName(String);

/// The value of a header field: visible ASCII, with blanks inside only.
#[derive(Clone, PartialEq, Eq)]
pub struct FieldValue(String);

impl FieldName {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FieldValue {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Somebody may put a token here.
        f.write_str("[value]")
    }
}

const FRAMING: [&str; 9] =
    ["host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade", "expect"];

impl FromStr for FieldName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if text.is_empty() || !text.bytes().all(is_token) {
            return Err(format!("{text:?} is not the name of a header field"));
        }
        if FRAMING.contains(&text.to_ascii_lowercase().as_str()) {
            return Err(format!("`{text}` belongs to the connection and is Vultrino's to write"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for FieldValue {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_plain = |b: u8| matches!(b, b' '..=b'~' | b'\t');
        if text.trim() != text || !text.bytes().all(is_plain) {
            return Err("a header value is plain ASCII without control characters or blanks at its ends");
        }
        Ok(Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for FieldName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        text::parse(from, str::parse)
    }
}

impl<'de> Deserialize<'de> for FieldValue {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        text::parse(from, str::parse)
    }
}

fn fields<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<(FieldName, FieldValue)>, D::Error> {
    let mut fields: Vec<(FieldName, FieldValue)> = Vec::new();
    for (name, value) in BTreeMap::<FieldName, FieldValue>::deserialize(from)? {
        if name.0.get(..11).is_some_and(|it| it.eq_ignore_ascii_case("x-vultrino-")) {
            return Err(de::Error::custom(format_args!("`{}` never goes upstream", name.0)));
        }
        if fields.iter().any(|(other, _)| other.0.eq_ignore_ascii_case(&name.0)) {
            return Err(de::Error::custom(format_args!("`{}` is there twice, in another case", name.0)));
        }
        fields.push((name, value));
    }
    Ok(fields)
}

fn hosts<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<HostPattern>, D::Error> {
    Ok(Vec::<Pattern>::deserialize(from)?.into_iter().map(|Pattern(it)| it).collect())
}

struct Pattern(HostPattern);

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let help = "write a host, or `*.example.com` for the names right below it, without a port";
        text::parse(from, |it| it.parse().map_err(|error| format!("`{it}`: {error}; {help}"))).map(Self)
    }
}

fn ports<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u16>, D::Error> {
    let ports = Vec::<u16>::deserialize(from)?;
    if ports.contains(&0) {
        return Err(de::Error::custom("0 is not a port"));
    }
    Ok(ports)
}
