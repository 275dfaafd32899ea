//! The official SDKs, two lines of each, in every revision of the protocol that they let us ask for.

use std::path::{Path, PathBuf};

use crate::clients::{
    node, python,
    seat::{CLIENTS, PROGRAMS},
};

/// One SDK in one revision.
#[derive(Clone, Copy)]
pub(super) struct Client {
    pub sdk: Sdk,
    /// What its program is told: a revision, `auto` for what the SDK takes by itself, or a package that offers its newest.
    pub asks: &'static str,
    /// The revision that comes of it.
    pub spoken: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sdk {
    Python2,
    /// In a place of its own: both lines have one name.
    Python1,
    JavaScript2,
    JavaScript1,
    /// Speaks 2025-03-26 and nothing later.
    JavaScriptOld,
}

pub(super) const ALL: [Client; 15] = [
    client(Sdk::Python2, "auto", "2026-07-28"),
    client(Sdk::Python2, "2026-07-28", "2026-07-28"),
    client(Sdk::Python2, "2025-11-25", "2025-11-25"),
    client(Sdk::Python1, "2025-11-25", "2025-11-25"),
    client(Sdk::Python1, "2025-06-18", "2025-06-18"),
    client(Sdk::Python1, "2025-03-26", "2025-03-26"),
    client(Sdk::Python1, "2024-11-05", "2024-11-05"),
    client(Sdk::JavaScript2, "auto", "2026-07-28"),
    client(Sdk::JavaScript2, "2026-07-28", "2026-07-28"),
    client(Sdk::JavaScript2, "2025-11-25", "2025-11-25"),
    client(Sdk::JavaScript2, "2025-06-18", "2025-06-18"),
    client(Sdk::JavaScript2, "2025-03-26", "2025-03-26"),
    client(Sdk::JavaScript2, "2024-11-05", "2024-11-05"),
    client(Sdk::JavaScript1, "@modelcontextprotocol/sdk", "2025-11-25"),
    client(Sdk::JavaScriptOld, "mcp-sdk-old", "2025-03-26"),
];

const fn client(sdk: Sdk, asks: &'static str, spoken: &'static str) -> Client {
    Client { sdk, asks, spoken }
}

impl Sdk {
    /// Which version is here, if any.
    pub(super) fn version(self) -> Option<String> {
        match self {
            Self::Python2 => python::package("mcp"),
            Self::Python1 => python::package_of(Path::new(&self.interpreter()), "mcp"),
            Self::JavaScript2 => node::package("@modelcontextprotocol/client"),
            Self::JavaScript1 => node::package("@modelcontextprotocol/sdk"),
            Self::JavaScriptOld => node::package("mcp-sdk-old"),
        }
    }

    /// What runs its program.
    pub(super) fn interpreter(self) -> PathBuf {
        match self {
            Self::Python2 => python::interpreter(),
            Self::Python1 => Path::new(CLIENTS).join("python-mcp-1/bin/python"),
            Self::JavaScript2 | Self::JavaScript1 | Self::JavaScriptOld => node::newer().into(),
        }
    }

    /// Its program.
    pub(super) fn script(self) -> PathBuf {
        Path::new(PROGRAMS).join(match self {
            Self::Python2 => "python/with_mcp.py",
            Self::Python1 => "python/with_mcp_1.py",
            Self::JavaScript2 => "node/mcp.mjs",
            Self::JavaScript1 | Self::JavaScriptOld => "node/mcp_1.mjs",
        })
    }
}
