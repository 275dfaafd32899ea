//! nginx and Caddy in front, as the book sets them up: what a client asks arrives as it asked, and is answered at once.

use std::{
    collections::BTreeMap,
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, OnceLock},
};

use tempfile::TempDir;

use crate::{
    clients::{
        conversations::{Server, WEBSOCKET},
        origin::{Origin, whole},
        python::{interpreter, package},
        seat::{CLIENTS, PROGRAMS, assert_injected},
    },
    documents::block,
    support::{
        Appliance, Credential,
        appliance::{ALIAS, BEARER, KEY},
        certificates,
        process::{Capture, Output, run},
        skip,
        wait::until,
        world::{self, variable},
    },
};

const FRONT: &str = "vultrino.example.com";
const HOST: &str = "api.example.com";
const PAGE: &str = include_str!("../../../docs/src/behind-a-reverse-proxy.md");

#[test]
fn nginx_as_the_book_sets_it_up() {
    within("clients::reverse_proxies::nginx_as_the_book_sets_it_up", "nginx", |origin| {
        let front = Front::nginx(origin, |recipe| recipe);
        front.passes_all_on();
        front.leaves_the_path_as_it_is();
    });
}

#[test]
fn nginx_with_a_slash_that_rewrites_paths() {
    within("clients::reverse_proxies::nginx_with_a_slash_that_rewrites_paths", "nginx", |origin| {
        assert!(PAGE.contains("The plain `location /proxy/ { proxy_pass http://127.0.0.1:7878/; }` works"));
        let front = Front::nginx(origin, |recipe| with(&recipe, ":7878;", ":7878/;"));
        front.passes_all_on();
    });
}

#[test]
fn nginx_by_the_unix_socket() {
    within("clients::reverse_proxies::nginx_by_the_unix_socket", "nginx", |origin| {
        let line = recipes("nginx").remove(1);
        let front = Front::nginx(origin, |recipe| with(&recipe, "proxy_pass http://127.0.0.1:7878;\n", &line));
        front.passes_all_on();
        front.leaves_the_path_as_it_is();
    });
}

#[test]
fn caddy_as_the_book_sets_it_up() {
    within("clients::reverse_proxies::caddy_as_the_book_sets_it_up", "caddy", |origin| {
        let front = Front::caddy(origin);
        front.passes_all_on();
        front.leaves_the_path_as_it_is();
    });
}

/// In a network in which both names lead to us, if the program is here.
fn within(test: &str, program: &str, work: impl FnOnce(Arc<Origin>)) {
    if self::program(program).is_none() {
        return skip::note(test, &format!("no {program}; `make test` unpacks it, where it may"));
    }
    let origin = OnceLock::new();
    let open = || {
        let keys = BTreeMap::from([(String::new(), ("authorization".to_owned(), BEARER.to_owned()))]);
        drop(origin.set(Origin::open("45.45.45.45:8443", &[HOST], keys, Path::new("/nowhere"))));
        certificates::trusted_ca().to_owned()
    };
    let work = || work(origin.get().unwrap().clone());
    drop(world::within(test, &[(HOST, "45.45.45.45"), (FRONT, "45.45.45.46")], open, work));
}

/// The system's own, or the one that `make test` has unpacked.
fn program(name: &str) -> Option<PathBuf> {
    let path = variable("PATH").unwrap_or_default() + ":/usr/sbin";
    let unpacked = ["sbin", "bin"].map(|it| Path::new(CLIENTS).join("debian/usr").join(it));
    env::split_paths(&path).chain(unpacked).map(|it| it.join(name)).find(|it| it.exists())
}

/// The blocks of the page for this program.
fn recipes(program: &str) -> Vec<String> {
    let blocks = block::of("behind-a-reverse-proxy.md", PAGE);
    blocks.into_iter().filter(|it| it.info == format!("{program} recipe")).map(|it| it.text).collect()
}

/// A text with another piece in it.
fn with(text: &str, piece: &str, other: &str) -> String {
    assert!(text.contains(piece), "no {piece:?} in {text}");
    text.replace(piece, other)
}

/// A reverse proxy with Vultrino behind it, and the origin behind that.
struct Front {
    child: Child,
    said: Capture,
    appliance: Appliance,
    origin: Arc<Origin>,
    folder: TempDir,
}

impl Drop for Front {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Front {
    fn nginx(origin: Arc<Origin>, change: impl FnOnce(String) -> String) -> Self {
        let folder = folder();
        let recipe = change(recipes("nginx").remove(0));
        let recipe = with(&recipe, "/etc/nginx/vultrino", &file(&folder, "vultrino"));
        let socket = file(&folder, "proxy.sock");
        let recipe = recipe.replace("/run/vultrino/proxy.sock", &socket);
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .flat_map(|it| [*it, "_temp_path ", it, ";\n"])
            .collect();
        let around = format!(
            "user root;\nworker_processes 1;\ndaemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr;\nevents {{}}\n\
             http {{\naccess_log off;\n{temporary}{recipe}}}\n"
        );
        fs::write(folder.path().join("nginx.conf"), around).unwrap();
        let mut command = Command::new(program("nginx").unwrap());
        command.args(["-e", "stderr", "-c", "nginx.conf", "-p"]).arg(folder.path());
        Self::start(command, folder, origin)
    }

    fn caddy(origin: Arc<Origin>) -> Self {
        let folder = folder();
        let recipe = recipes("caddy").remove(0);
        let at = file(&folder, "vultrino");
        let certificate = format!("{FRONT} {{\n    tls {at}.pem {at}.key\n");
        let around = format!(
            "{{\n    admin off\n    auto_https disable_redirects\n}}\n{}",
            with(&recipe, &format!("{FRONT} {{\n"), &certificate)
        );
        fs::write(folder.path().join("Caddyfile"), around).unwrap();
        let mut command = Command::new(program("caddy").unwrap());
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(folder.path().join("Caddyfile"));
        Self::start(command, folder, origin)
    }

    fn start(mut command: Command, folder: TempDir, origin: Arc<Origin>) -> Self {
        let appliance = Appliance::builder()
            .credential(Credential::key(ALIAS, KEY, &["api.example.com:*"]))
            .server()
            .set("server.bind", "\"127.0.0.1:7878\"")
            .set("server.socket", &format!("{:?}", file(&folder, "proxy.sock")))
            .set("server.allowed_hosts", &format!("[{FRONT:?}]"))
            .role("agents", "execute", "")
            .key("agent", "agents")
            .start();
        command.env("HOME", folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = Capture::of(child.stderr.take().unwrap());
        let mut front = Self { child, said, appliance, origin, folder };
        until("the reverse proxy answers", || {
            assert!(front.child.try_wait().unwrap().is_none(), "{}", front.said.text());
            front.curl("/proxy/", &[], "").stdout.starts_with('{').then_some(())
        });
        front
    }

    /// curl, with a key; the status follows the body.
    fn curl(&self, path: &str, more: &[&str], input: &str) -> Output {
        run(self.curl_command(path).args(more), input)
    }

    fn curl_command(&self, path: &str) -> Command {
        self.curl_showing(self.appliance.key("agent"), path)
    }

    fn curl_showing(&self, key: &str, path: &str) -> Command {
        let mut command = Command::new("curl");
        command.args(["-sS", "-N", "--max-time", "60", "--path-as-is", "-w", " %{http_code}", "--cacert"]);
        command.arg(self.folder.path().join("front-ca.pem"));
        command.args(["-H", &format!("X-Vultrino-Credential: {ALIAS}")]);
        command.args(["-H", &format!("Authorization: Bearer {key}")]);
        command.arg(format!("https://{FRONT}{path}"));
        command
    }

    fn passes_all_on(&self) {
        let base = format!("/proxy/https://{HOST}:8443");
        let get = |path: &str, more: &[&str]| self.curl(&format!("{base}{path}"), more, "").expect_success();
        let key = self.appliance.key("agent");
        self.uploads(&base);
        assert_eq!(get("/whole", &[]), whole() + " 200");
        let body = "posted ".repeat(400_000);
        let sent = self.curl(&format!("{base}/echo"), &["--data-binary", "@-", "-H", "Expect:"], &body);
        assert_eq!(sent.expect_success(), format!("{body} 200"));
        assert_eq!(get(&format!("/{}", "a".repeat(20_000)), &[]), "no such file 404");
        // What an origin says to its own reverse proxy is not for this one.
        assert_eq!(get("/accel", &[]), "the origin's 200");
        self.streams(&base);
        self.upgrades();
        for request in self.origin.take(HOST_SEEN) {
            assert_injected(&request.fields, ("authorization", BEARER), Some(key));
            let told: Vec<_> =
                request.fields.keys().filter(|it| it.as_str().starts_with("x-") || *it == "via").collect();
            assert!(told.is_empty(), "{told:?}");
        }
        // Neither with another key nor by another name.
        let mut command = self.curl_showing("vk_0123456789abcdef0123456789abcdef", &format!("{base}/whole"));
        assert!(run(&mut command, "").expect_success().ends_with(" 401"));
        let elsewhere = get("/whole", &["-H", "Host: elsewhere.example.com"]);
        assert!(!elsewhere.contains("line 1"), "{elsewhere}");
        assert!(self.origin.take(HOST_SEEN).is_empty());
    }

    /// The first event of a stream is there before the second is sent, which a second request asks for.
    fn streams(&self, base: &str) {
        let mut command = self.curl_command(&format!("{base}/v1/chat/completions"));
        command.args(["-X", "POST", "-d", "{}"]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stream = Capture::of(child.stdout.take().unwrap());
        assert!(stream.line_after("data: ").is_some_and(|it| it.contains("Hello")), "{}", stream.text());
        assert!(!stream.text().contains("DONE"));
        assert!(self.curl(&format!("{base}/v1/models"), &[], "").expect_success().ends_with(" 200"));
        assert!(child.wait().unwrap().success());
        assert!(stream.finish().ends_with("data: [DONE]\n\n 200"));
    }

    /// The origin has the head of an upload while its body is still being written.
    fn uploads(&self, base: &str) {
        let mut command = self.curl_command(&format!("{base}/echo"));
        command.args(["-X", "POST", "-T", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (mut input, answer) = (child.stdin.take().unwrap(), Capture::of(child.stdout.take().unwrap()));
        input.write_all(b"first, ").unwrap();
        until("the upload has begun", || self.origin.has_seen(HOST_SEEN).then_some(()));
        input.write_all(b"second").unwrap();
        drop(input);
        assert!(child.wait().unwrap().success());
        assert_eq!(answer.finish(), "first, second 200");
    }

    /// WebSocket, where its client is here.
    fn upgrades(&self) {
        if package(WEBSOCKET.1).is_none() {
            return skip::note("upgrades", "no Python websockets; `make test` installs it");
        }
        let server = Server::start(WEBSOCKET.0, HOST, ("45.45.45.45", "8444"), self.folder.path());
        let mut command = Command::new(interpreter());
        command.env("SSL_CERT_FILE", self.folder.path().join("front-ca.pem"));
        command.arg(format!("{PROGRAMS}/python/with_websockets.py"));
        command.arg(format!("https://{FRONT}/proxy/https://{HOST}:8444"));
        command.arg(format!("X-Vultrino-Credential: {ALIAS}"));
        command.arg(format!("Authorization: Bearer {}", self.appliance.key("agent")));
        assert_eq!(run(&mut command, "").expect_success(), "whole\n");
        let seen = server.end();
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert_injected(&seen[0], ("authorization", BEARER), Some(self.appliance.key("agent")));
    }

    fn leaves_the_path_as_it_is(&self) {
        let target = "/a%2Fb%20c//d?q=%2f+x&y=https://z//";
        let said = self.curl(&format!("/proxy/https://{HOST}:8443{target}"), &[], "").expect_success();
        assert_eq!(said, "no such file 404");
        let seen: Vec<_> = self.origin.take(HOST_SEEN).into_iter().map(|it| it.target).collect();
        assert_eq!(seen, [target]);
    }
}

/// As its `Host` field has it.
const HOST_SEEN: &str = "api.example.com:8443";

/// A folder with the reverse proxy's certificate.
fn folder() -> TempDir {
    let folder = TempDir::with_prefix("vf-").unwrap();
    let (certificate, key) = certificates::site(&[FRONT]);
    for (name, text) in
        [("vultrino.pem", &*certificate), ("vultrino.key", &key), ("front-ca.pem", certificates::trusted_ca())]
    {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn file(folder: &TempDir, name: &str) -> String {
    PathBuf::from(folder.path()).join(name).display().to_string()
}
