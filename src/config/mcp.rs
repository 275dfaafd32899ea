//! `[mcp]`: the Model Context Protocol.

use serde::Deserialize;

/// The section.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section")]
pub struct Mcp {
    /// Whether it is spoken at all.
    pub enabled: bool,
    /// What `serve --mcp` speaks it over.
    pub transport: Transport,
}

/// What carries messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Lines of standard input and output.
    #[default]
    Stdio,
    /// `/mcp` on the proxy's listener.
    Http,
}

impl Default for Mcp {
    fn default() -> Self {
        Self { enabled: true, transport: Transport::default() }
    }
}
