//! Clients that converse: WebSocket and gRPC, with servers in Python that run as long as their client does.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use http::{HeaderMap, HeaderName, Version};

use crate::{
    clients::{
        Row, node_package,
        origin::Seen,
        python::{interpreter, package, program},
        seat::{CLIENTS, PROGRAMS, Seat},
        spoken, version_of,
    },
    support::{certificates, process::Capture, wait::until},
};

pub(super) const WEBSOCKET: (&str, &str) = ("websocket_server.py", "websockets");
const GRPC: (&str, &str) = ("grpc_server.py", "grpcio");

pub(super) fn rows() -> [Row; 4] {
    [
        Row {
            client: "Python websockets",
            trust: "SSL_CERT_FILE",
            host: "websockets.example.com",
            address: "45.45.45.46",
            version: || package("websockets"),
            run: |seat| converse(seat, "45.45.45.46", WEBSOCKET, python_websockets),
        },
        Row {
            client: "Node ws",
            trust: "NODE_EXTRA_CA_CERTS",
            host: "ws.example.com",
            address: "45.45.45.47",
            version: || package(WEBSOCKET.1).and_then(|_| node_package("ws")),
            run: |seat| converse(seat, "45.45.45.47", WEBSOCKET, node_ws),
        },
        Row {
            client: "Python grpcio",
            trust: "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
            host: "grpcio.example.com",
            address: "45.45.45.48",
            version: || package("grpcio"),
            run: |seat| converse(seat, "45.45.45.48", GRPC, python_grpc),
        },
        Row {
            client: "grpc-go",
            trust: "SSL_CERT_FILE",
            host: "grpc-go.example.com",
            address: "45.45.45.49",
            version: || package(GRPC.1).and_then(|_| grpc_of_go()),
            run: |seat| converse(seat, "45.45.45.49", GRPC, go_grpc),
        },
    ]
}

/// The version that our client is built with.
fn grpc_of_go() -> Option<String> {
    version_of("go", &["version", "-m", &format!("{CLIENTS}/go/grpc")], "google.golang.org/grpc\tv")
}

/// Runs a client that prints `whole` beside its server, and keeps what the server tells of the requests.
fn converse(seat: &Seat<'_>, address: &str, (file, _): (&str, &str), client: fn(&Seat<'_>) -> String) -> String {
    let server = Server::start(file, seat.host, (address, "443"), &seat.origin.files);
    assert_eq!(client(seat), "whole\n");
    let version = if file == GRPC.0 { Version::HTTP_2 } else { Version::HTTP_11 };
    for fields in server.end() {
        seat.origin.note(seat.host, Seen { version, target: String::new(), fields });
    }
    spoken(if version == Version::HTTP_2 { "2" } else { "1.1" })
}

/// A server of ours in Python; killed when dropped.
pub(super) struct Server {
    child: Child,
    said: Option<Capture>,
}

impl Server {
    /// Starts this program for this host, with its certificate in `folder`, and waits until it listens.
    pub(super) fn start(file: &str, host: &str, (address, port): (&str, &str), folder: &Path) -> Self {
        let (certificate, key) = certificates::site(&[host]);
        let pem = folder.join(format!("{host}.pem"));
        fs::write(&pem, certificate + &key).unwrap();
        let mut command = Command::new(interpreter());
        command.arg(Path::new(PROGRAMS).join("python").join(file)).args([address, port]).arg(pem);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let said = Capture::of(child.stdout.take().unwrap());
        let server = Self { child, said: Some(said) };
        until("the server is ready", || server.said.as_ref().unwrap().text().starts_with("ready\n").then_some(()));
        server
    }

    /// Ends it; the fields of each request that it got.
    pub(super) fn end(mut self) -> Vec<HeaderMap> {
        self.kill();
        let said = self.said.take().unwrap().finish();
        let field = |(name, value): (String, String)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        let request = |line| {
            let fields: Vec<(String, String)> = serde_json::from_str(line).unwrap();
            fields.into_iter().map(field).collect()
        };
        said.lines().skip(1).map(request).collect()
    }

    fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn python_websockets(seat: &Seat<'_>) -> String {
    program(seat, "with_websockets.py", &[&seat.url("")])
}

fn node_ws(seat: &Seat<'_>) -> String {
    let mut command = seat.client("node");
    command.env("NODE_PATH", format!("{CLIENTS}/node_modules"));
    seat.run(command.arg(format!("{PROGRAMS}/node/ws.mjs")).arg(seat.url("")), "")
}

fn python_grpc(seat: &Seat<'_>) -> String {
    program(seat, "with_grpc.py", &[seat.host])
}

fn go_grpc(seat: &Seat<'_>) -> String {
    let mut command = seat.client(format!("{CLIENTS}/go/grpc"));
    seat.run(command.arg(format!("{}:443", seat.host)), "")
}
