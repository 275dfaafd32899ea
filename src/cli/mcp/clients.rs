//! The MCP clients that are known: the file in which each looks for its servers, and the shape that it wants there.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::config::Environment;

/// A program that starts MCP servers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Client {
    ClaudeCode,
    ClaudeDesktop,
    Codex,
    Cursor,
    Gemini,
    Vscode,
    Windsurf,
    Zed,
}

/// How a client writes its servers down.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) syntax: Syntax,
    /// Under which all servers stand.
    pub(crate) servers: &'static str,
    /// Whether a server says that it is reached over stdio.
    pub(crate) typed: bool,
    pub(crate) handover: Handover,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Syntax {
    Json,
    /// With comments and trailing commas.
    CommentedJson,
    Toml,
}

/// How a server gets the API key from the environment of its client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Handover {
    /// The client puts the variable's value in place of this text.
    Expanded(&'static str),
    /// The client passes on variables that are listed by name.
    Listed,
    /// The server has the client's whole environment.
    Inherited,
    /// Not at all.
    Never,
}

impl Client {
    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ClaudeCode => "Claude Code",
            Self::ClaudeDesktop => "Claude Desktop",
            Self::Codex => "Codex",
            Self::Cursor => "Cursor",
            Self::Gemini => "Gemini CLI",
            Self::Vscode => "VS Code",
            Self::Windsurf => "Windsurf",
            Self::Zed => "Zed",
        }
    }

    /// For the command line and for programs.
    pub(crate) fn id(self) -> String {
        self.to_possible_value().map(|it| it.get_name().to_owned()).unwrap_or_default()
    }

    pub(crate) fn shape(self) -> Shape {
        let json = |handover| Shape { syntax: Syntax::Json, servers: "mcpServers", typed: false, handover };
        match self {
            // A variable that is not set would be passed on as this text, but for the default behind it.
            Self::ClaudeCode => Shape { typed: true, ..json(Handover::Expanded("${VULTRINO_API_KEY:-}")) },
            Self::ClaudeDesktop => json(Handover::Never),
            Self::Codex => {
                Shape { syntax: Syntax::Toml, servers: "mcp_servers", typed: false, handover: Handover::Listed }
            }
            Self::Cursor => Shape { typed: true, ..json(Handover::Expanded("${env:VULTRINO_API_KEY}")) },
            Self::Gemini => Shape { syntax: Syntax::CommentedJson, ..json(Handover::Expanded("${VULTRINO_API_KEY}")) },
            Self::Vscode => Shape {
                syntax: Syntax::CommentedJson,
                servers: "servers",
                typed: true,
                handover: Handover::Expanded("${env:VULTRINO_API_KEY}"),
            },
            Self::Windsurf => json(Handover::Expanded("${env:VULTRINO_API_KEY}")),
            Self::Zed => Shape {
                syntax: Syntax::CommentedJson,
                servers: "context_servers",
                typed: false,
                handover: Handover::Inherited,
            },
        }
    }

    /// Where it looks whatever the project; `None` where nobody knows the user's home folder.
    pub(crate) fn file(self, environment: &Environment) -> Option<PathBuf> {
        let home = environment.home.as_deref();
        let below = |path: &str| home.map(|it| it.join(path));
        match self {
            Self::ClaudeCode => environment.claude_config_dir.as_deref().or(home).map(|it| it.join(".claude.json")),
            Self::ClaudeDesktop => of_desktop(environment).map(|it| it.join("Claude/claude_desktop_config.json")),
            Self::Codex => {
                let folder = environment.codex_home.clone().or_else(|| below(".codex"));
                folder.map(|it| it.join("config.toml"))
            }
            Self::Cursor => below(".cursor/mcp.json"),
            Self::Gemini => below(".gemini/settings.json"),
            Self::Vscode => of_desktop(environment).map(|it| it.join("Code/User/mcp.json")),
            Self::Windsurf => below(".codeium/windsurf/mcp_config.json"),
            Self::Zed if cfg!(target_os = "macos") => below(".config/zed/settings.json"),
            Self::Zed => of_desktop(environment)
                .map(|it| it.join(if cfg!(windows) { "Zed/settings.json" } else { "zed/settings.json" })),
        }
    }

    /// Where it looks in the folder of a project, if it does.
    pub(crate) fn project_file(self) -> Option<&'static str> {
        match self {
            Self::ClaudeCode => Some(".mcp.json"),
            Self::Cursor => Some(".cursor/mcp.json"),
            Self::Gemini => Some(".gemini/settings.json"),
            Self::Vscode => Some(".vscode/mcp.json"),
            Self::ClaudeDesktop | Self::Codex | Self::Windsurf | Self::Zed => None,
        }
    }
}

/// The folder of the settings of desktop programs.
fn of_desktop(environment: &Environment) -> Option<PathBuf> {
    let home = environment.home.as_deref();
    if cfg!(target_os = "macos") {
        return home.map(|it| it.join("Library/Application Support"));
    }
    // A variable counts where its path is absolute (XDG Base Directory Specification).
    let set = environment.config_home.clone().filter(|it| it.is_absolute());
    set.or_else(|| home.map(|it| it.join(".config")))
}
