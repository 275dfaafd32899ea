//! A Vultrino of its own: set up with the command line in a temporary folder, served, and gone at the end.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use thiserror::Error;

use crate::origin::Origin;
use crate::pin::Pins;
use crate::process::Process;

/// The credential that requests use, and one for those under policies.
const ALIAS: &str = "bench";
const RULED: &str = "bench-ruled";

const KEY: &str = "a-made-up-key-of-the-load-benchmark";
const PASSWORD: &str = "a made-up password of the load benchmark";

/// Key derivation takes time when the machine is busy.
const START: Duration = Duration::from_secs(30);
const STOP: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10);

/// What a request shows of its caller.
pub(crate) struct Use<'a> {
    pub(crate) alias: &'static str,
    pub(crate) key: Option<&'a str>,
}

impl Use<'_> {
    pub(crate) fn unruled() -> Self {
        Self { alias: ALIAS, key: None }
    }
}

/// A serving proxy.
pub(crate) struct Appliance {
    /// An API key; empty where no row needs one.
    key: String,
    pub(crate) address: SocketAddr,
    pub(crate) ca_pem: String,
    process: Process,
    server: Child,
    folder: TempDir,
}

#[derive(Debug, Error)]
pub(crate) enum ApplianceError {
    #[error("cannot run {program}; build it with `cargo build --release` or name it with --vultrino")]
    Run { program: PathBuf, source: io::Error },
    #[error("`vultrino {command}` failed ({status}): {output}")]
    Command { command: String, status: ExitStatus, output: String },
    #[error("`vultrino serve` {what}; it said: {output}")]
    Serve { what: String, output: String },
    #[error("cannot set up the temporary folder")]
    Io(#[from] io::Error),
}

/// What arrives at the origin when the credential was injected.
pub(crate) fn authorization() -> String {
    format!("Bearer {KEY}")
}

impl Appliance {
    pub(crate) fn start(program: &Path, origin: &Origin, pins: &Pins, access: bool) -> Result<Self, ApplianceError> {
        let folder = tempfile::Builder::new().prefix("vultrino-load-").tempdir()?;
        fs::write(folder.path().join("origin-ca.pem"), &origin.authority_pem)?;
        let host = format!("localhost:{}", origin.address.port());
        let policies = if access { policies(&host) } else { String::new() };
        fs::write(folder.path().join("config.toml"), config(folder.path()) + &policies)?;
        let run = |arguments: &[&str], input| run(program, folder.path(), arguments, input);
        run(&["init", "--admin-username", "bench"], "")?;
        run(&["add", "--alias", ALIAS, "--key", "-", "--host", &host], KEY)?;
        let ca_pem = run(&["ca", "export"], "")?;
        let mut key = String::new();
        if access {
            run(&["add", "--alias", RULED, "--key", "-", "--host", &host, "--no-auto"], KEY)?;
            run(&["role", "create", "bench", "--permissions", "execute", "--scopes", "bench*"], "")?;
            let shown = run(&["key", "create", "bench", "--role", "bench"], "")?;
            let found = shown.split_ascii_whitespace().find(|it| it.starts_with("vk_"));
            key.push_str(found.ok_or_else(|| io::Error::other("`vultrino key create` showed no key"))?);
        }

        let log = File::create(folder.path().join("serve.log"))?;
        let mut command = prepared(pins.on_proxy_core(program), folder.path());
        command.arg("serve").stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let mut server =
            command.spawn().map_err(|source| ApplianceError::Run { program: program.to_owned(), source })?;
        match listening(&mut server, folder.path()) {
            Ok(address) => Ok(Self { key, address, ca_pem, process: Process::of(server.id()), server, folder }),
            Err(error) => {
                server.kill()?;
                server.wait()?;
                Err(error)
            }
        }
    }

    /// By a caller with an API key.
    pub(crate) fn keyed(&self) -> Use<'_> {
        Use { alias: ALIAS, key: Some(&self.key) }
    }

    /// The same, with the credential that is under policies.
    pub(crate) fn ruled(&self) -> Use<'_> {
        Use { alias: RULED, key: Some(&self.key) }
    }

    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    /// Asks it to stop and waits. An error when it had stopped by itself or does not stop.
    pub(crate) fn stop(mut self) -> Result<(), ApplianceError> {
        let said = |what: String, folder: &TempDir| Err(ApplianceError::Serve { what, output: log(folder.path()) });
        if let Some(status) = self.server.try_wait()? {
            return said(format!("ended by itself ({status})"), &self.folder);
        }
        kill_process(Pid::from_child(&self.server), Signal::TERM).map_err(io::Error::from)?;
        let deadline = Instant::now() + STOP;
        while Instant::now() < deadline {
            if self.server.try_wait()?.is_some() {
                return Ok(());
            }
            sleep(PAUSE);
        }
        said("did not stop when asked to".to_owned(), &self.folder)
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        // Both fail when it is gone already, and that is what is wanted.
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

/// All defaults but the place of the files, no limit for bodies, and an origin on this machine.
fn config(folder: &Path) -> String {
    let path = |name: &str| serde_json::Value::from(folder.join(name).to_string_lossy()).to_string();
    format!(
        "[server]\nbind = \"127.0.0.1:0\"\nmax_body_size = 0\n\n\
         [storage.file]\npath = {}\nkdf_memory_kib = 19456\nkdf_iterations = 2\n\n\
         [logging]\naudit_file = {}\n\n\
         [upstream]\nallow_private = [\"127.0.0.0/8\"]\nca_file = {}\n",
        path("credentials.enc"),
        path("audit.log"),
        path("origin-ca.pem"),
    )
}

/// Two policies that allow what is asked here: by URL, by method, so often as never happens.
fn policies(host: &str) -> String {
    format!(
        "\n[[policies]]\nname = \"urls\"\ncredential_pattern = \"{RULED}\"\ndefault_action = \"deny\"\n\
         rules = [\n  {{ condition = {{ url_match = \"https://{host}/*\" }}, action = \"allow\" }},\n  \
         {{ condition = {{ method_match = [\"GET\", \"HEAD\"] }}, action = \"allow\" }},\n]\n\n\
         [[policies]]\nname = \"rate\"\ncredential_pattern = \"bench-*\"\ndefault_action = \"deny\"\n\
         rules = [{{ condition = {{ rate_limit = {{ max = 100000000, window_secs = 60 }} }}, action = \"allow\" }}]\n"
    )
}

/// The command with this folder's settings, whatever those of the person who runs it.
fn prepared(mut command: Command, folder: &Path) -> Command {
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
fn run(program: &Path, folder: &Path, arguments: &[&str], input: &str) -> Result<String, ApplianceError> {
    let mut child = prepared(Command::new(program), folder)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| ApplianceError::Run { program: program.to_owned(), source })?;
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
    Err(ApplianceError::Command {
        command: arguments.join(" "),
        status: output.status,
        output: format!("{stdout}{}", String::from_utf8_lossy(&output.stderr)).trim().to_owned(),
    })
}

/// Waits for the line that names the address.
fn listening(server: &mut Child, folder: &Path) -> Result<SocketAddr, ApplianceError> {
    let deadline = Instant::now() + START;
    loop {
        let ended = server.try_wait()?;
        let output = log(folder);
        if let Some(address) = announced(&output) {
            return Ok(address);
        }
        let what = match ended {
            Some(status) => format!("ended ({status})"),
            None if Instant::now() > deadline => format!("did not say `Listening on http://…` in {START:?}"),
            None => {
                sleep(PAUSE);
                continue;
            }
        };
        return Err(ApplianceError::Serve { what, output });
    }
}

fn announced(output: &str) -> Option<SocketAddr> {
    let (_, rest) = output.split_once("Listening on http://")?;
    let address: String = rest.chars().take_while(|c| c.is_ascii_hexdigit() || ".:[]".contains(*c)).collect();
    // Not before the whole line is there: half a port is a port too.
    rest[address.len()..].contains('\n').then(|| address.parse().ok()).flatten()
}

fn log(folder: &Path) -> String {
    match fs::read(folder.join("serve.log")) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => format!("(its output cannot be read: {error})"),
    }
}

#[cfg(test)]
mod tests {
    use crate::appliance::announced;

    #[test]
    fn the_address_is_read_from_a_whole_line() {
        let found = |text| announced(text).map(|it| it.to_string());
        assert_eq!(found("Listening on http://127.0.0.1:7878\n"), Some("127.0.0.1:7878".to_owned()));
        assert_eq!(
            found("INFO x\nINFO Listening on http://127.0.0.1:42 mode=local\n"),
            Some("127.0.0.1:42".to_owned())
        );
        assert_eq!(found("Listening on http://127.0.0.1:78"), None);
        assert_eq!(found("Listening soon\n"), None);
    }
}
