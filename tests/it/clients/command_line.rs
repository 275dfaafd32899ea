//! curl, wget and git.

use std::{fs, process::Command};

use crate::{
    clients::{Row, SERVER, origin::whole, seat::Seat, spoken, version_of},
    support::process::run,
};

pub(super) fn rows() -> [Row; 4] {
    let curl = || version_of("curl", &["--version"], "curl ");
    [
        Row {
            client: "curl, HTTP/1.1",
            trust: "CURL_CA_BUNDLE",
            host: "curl-1.example.com",
            address: SERVER,
            version: curl,
            run: |seat| self::curl(seat, "--http1.1"),
        },
        Row {
            client: "curl, HTTP/2",
            trust: "CURL_CA_BUNDLE",
            host: "curl-2.example.com",
            address: SERVER,
            version: curl,
            run: |seat| self::curl(seat, "--http2"),
        },
        Row {
            client: "wget",
            trust: "--ca-certificate",
            host: "wget.example.com",
            address: SERVER,
            version: || version_of("wget", &["--version"], "Wget "),
            run: wget,
        },
        Row {
            client: "git",
            trust: "GIT_SSL_CAINFO",
            host: "git.example.org",
            address: SERVER,
            version: || version_of("git", &["version"], "version "),
            run: git,
        },
    ]
}

fn curl(seat: &Seat<'_>, version: &str) -> String {
    let curl = |path: &str, more: &[&str], input: &str| {
        let mut command = seat.client("curl");
        command.args(["-sS", "--fail", "--max-time", "60", version, "-w", "\n%{http_version}"]).args(more);
        seat.run(command.arg(seat.url(path)), input)
    };
    let said = curl("/whole", &[], "");
    let (body, spoken) = said.rsplit_once('\n').unwrap();
    assert_eq!(body, whole());
    assert_eq!(spoken, if version == "--http2" { "2" } else { "1.1" });
    let body = "posted ".repeat(40_000);
    assert_eq!(curl("/echo", &["--data-binary", "@-"], &body), format!("{body}\n{spoken}"));
    self::spoken(spoken)
}

fn wget(seat: &Seat<'_>) -> String {
    let ca = format!("--ca-certificate={}", seat.ca().display());
    let wget = |more: &str, path: &str| {
        let mut command = seat.command("wget");
        seat.run(command.args(["-q", "-O", "-", "--tries=1", "--timeout=60", &ca, more, &seat.url(path)]), "")
    };
    assert_eq!(wget("--no-verbose", "/whole"), whole());
    let body = "posted ".repeat(40_000);
    fs::write(seat.home().join("body"), &body).unwrap();
    assert_eq!(wget("--post-file=body", "/echo"), body);
    String::new()
}

fn git(seat: &Seat<'_>) -> String {
    let name = if seat.key.is_some() { "keyed.git" } else { "local.git" };
    let bare = seat.origin.files.join("git").join(name);
    run(Command::new("git").args(["init", "-q", "--bare", "-b", "main"]).arg(&bare), "").expect_success();
    run(Command::new("git").arg("-C").arg(&bare).args(["config", "http.receivepack", "true"]), "").expect_success();
    let url = seat.url(&format!("/git/{name}"));
    let git = |arguments: &[&str]| {
        let mut command = seat.client("git");
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "agent").env(format!("GIT_{role}_EMAIL"), "agent@example.com");
        }
        seat.run(command.env("GIT_TERMINAL_PROMPT", "0").args(arguments), "")
    };
    git(&["clone", "-q", &url, "first"]);
    // More than git sends at once: the push comes in chunks.
    fs::write(seat.home().join("first/numbers"), noise(3_000_000)).unwrap();
    git(&["-C", "first", "checkout", "-q", "-b", "main"]);
    git(&["-C", "first", "add", "numbers"]);
    git(&["-C", "first", "commit", "-q", "-m", "Add numbers"]);
    git(&["-C", "first", "push", "-q", "origin", "main"]);
    git(&["clone", "-q", &url, "second"]);
    assert!(fs::read(seat.home().join("second/numbers")).unwrap() == noise(3_000_000), "the file is another");
    String::new()
}

/// Bytes that do not compress.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[0]
    };
    (0..count).map(|_| next()).collect()
}
