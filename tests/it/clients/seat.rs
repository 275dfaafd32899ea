//! The place of one client: told of a proxy and of its CA, perhaps of an API key, and of nothing else.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use http::HeaderMap;
use tempfile::TempDir;

use crate::{
    clients::{
        Row,
        origin::{Origin, Seen},
    },
    support::{
        Appliance,
        appliance::KEY,
        process::{Output, run},
        traces::Traces,
        wire::find,
        world::variable,
    },
};

/// Where `make test` puts the clients that the system lacks.
pub(crate) const CLIENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/clients");
/// Where the clients' programs stand.
pub(crate) const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");

/// One client on its way to one host.
pub(crate) struct Seat<'a> {
    pub origin: &'a Origin,
    pub appliance: &'a Appliance,
    /// The API key, where the server asks for one.
    pub key: Option<&'a str>,
    pub host: &'a str,
    trust: &'a str,
    home: TempDir,
}

impl<'a> Seat<'a> {
    pub(crate) fn new(row: &Row, origin: &'a Origin, appliance: &'a Appliance, key: Option<&'a str>) -> Self {
        let home = TempDir::with_prefix("vultrino-client-").unwrap();
        Self { origin, appliance, key, host: row.host, trust: row.trust, home }
    }

    /// The client's own folder.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// The file that it may trust.
    pub(crate) fn ca(&self) -> PathBuf {
        self.appliance.ca_file()
    }

    /// The proxy's address, with the key: as a password, for some clients show no user name without one.
    pub(crate) fn proxy(&self) -> String {
        let key = self.key.map(|it| format!("vultrino:{it}@")).unwrap_or_default();
        format!("http://{key}{}", self.appliance.address())
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.host)
    }

    /// A command that knows the proxy, and the CA by the variable that its program reads.
    pub(crate) fn client(&self, program: impl AsRef<Path>) -> Command {
        let mut command = self.command(program);
        command.env(self.trust, self.ca());
        command
    }

    /// A command that knows the proxy.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .env_clear()
            .env("HOME", self.home())
            .env("LANG", "C.UTF-8")
            .env("PATH", variable("PATH").unwrap_or_default())
            .current_dir(self.home());
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
            command.env(name, self.proxy());
        }
        command
    }

    /// Runs a client that must succeed; what it printed.
    #[track_caller]
    pub(crate) fn run(&self, command: &mut Command, input: &str) -> String {
        let output = run(command, input);
        self.assert_nothing_known(output.stdout.as_bytes(), "stdout");
        self.assert_nothing_known(output.stderr.as_bytes(), "stderr");
        let Output { status, stdout, stderr } = output;
        assert!(status.success(), "{command:?}: {status}\n{stdout}{stderr}");
        stdout
    }

    /// Judges what arrived at the host: each request has the secret once, where it belongs, and nothing of ours; the
    /// client has kept nothing of it.
    #[track_caller]
    pub(crate) fn judge(&self) -> Vec<Seen> {
        let requests = self.origin.take(self.host);
        assert!(!requests.is_empty(), "nothing arrived");
        for request in &requests {
            assert_injected(&request.fields, self.origin.key(self.host), self.key);
        }
        self.search(self.home());
        requests
    }

    /// Looks for the secret in what a client has written.
    fn search(&self, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                self.search(&entry.path());
            } else if kind.is_file() {
                self.assert_nothing_known(&fs::read(entry.path()).unwrap(), &entry.path().display().to_string());
            }
        }
    }

    #[track_caller]
    fn assert_nothing_known(&self, bytes: &[u8], place: &str) {
        let form = Traces::of(KEY).found_in(bytes).map(str::to_owned);
        assert_eq!(form, None, "{place} of the client to {} tells the secret", self.host);
    }
}

/// A request's fields hold the secret exactly once, where it belongs, and nothing of ours.
#[track_caller]
pub(crate) fn assert_injected(fields: &HeaderMap, (name, value): (&str, &str), key: Option<&str>) {
    let values: Vec<_> = fields.get_all(name).iter().map(|it| String::from_utf8_lossy(it.as_bytes())).collect();
    assert_eq!(values, [value], "{fields:?}");
    for (other, content) in fields {
        let ours = other.as_str().starts_with("x-vultrino-") || other.as_str().starts_with("proxy-");
        assert!(!ours && key.is_none_or(|it| find(content.as_bytes(), it.as_bytes()).is_none()), "{fields:?}");
        assert!(other == name || Traces::of(KEY).found_in(content.as_bytes()).is_none(), "{fields:?}");
    }
}

#[test]
fn a_request_with_more_than_the_secret_is_noticed() {
    use std::panic::catch_unwind;

    use http::HeaderName;

    use crate::support::appliance::BEARER;

    let is_good = |fields: &[(&'static str, &str)]| {
        let fields: HeaderMap =
            fields.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect();
        catch_unwind(|| assert_injected(&fields, ("authorization", BEARER), Some("vk_of-the-agent"))).is_ok()
    };
    let injected = ("authorization", BEARER);
    assert!(is_good(&[injected, ("accept", "*/*")]));
    for more in [
        injected,
        ("authorization", "Bearer of-the-client"),
        ("x-also", KEY),
        ("proxy-authorization", "Basic abc"),
        ("x-vultrino-credential", "walls"),
        ("x-agent", "vk_of-the-agent"),
    ] {
        assert!(!is_good(&[injected, more]), "{more:?}");
    }
    assert!(!is_good(&[]));
}
