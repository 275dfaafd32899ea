//! Node's clients.

use std::path::Path;

use crate::clients::{
    Row, SERVER, node_package,
    origin::whole,
    seat::{CLIENTS, PROGRAMS, Seat},
    version_of,
};

pub(super) fn rows() -> [Row; 5] {
    [
        Row {
            client: "Node 24, fetch",
            trust: "NODE_EXTRA_CA_CERTS",
            host: "node-24.example.com",
            address: SERVER,
            version: || version_of(newer(), &["--version"], "v"),
            run: |seat| exchange(seat, &newer(), "fetch.mjs"),
        },
        Row {
            client: "undici, EnvHttpProxyAgent",
            trust: "NODE_EXTRA_CA_CERTS",
            host: "undici-env.example.com",
            address: SERVER,
            version: || node_package("undici"),
            run: |seat| exchange(seat, "node", "undici_env.mjs"),
        },
        Row {
            client: "undici, ProxyAgent",
            trust: "NODE_EXTRA_CA_CERTS",
            host: "undici-proxy.example.com",
            address: SERVER,
            version: || node_package("undici"),
            run: |seat| exchange(seat, "node", "undici_proxy.mjs"),
        },
        Row {
            client: "axios",
            trust: "NODE_EXTRA_CA_CERTS",
            host: "axios.example.com",
            address: SERVER,
            version: || node_package("axios"),
            run: |seat| exchange(seat, "node", "axios.mjs axios"),
        },
        Row {
            client: "axios 0.27",
            trust: "NODE_EXTRA_CA_CERTS",
            host: "axios-old.example.com",
            address: SERVER,
            version: || node_package("axios-old"),
            run: |seat| exchange(seat, "node", "axios.mjs axios-old"),
        },
    ]
}

/// The version of an npm package that the newer Node runs, if both are here.
pub(super) fn package(name: &str) -> Option<String> {
    version_of(newer(), &["--version"], "v").and_then(|_| node_package(name))
}

/// The Node that `make test` installs beside the system's.
pub(super) fn newer() -> String {
    let name = |it: &str| format!("{CLIENTS}/node_modules/node-linux-{it}/bin/node");
    ["x64", "arm64"].map(name).into_iter().find(|it| Path::new(it).exists()).unwrap_or_default()
}

/// A program, and the package that it is told to use, that prints the long answer and what it posted.
fn exchange(seat: &Seat<'_>, node: &str, program: &str) -> String {
    let mut command = seat.client(node);
    command.env("NODE_USE_ENV_PROXY", "1").env("NODE_PATH", format!("{CLIENTS}/node_modules"));
    let (file, more) = program.split_once(' ').unwrap_or((program, ""));
    let said = seat.run(command.arg(format!("{PROGRAMS}/node/{file}")).args([&*seat.url(""), more]), "");
    assert!(said == whole() + "posted\n", "{said}");
    String::new()
}
