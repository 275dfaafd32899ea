//! A running `vultrino serve` with a store of its own, on a port of its own; killed when dropped.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    agent::Agent,
    audit_line::AuditLine,
    certificates,
    origin::Origin,
    process::{Capture, Output, VULTRINO, run},
    template::{self, Cost, Credential, Piece, clean, vultrino},
    wait::{PATIENCE, until},
};

/// Alias of the credential that a test gets when it names none.
pub(crate) const ALIAS: &str = "walls";
/// Its key.
pub(crate) const KEY: &str = "sekrit-Zk3vW9qLmT5xR8bN2cYd-walls";
/// What an origin sees of it.
pub(crate) const BEARER: &str = "Bearer sekrit-Zk3vW9qLmT5xR8bN2cYd-walls";

/// How an appliance shall be.
pub(crate) struct Builder {
    /// `None` is the one credential that a test gets when it names none.
    credentials: Option<Vec<Credential>>,
    holders: Vec<Piece>,
    cost: Cost,
    settings: Settings,
    start: Start,
}

/// What stands in a configuration file.
#[derive(Clone, Default)]
struct Settings {
    values: BTreeMap<String, String>,
    /// Behind them, as it is: what takes more than a line.
    more: String,
}

/// How the server is started.
struct Start {
    environment: Vec<(String, String)>,
    wrapper: Vec<String>,
    program: PathBuf,
}

impl Builder {
    /// Adds a credential, instead of [`ALIAS`].
    pub(crate) fn credential(mut self, credential: Credential) -> Self {
        self.credentials.get_or_insert_default().push(credential);
        self
    }

    /// Starts with an empty store.
    pub(crate) fn without_credentials(mut self) -> Self {
        self.credentials = Some(Vec::new());
        self
    }

    /// Asks every caller for an API key.
    pub(crate) fn server(self) -> Self {
        self.set("server.mode", "\"server\"")
    }

    /// Creates a role; permissions and scopes as the command line takes them, no scopes are all.
    pub(crate) fn role(mut self, name: &str, permissions: &str, scopes: &str) -> Self {
        let [name, permissions, scopes] = [name, permissions, scopes].map(str::to_owned);
        self.holders.push(Piece::Role { name, permissions, scopes });
        self
    }

    /// Creates an API key of a role; see [`Appliance::key`].
    pub(crate) fn key(mut self, name: &str, role: &str) -> Self {
        self.holders.push(Piece::Key { name: name.to_owned(), role: role.to_owned() });
        self
    }

    /// Policies, or other sections, as they stand in the configuration.
    pub(crate) fn sections(mut self, toml: &str) -> Self {
        self.settings.more.push_str(toml);
        self
    }

    /// Derives the storage key at the cost that `init` chooses by itself.
    pub(crate) fn with_default_kdf(mut self) -> Self {
        self.cost = Cost::Default;
        self
    }

    /// Sets a key of the configuration, written with its dots, to a TOML value.
    pub(crate) fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.values.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Lets tunnels lead to this origin's port, whatever is bound to it.
    pub(crate) fn reaching(self, origin: &Origin) -> Self {
        self.set("proxy.connect_ports", &format!("[443, {}]", origin.port()))
    }

    /// Leaves a key of the configuration to its default.
    pub(crate) fn without(mut self, key: &str) -> Self {
        self.settings.values.remove(key);
        self
    }

    /// Sets an environment variable of the server.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.start.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs the server through another program, which must end by replacing itself with its arguments.
    pub(crate) fn through(mut self, wrapper: &[&str]) -> Self {
        self.start.wrapper = wrapper.iter().map(|it| (*it).to_owned()).collect();
        self
    }

    /// Runs this build of the server.
    pub(crate) fn program(mut self, path: &Path) -> Self {
        path.clone_into(&mut self.start.program);
        self
    }

    /// Starts the server and waits until it listens.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub(crate) fn start(self) -> Appliance {
        self.start_in(TempDir::with_prefix("vultrino-").unwrap())
    }

    /// As [`Builder::start`], in this folder.
    #[track_caller]
    pub(crate) fn start_in(self, home: TempDir) -> Appliance {
        let default = || vec![Credential::key(ALIAS, KEY, &["localhost:*"])];
        let credentials = self.credentials.unwrap_or_else(default).into_iter().map(Piece::Credential);
        let pieces: Vec<Piece> = credentials.chain(self.holders).collect();
        let template = template::template(&pieces, self.cost);
        template::copy(&template.folder, home.path());
        let mut settings = Settings { values: template::settings(home.path(), self.cost), ..self.settings.clone() };
        settings.values.extend(self.settings.values);
        settings.write(home.path());
        fs::write(home.path().join("origins.pem"), certificates::trusted_ca()).unwrap();
        Appliance::launch(self.start, Kept { home, keys: template.keys, settings })
    }
}

impl Settings {
    fn write(&self, home: &Path) {
        template::write_config(home, &self.values, &self.more);
    }
}

/// What outlives a process of the server.
struct Kept {
    home: TempDir,
    keys: BTreeMap<String, String>,
    settings: Settings,
}

impl Default for Start {
    fn default() -> Self {
        Self { environment: vec![], wrapper: vec![], program: VULTRINO.into() }
    }
}

impl Start {
    fn command(&self, home: &Path) -> Command {
        let mut command = match self.wrapper.split_first() {
            None => Command::new(&self.program),
            Some((program, arguments)) => {
                let mut it = Command::new(program);
                it.args(arguments).arg(&self.program);
                it
            }
        };
        clean(&mut command, home);
        let environment = self.environment.iter().map(|(name, value)| (name, value));
        command.args(["--config", "config.toml", "serve"]).current_dir(home).envs(environment);
        command
    }
}

/// A running server.
pub(crate) struct Appliance {
    child: Child,
    kept: Option<Kept>,
    start: Start,
    address: SocketAddr,
    stdout: Capture,
    stderr: Capture,
}

impl Appliance {
    /// One credential, [`ALIAS`], bound to `localhost` on every port; 127.0.0.0/8 may be dialled.
    #[track_caller]
    pub(crate) fn start() -> Self {
        Self::builder().start()
    }

    /// The same, to be changed.
    pub(crate) fn builder() -> Builder {
        let settings = [
            ("server.bind", "\"127.0.0.1:0\""),
            ("upstream.allow_private", "[\"127.0.0.0/8\"]"),
            ("upstream.ca_file", "\"origins.pem\""),
        ];
        let values = settings.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let settings = Settings { values, more: String::new() };
        Builder { credentials: None, holders: vec![], cost: Cost::Least, settings, start: Start::default() }
    }

    #[track_caller]
    fn launch(start: Start, kept: Kept) -> Self {
        let mut command = start.command(kept.home.path());
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = Capture::of(child.stdout.take().unwrap());
        let stderr = Capture::of(child.stderr.take().unwrap());
        let Some(address) = stdout.line_after("Listening on http://").and_then(|it| it.parse().ok()) else {
            drop(child.kill());
            let status = child.wait();
            panic!("serve does not listen: {status:?}\n{}{}", stdout.finish(), stderr.finish());
        };
        Self { child, kept: Some(kept), start, address, stdout, stderr }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its folder: configuration, store, CA certificate, audit log.
    pub(crate) fn home(&self) -> &Path {
        self.kept().home.path()
    }

    /// The API key that was created under this name.
    #[track_caller]
    pub(crate) fn key(&self, name: &str) -> &str {
        self.kept().keys.get(name).unwrap_or_else(|| panic!("no key is called {name}"))
    }

    fn kept(&self) -> &Kept {
        self.kept.as_ref().unwrap()
    }

    /// The file that clients trust.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.home().join("ca.pem")
    }

    /// All that it printed so far.
    pub(crate) fn printed(&self) -> String {
        self.stdout.text() + &self.stderr.text()
    }

    /// Waits until it has printed this.
    #[track_caller]
    pub(crate) fn expect_printed(&self, text: &str) {
        until(text, || self.printed().contains(text).then_some(()));
    }

    /// A command of the binary on the same store.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = vultrino(self.home());
        command.current_dir(self.home()).args(arguments);
        command
    }

    /// Runs a command of the binary on the same store.
    #[track_caller]
    pub(crate) fn cli(&self, arguments: &[&str]) -> Output {
        run(&mut self.command(arguments), "")
    }

    /// Adds a credential while it runs.
    #[track_caller]
    pub(crate) fn add(&self, credential: &Credential) {
        template::add(self.home(), credential);
    }

    /// Creates a role while it runs.
    #[track_caller]
    pub(crate) fn add_role(&self, name: &str, permissions: &str, scopes: &str) {
        template::add_role(self.home(), name, permissions, scopes);
    }

    /// Creates an API key while it runs.
    #[track_caller]
    pub(crate) fn add_key(&self, name: &str, role: &str, more: &[&str]) -> String {
        template::add_key(self.home(), name, role, more)
    }

    /// Writes the configuration anew: one value changed, and other sections behind.
    pub(crate) fn rewrite_config(&self, change: Option<(&str, &str)>, sections: &str) {
        let mut settings = self.kept().settings.clone();
        settings.values.extend(change.map(|(key, value)| (key.to_owned(), value.to_owned())));
        sections.clone_into(&mut settings.more);
        settings.write(self.home());
    }

    /// Asks it to read its configuration again.
    pub(crate) fn hang_up(&self) {
        let pid = Pid::from_raw(self.pid().cast_signed()).unwrap();
        kill_process(pid, Signal::HUP).unwrap();
    }

    /// The audit log as it stands.
    pub(crate) fn audit_text(&self) -> String {
        fs::read_to_string(self.home().join("audit.log")).unwrap_or_default()
    }

    /// Waits until the audit log holds what `ask` looks for.
    #[track_caller]
    pub(crate) fn audit<T>(&self, what: &str, ask: impl Fn(&[AuditLine]) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            let text = self.audit_text();
            if let Some(it) = ask(&AuditLine::read(&text)) {
                return it;
            }
            assert!(Instant::now() < end, "waited in vain until the audit log shows {what}; it holds\n{text}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the audit line of the request whose URL contains `mark`.
    #[track_caller]
    pub(crate) fn audit_of(&self, mark: &str) -> AuditLine {
        self.audit(&format!("a line on {mark}"), |lines| lines.iter().find(|it| it.get("url").contains(mark)).cloned())
    }

    /// Makes a role and a key of it while it runs, and gives the key.
    #[track_caller]
    pub(crate) fn mint(&self, role: &str, rights: &[&str]) -> String {
        self.cli(&[&["role", "create", role], rights].concat()).expect_success();
        let text = self.cli(&["key", "create", "of-a-test", "--role", role, "--json"]).expect_success();
        let created: Value = serde_json::from_str(&text).unwrap();
        created["key"].as_str().unwrap_or_else(|| panic!("no key in {text}")).to_owned()
    }

    /// Changes its configuration file, as an editor does: another file takes the name.
    #[track_caller]
    pub(crate) fn configure(&self, change: impl Fn(String) -> String) {
        let (file, new) = (self.home().join("config.toml"), self.home().join("config.toml.new"));
        fs::write(&new, change(fs::read_to_string(&file).unwrap())).unwrap();
        fs::rename(new, file).unwrap();
    }

    /// Changes one key of it.
    #[track_caller]
    pub(crate) fn set(&self, key: &str, value: &str) {
        self.configure(|text| {
            let others = text.lines().filter(|line| line.split(" = ").next() != Some(key));
            others.chain([format!("{key} = {value}").as_str()]).flat_map(|line| [line, "\n"]).collect()
        });
    }

    /// What `/health` says, with its status.
    #[track_caller]
    pub(crate) fn health(&self) -> (u16, String) {
        let mut agent = Agent::dial(self.address);
        agent.send(format!("GET /health HTTP/1.1\r\nHost: {}\r\n\r\n", self.address));
        let answer = agent.answer("GET");
        (answer.status(), answer.text().trim_end().to_owned())
    }

    /// Sends it a signal, such as `HUP`.
    #[track_caller]
    pub(crate) fn signal(&self, name: &str) {
        run(Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()), "").expect_success();
    }

    /// Ends it as a service manager does, and waits until it has.
    #[track_caller]
    pub(crate) fn end(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.child.wait().unwrap()
    }

    /// How it has ended, once it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Kills it, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Kills it and starts it again on the same folder, on another port.
    #[track_caller]
    pub(crate) fn restart(mut self) -> Self {
        self.kill();
        Self::launch(std::mem::take(&mut self.start), self.kept.take().unwrap())
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        self.kill();
    }
}
