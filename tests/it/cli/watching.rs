//! What `serve` shows of requests on its terminal.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use crate::cli::{
    home::{Home, PASSWORD},
    terminal::Terminal,
};

/// Runs a server on a terminal, with these options, and gives its address.
fn serve(options: &str) -> (Home, Terminal, String) {
    let home = Home::set_up();
    home.add("github", &["--host", "api.github.com"]).ok();
    home.write("password", PASSWORD);
    let file = home.path("password");
    let line = format!("VULTRINO_PASSWORD_FILE={} vultrino serve --bind 127.0.0.1:0 {options}", file.display());
    let mut terminal = Terminal::run(&home, &line);
    terminal.wait_for("Listening on http://");
    let address = terminal.wait_for("\n").trim().to_owned();
    terminal.wait_for("local_auth = \"key\"\r\n");
    (home, terminal, address)
}

/// A request for another host than the credential is bound to.
fn request(address: &str, path: &str) -> String {
    format!("GET /https://example.com{path} HTTP/1.1\r\nHost: {address}\r\nX-Vultrino-Credential: github\r\n\r\n")
}

/// Sends these requests on one connection, one after the other.
fn ask(address: &str, path: &str, times: usize) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    for _ in 0..times {
        stream.write_all(request(address, path).as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"}\n") {
            let mut some = [0; 4096];
            let count = stream.read(&mut some).unwrap();
            assert_ne!(count, 0);
            answer.extend_from_slice(&some[..count]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 403"), "{}", String::from_utf8_lossy(&answer));
    }
}

#[test]
fn a_terminal_shows_each_request_in_eighty_columns_without_its_query() {
    let (_home, mut terminal, address) = serve("");
    ask(&address, &format!("/{}/end?token=canary", "long".repeat(40)), 1);
    let line = terminal.wait_for("\n");
    assert!(line.contains("\x1b[31m403\x1b[0m") && line.contains("host_not_bound"), "{line:?}");
    let bare = line.replace("\x1b[31m", "").replace("\x1b[0m", "");
    let bare = bare.trim_end_matches(['\r', '\n']);
    assert_eq!(bare.chars().count(), 80, "{bare}");
    assert!(bare.contains(" GET ") && bare.contains(" example.com/lo") && bare.contains('…'), "{bare}");
    assert!(bare.contains("/end ") && bare.contains(" local ") && bare.ends_with("ms"), "{bare}");
    assert!(!line.contains("canary") && !line.contains("token"), "{line}");
}

#[test]
fn a_quiet_server_shows_refusals_in_the_log_alone() {
    let (_home, mut terminal, address) = serve("--quiet");
    ask(&address, "/x", 1);
    let line = terminal.wait_for("\n");
    assert!(line.contains("request refused") && line.contains("host_not_bound"), "{line:?}");
}

#[test]
fn requests_do_not_wait_for_a_terminal_that_nobody_reads() {
    let (_home, mut terminal, address) = serve("");
    let before = Instant::now();
    ask(&address, "/x", 6000);
    assert!(before.elapsed() < Duration::from_mins(1), "{:?}", before.elapsed());
    // Now it is read, and what was too much is told.
    thread::sleep(Duration::from_millis(50));
    terminal.wait_for(" lines were dropped");
}
