//! A Vultrino set up in a temporary folder with the command line, as a user does it.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use tempfile::TempDir;
use thiserror::Error;

use crate::certificate::DOMAIN;
use crate::grown;
use crate::origin::Origin;

/// A credential that no policy is about, and one that is under policies.
pub(crate) const ALIAS: &str = "bench";
pub(crate) const RULED: &str = "bench-ruled";

/// A host whose tunnels are not looked into.
pub(crate) const BLIND: &str = "blind.bench.localhost";

const KEY: &str = "a-made-up-key-of-the-load-benchmark";
const PASSWORD: &str = "a made-up password of the load benchmark";

/// Set up, not yet served; gone when it is dropped.
pub(crate) struct Installation {
    pub(crate) program: PathBuf,
    pub(crate) folder: TempDir,
    pub(crate) ca_pem: String,
    /// Of a caller who may use both credentials.
    pub(crate) key: String,
}

#[derive(Debug, Error)]
pub(crate) enum InstallationError {
    #[error("cannot run {program}; build it with `cargo build` or name it with --vultrino")]
    Run { program: PathBuf, source: io::Error },
    #[error("`vultrino {command}` failed ({status}): {output}")]
    Command { command: String, status: ExitStatus, output: String },
    #[error("cannot set up the temporary folder")]
    Io(#[from] io::Error),
    #[error("cannot fill the store")]
    Grow(#[from] grown::GrowError),
}

/// What arrives at the origin when the credential was injected.
pub(crate) fn authorization() -> String {
    format!("Bearer {KEY}")
}

impl Installation {
    /// With so many more credentials, keys, roles and policies than are used.
    pub(crate) fn set_up(program: &Path, origin: &Origin, more: u32) -> Result<Self, InstallationError> {
        let folder = tempfile::Builder::new().prefix("vultrino-load-").tempdir()?;
        let path = folder.path();
        fs::write(path.join("origin-ca.pem"), &origin.authority_pem)?;
        let urls = urls(origin);
        fs::write(path.join("config.toml"), config(path) + &policies(&urls) + &grown::policies(more))?;
        let run = |arguments: &[&str], input| run(program, path, arguments, input);
        run(&["init", "--admin-username", "bench"], "")?;
        run(&["add", "--alias", ALIAS, "--key", "-", "--host", &urls[0], "--no-auto"], KEY)?;
        let mut add = vec!["add", "--alias", RULED, "--key", "-", "--no-auto"];
        add.extend(urls.iter().flat_map(|host| ["--host", host.as_str()]));
        run(&add, KEY)?;
        run(&["role", "create", "bench", "--permissions", "execute", "--scopes", "bench*"], "")?;
        let shown = run(&["key", "create", "bench", "--role", "bench"], "")?;
        let key = shown.split_ascii_whitespace().find(|it| it.starts_with("vk_"));
        let key = key.ok_or_else(|| io::Error::other("`vultrino key create` showed no key"))?.to_owned();
        let ca_pem = run(&["ca", "export"], "")?;
        if more > 0 {
            grown::fill(&path.join(STORE), PASSWORD, more)?;
        }
        Ok(Self { program: program.to_owned(), folder, ca_pem, key })
    }
}

/// Where the origin is found.
fn urls(origin: &Origin) -> [String; 4] {
    let [tls, http2, plain] = [origin.tls, origin.http2, origin.plain].map(|it| it.port());
    [
        format!("https://localhost:{tls}"),
        format!("https://localhost:{http2}"),
        format!("http://localhost:{plain}"),
        format!("https://*.{DOMAIN}:{tls}"),
    ]
}

const STORE: &str = "credentials.enc";

/// All defaults but the place of the files, no limit for bodies, and an origin on this machine.
fn config(folder: &Path) -> String {
    let path = |name: &str| serde_json::Value::from(folder.join(name).to_string_lossy()).to_string();
    format!(
        "[server]\nbind = \"127.0.0.1:0\"\nmax_body_size = 0\n\n\
         [storage.file]\npath = {}\nkdf_memory_kib = 19456\nkdf_iterations = 2\n\n\
         [logging]\naudit_file = {}\n\n\
         [upstream]\nallow_private = [\"127.0.0.0/8\"]\nca_file = {}\n\n\
         [proxy]\ntunnel_hosts = [\"{BLIND}\"]\n",
        path(STORE),
        path("audit.log"),
        path("origin-ca.pem"),
    )
}

/// Two policies that allow what is asked here: by URL, by method, so often as never happens.
fn policies(urls: &[String]) -> String {
    let rule = |url: &String| format!("  {{ condition = {{ url_match = \"{url}/*\" }}, action = \"allow\" }},\n");
    let rules: String = urls.iter().map(rule).collect();
    format!(
        "\n[[policies]]\nname = \"urls\"\ncredential_pattern = \"{RULED}\"\ndefault_action = \"deny\"\n\
         rules = [\n{rules}  {{ condition = {{ method_match = [\"GET\", \"POST\"] }}, action = \"allow\" }},\n]\n\n\
         [[policies]]\nname = \"rate\"\ncredential_pattern = \"bench-*\"\ndefault_action = \"deny\"\n\
         rules = [{{ condition = {{ rate_limit = {{ max = 100000000, window_secs = 60 }} }}, action = \"allow\" }}]\n"
    )
}

/// The command with this folder's settings, whatever those of the person who runs it.
pub(crate) fn prepared(mut command: Command, folder: &Path) -> Command {
    command
        .arg("--config")
        .arg(folder.join("config.toml"))
        .env("HOME", folder)
        .env("VULTRINO_DATA_DIR", folder)
        .env("VULTRINO_PASSWORD", PASSWORD)
        .env("VULTRINO_ADMIN_PASSWORD", PASSWORD)
        .env_remove("VULTRINO_PASSWORD_FILE")
        .env_remove("VULTRINO_CONFIG")
        .env_remove("RUST_LOG");
    command
}

/// Runs one command to its end and returns its stdout.
fn run(program: &Path, folder: &Path, arguments: &[&str], input: &str) -> Result<String, InstallationError> {
    let mut child = prepared(Command::new(program), folder)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| InstallationError::Run { program: program.to_owned(), source })?;
    if let Some(mut stdin) = child.stdin.take() {
        match stdin.write_all(input.as_bytes()) {
            // It has ended without reading: its status tells why.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => (),
            written => written?,
        }
    }
    let output = child.wait_with_output()?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    Err(InstallationError::Command {
        command: arguments.join(" "),
        status: output.status,
        output: format!("{stdout}{}", String::from_utf8_lossy(&output.stderr)).trim().to_owned(),
    })
}
