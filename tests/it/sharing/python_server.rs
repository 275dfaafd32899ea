//! The attack against a server that is not ours, and that many tools are made with.

use std::{
    fs,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::{
    sharing::{SECRETS, on_one_core, two_callers},
    support::{Agent, Appliance, WAYS, Way, certificates, process::Capture, skip},
};

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/python/notes_server.py");

struct Server {
    child: Child,
    authority: String,
    _folder: TempDir,
}

impl Server {
    fn start() -> Self {
        let folder = TempDir::with_prefix("vultrino-notes-").unwrap();
        let (certificate, key) = certificates::site(&["localhost"]);
        let [of_certificate, of_key] = ["certificate.pem", "key.pem"].map(|it| folder.path().join(it));
        fs::write(&of_certificate, certificate).unwrap();
        fs::write(&of_key, key).unwrap();
        let mut child =
            Command::new("python3").arg(PROGRAM).args([of_certificate, of_key]).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = Capture::of(child.stdout.take().unwrap());
        let port = stdout.line_after("").expect("the server prints its port");
        Self { child, authority: format!("localhost:{port}"), _folder: folder }
    }

    fn agent(&self, appliance: &Appliance, way: Way, name: &str) -> Agent {
        let value = format!("Bearer {}", appliance.key(name));
        Agent::with(appliance, way, "https", &self.authority, &[("Proxy-Authorization", &value)]).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn no_agent_reads_a_secret_through_a_server_that_leaves_bodies_unread() {
    const TEST: &str = "no_agent_reads_a_secret_through_a_server_that_leaves_bodies_unread";
    if Command::new("python3").arg("--version").output().is_err() {
        return skip::note(TEST, "there is no python3");
    }
    let appliance = on_one_core(two_callers());
    let server = Server::start();
    for way in WAYS {
        let ask = |name: &str, path: &str, body: &str| {
            let mut agent = server.agent(&appliance, way, name);
            let value = format!("Bearer {}", appliance.key(name));
            let length = body.len().to_string();
            let mut fields = vec![("X-Vultrino-Credential", name), ("Content-Length", &*length)];
            if way != Way::Tunnel {
                fields.push((way.key_field(), &value));
            }
            let head = agent.head("GET", path, &fields);
            agent.send(head + body);
            agent.answer("GET").expect_origins(200).text()
        };
        for victim in ["bob", "ann"] {
            for length in [10, 200, 500] {
                let begun = format!("POST /notes HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
                assert_eq!(ask("ann", "/attack", &begun), "/attack", "{way:?}");
                assert_eq!(ask(victim, "/victim", ""), "/victim", "{way:?}");
                let notes = ask("ann", "/notes", "");
                assert!(SECRETS.iter().all(|(_, secret)| !notes.contains(secret)), "{way:?} {victim}: {notes}");
                assert_eq!(notes, "", "{way:?}: the server took a body for a request");
            }
        }
    }
}
