//! A Vultrino that serves, on a core of its own where there is one.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use thiserror::Error;
use tokio::runtime::Runtime;

use crate::installation::{ALIAS, Installation, RULED, prepared};
use crate::pin::Pins;
use crate::process::Process;

/// Key derivation takes time when the machine is busy.
const START: Duration = Duration::from_secs(30);
const STOP: Duration = Duration::from_secs(10);
/// Short, since how long a start takes is one of the figures.
const PAUSE: Duration = Duration::from_millis(1);

/// What a request shows of its caller, and the credential that it names.
pub(crate) struct Use<'a> {
    pub(crate) alias: &'static str,
    pub(crate) key: Option<&'a str>,
}

impl Use<'_> {
    /// No key, and a credential that no policy is about.
    pub(crate) const OPEN: Self = Self { alias: ALIAS, key: None };
}

/// A serving proxy.
pub(crate) struct Appliance {
    // First: it must be gone before its folder is.
    server: Server,
    pub(crate) installation: Installation,
}

/// The process of one.
struct Server {
    address: SocketAddr,
    process: Process,
    child: Child,
}

#[derive(Debug, Error)]
pub(crate) enum ApplianceError {
    #[error("cannot run the program")]
    Run(#[from] io::Error),
    #[error("`vultrino serve` {what}; it said: {output}")]
    Serve { what: String, output: String },
}

impl Appliance {
    /// Serves what is set up; returns when it listens.
    pub(crate) fn start(installation: Installation, pins: &Pins) -> Result<Self, ApplianceError> {
        let server = Server::start(&installation, pins)?;
        Ok(Self { server, installation })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address
    }

    pub(crate) fn process(&self) -> &Process {
        &self.server.process
    }

    /// By a caller with a key, with the credential that no policy is about.
    pub(crate) fn unruled(&self) -> Use<'_> {
        Use { alias: ALIAS, key: Some(&self.installation.key) }
    }

    /// The same, with the credential that is under policies.
    pub(crate) fn ruled(&self) -> Use<'_> {
        Use { alias: RULED, key: Some(&self.installation.key) }
    }

    /// Asks it to stop and waits, while the origin on `runtime` goes on and closes what the proxy closes. An error when it had
    /// stopped by itself or does not stop.
    pub(crate) fn stop(self, runtime: &Runtime) -> Result<Installation, ApplianceError> {
        let Self { mut server, installation } = self;
        server.stop(installation.folder.path(), runtime)?;
        Ok(installation)
    }
}

impl Server {
    fn start(installation: &Installation, pins: &Pins) -> Result<Self, ApplianceError> {
        let folder = installation.folder.path();
        let output = File::create(folder.join(OUTPUT))?;
        let mut command = prepared(pins.on_proxy_core(&installation.program), folder);
        command.arg("serve").stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let mut child = command.spawn()?;
        match listening(&mut child, folder) {
            Ok(address) => Ok(Self { address, process: Process::of(child.id()), child }),
            Err(error) => {
                child.kill()?;
                child.wait()?;
                Err(error)
            }
        }
    }

    fn stop(&mut self, folder: &Path, runtime: &Runtime) -> Result<(), ApplianceError> {
        let said = |what: String| Err(ApplianceError::Serve { what, output: output(folder) });
        if let Some(status) = self.child.try_wait()? {
            return said(format!("ended by itself ({status})"));
        }
        kill_process(Pid::from_child(&self.child), Signal::TERM).map_err(io::Error::from)?;
        let deadline = Instant::now() + STOP;
        while Instant::now() < deadline {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            runtime.block_on(async { tokio::time::sleep(PAUSE).await });
        }
        said("did not stop when asked to".to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail when it is gone already, and that is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What the server says goes here.
const OUTPUT: &str = "serve.log";

/// Waits for the line that names the address.
fn listening(server: &mut Child, folder: &Path) -> Result<SocketAddr, ApplianceError> {
    let deadline = Instant::now() + START;
    loop {
        let ended = server.try_wait()?;
        let output = output(folder);
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

fn output(folder: &Path) -> String {
    match fs::read(folder.join(OUTPUT)) {
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
