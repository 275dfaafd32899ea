//! What one section alone cannot tell.

use crate::config::{
    Config,
    error::Problem,
    server::{LocalAuth, Mode, Server},
};

/// The first setting that contradicts another, or what this version can do: its key and the reason.
pub(crate) fn check(config: &Config) -> Result<(), (&'static str, Problem)> {
    bind(&config.server)?;
    local_auth(&config.server)?;
    audit_file(config)?;
    socket(config)
}

/// In local mode whoever reaches the listener may use every credential. A key alone does not change that it speaks
/// without TLS to the whole network: whoever wants that says so with the mode.
fn bind(server: &Server) -> Result<(), (&'static str, Problem)> {
    if server.mode == Mode::Server || server.bind.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    let reason = format!(
        "local mode is for one's own machine, so it listens on loopback only; {} can be reached from other machines",
        server.bind.ip()
    );
    let problem = Problem::new(reason).label("not loopback").help(format!(
        "bind to 127.0.0.1:{}; or write `mode = \"server\"`, which asks every caller for an API key",
        server.bind.port()
    ));
    Err(("server.bind", problem))
}

/// Server mode always asks.
fn local_auth(server: &Server) -> Result<(), (&'static str, Problem)> {
    if server.mode == Mode::Local || server.local_auth != Some(LocalAuth::None) {
        return Ok(());
    }
    let problem = Problem::new("`mode = \"server\"` asks every caller for a key, so `local_auth` cannot be \"none\"")
        .help("remove the line, or write `mode = \"local\"`");
    Err(("server.local_auth", problem))
}

/// Audit lines at the end of the store would make it unreadable.
fn audit_file(config: &Config) -> Result<(), (&'static str, Problem)> {
    if config.logging.audit_file != config.storage.path {
        return Ok(());
    }
    Err(("logging.audit_file", Problem::new("the audit log and the store cannot be the same file")))
}

/// The name of a socket must fit into its address; here it is known which setting is at fault.
fn socket(config: &Config) -> Result<(), (&'static str, Problem)> {
    const LONGEST: usize = if cfg!(target_os = "linux") { 107 } else { 103 };
    let Some(path) = &config.server.socket else { return Ok(()) };
    let problem = if *path == config.storage.path || *path == config.logging.audit_file {
        Problem::new("the socket needs a name of its own")
    } else if path.as_os_str().len() > LONGEST {
        Problem::new(format!("the path of a socket can have {LONGEST} bytes; this has {}", path.as_os_str().len()))
            .help("choose a shorter one, such as /run/vultrino/proxy.sock")
    } else {
        return Ok(());
    };
    Err(("server.socket", problem))
}
