//! Python's clients.

use std::path::{Path, PathBuf};

use crate::clients::{
    Row, SERVER,
    origin::whole,
    seat::{CLIENTS, PROGRAMS, Seat},
    version_of,
};

pub(super) fn rows() -> [Row; 6] {
    [
        Row {
            client: "Python requests",
            trust: "REQUESTS_CA_BUNDLE",
            host: "requests.example.com",
            address: SERVER,
            version: || package("requests"),
            run: requests,
        },
        Row {
            client: "Python httpx, HTTP/1.1",
            trust: "SSL_CERT_FILE",
            host: "httpx-1.example.com",
            address: SERVER,
            version: || package("httpx"),
            run: httpx,
        },
        Row {
            client: "Python httpx, HTTP/2",
            trust: "SSL_CERT_FILE",
            host: "httpx-2.example.com",
            address: SERVER,
            version: || package("httpx"),
            run: httpx_2,
        },
        Row {
            client: "Python aiohttp",
            trust: "SSL_CERT_FILE",
            host: "aiohttp.example.com",
            address: SERVER,
            version: || package("aiohttp"),
            run: aiohttp,
        },
        Row {
            client: "Python openai",
            trust: "SSL_CERT_FILE",
            host: "api.openai.com",
            address: SERVER,
            version: || package("openai"),
            run: openai,
        },
        Row {
            client: "Python anthropic",
            trust: "SSL_CERT_FILE",
            host: "api.anthropic.com",
            address: SERVER,
            version: || package("anthropic"),
            run: anthropic,
        },
    ]
}

pub(super) fn interpreter() -> PathBuf {
    Path::new(CLIENTS).join("python/bin/python")
}

/// The version of an installed package.
pub(super) fn package(name: &str) -> Option<String> {
    package_of(&interpreter(), name)
}

/// The same, of one that is installed for another interpreter.
pub(super) fn package_of(interpreter: &Path, name: &str) -> Option<String> {
    let ask = format!("import importlib.metadata as it; print(it.version({name:?}))");
    version_of(interpreter, &["-c", &ask], "")
}

/// Runs a program of ours; what it printed.
pub(super) fn program(seat: &Seat<'_>, name: &str, arguments: &[&str]) -> String {
    let mut command = seat.client(interpreter());
    seat.run(command.arg(Path::new(PROGRAMS).join("python").join(name)).args(arguments), "")
}

/// A program that prints the long answer, what it posted, and the version of HTTP.
fn exchange(seat: &Seat<'_>, name: &str, arguments: &[&str]) -> String {
    let said = program(seat, name, &[&[&*seat.url("")], arguments].concat());
    let version = said.strip_prefix(&(whole() + "posted\n")).unwrap_or_else(|| panic!("{said}"));
    version.trim_end().to_owned()
}

fn requests(seat: &Seat<'_>) -> String {
    exchange(seat, "with_requests.py", &[])
}

fn httpx(seat: &Seat<'_>) -> String {
    exchange(seat, "with_httpx.py", &[])
}

fn httpx_2(seat: &Seat<'_>) -> String {
    let version = exchange(seat, "with_httpx.py", &["2"]);
    assert_eq!(version, "HTTP/2");
    version
}

fn aiohttp(seat: &Seat<'_>) -> String {
    exchange(seat, "with_aiohttp.py", &[])
}

fn openai(seat: &Seat<'_>) -> String {
    assert_eq!(program(seat, "with_openai.py", &[]), "Hello whole world\n");
    String::new()
}

fn anthropic(seat: &Seat<'_>) -> String {
    assert_eq!(program(seat, "with_anthropic.py", &[]), "Hello whole world\n");
    String::new()
}
