//! What one section alone cannot tell.

use crate::config::{
    Config,
    error::Problem,
    server::{Mode, Server},
};

/// The first setting that contradicts another, or what this version can do: its key and the reason.
pub(crate) fn check(config: &Config) -> Result<(), (&'static str, Problem)> {
    mode(&config.server)?;
    bind(&config.server)?;
    audit_file(config)
}

/// Server mode without keys would either refuse everybody or ask nobody.
fn mode(server: &Server) -> Result<(), (&'static str, Problem)> {
    if server.mode == Mode::Local {
        return Ok(());
    }
    let problem = Problem::new("`mode = \"server\"` is not built yet: it demands an API key of every caller")
        .label("not built yet")
        .help("write \"local\" and bind to a loopback address such as 127.0.0.1:7878");
    Err(("server.mode", problem))
}

/// In local mode whoever reaches the listener may use every credential.
fn bind(server: &Server) -> Result<(), (&'static str, Problem)> {
    if server.bind.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    let reason = format!(
        "local mode asks no caller for a key, so it listens on loopback only; {} can be reached from other machines",
        server.bind.ip()
    );
    let problem = Problem::new(reason)
        .label("not loopback")
        .help(format!("bind to 127.0.0.1:{}; another address demands `mode = \"server\"`", server.bind.port()));
    Err(("server.bind", problem))
}

/// Audit lines at the end of the store would make it unreadable.
fn audit_file(config: &Config) -> Result<(), (&'static str, Problem)> {
    if config.logging.audit_file != config.storage.path {
        return Ok(());
    }
    Err(("logging.audit_file", Problem::new("the audit log and the store cannot be the same file")))
}
