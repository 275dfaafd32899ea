//! What h2spec, the conformance suite of others, says of the server inside our tunnels.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::Command,
    thread,
    time::Duration,
};

use crate::support::{Agent, Appliance, Origin, origin::judge, process::run_for, skip};

/// All that it has, with the one that it runs only where it is told to be strict.
const CASES: usize = 146;
const DEADLINE: Duration = Duration::from_mins(2);

#[test]
fn h2spec_finds_no_fault() {
    const TEST: &str = "h2spec_finds_no_fault";
    let installed = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/clients/go/h2spec"));
    if !installed.is_file() {
        return skip::note(TEST, "h2spec is not here; `make test` installs it, where Go is");
    }
    // Some cases need a body of a few bytes.
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\nabcdefghijklmnopqrstuvwxyz");
    let appliance = Appliance::start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, proxy) = (listener.local_addr().unwrap().port(), appliance.address());
    let beyond = SocketAddr::from(([127, 0, 0, 1], origin.port()));
    thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || forward(socket, proxy, beyond));
        }
    });
    let mut command = Command::new(installed);
    command.args(["-S", "-t", "-k", "-h", "localhost", "-p", &port.to_string()]);
    let out = run_for(DEADLINE, &mut command, "");
    let said = format!("{}{}", out.stdout, out.stderr);
    let count = |what: &str| -> usize {
        let line = said.lines().find(|it| it.contains(" tests, ")).unwrap_or_else(|| panic!("{said}"));
        let (number, _) = line.split(", ").find_map(|it| it.split_once(' ').filter(|it| it.1 == what)).unwrap();
        number.parse().unwrap()
    };
    eprintln!("h2spec: {} passed, {} skipped, {} failed", count("passed"), count("skipped"), count("failed"));
    assert_eq!((count("passed"), count("failed")), (CASES, 0), "{said}");
    let arrived = origin.seen().iter().flat_map(|it| judge(&it.bytes).0).count();
    // How many do hangs on how soon their cases break them off.
    assert!(arrived > 10, "{arrived} requests reached the origin server: {}", appliance.audit_text());
}

/// Passes the bytes of one connection on through a tunnel. The suite names our port in its requests, so the tunnel leads back
/// here: who offers HTTP/1.1 too is the proxy, on its way to the origin server.
fn forward(near: TcpStream, proxy: SocketAddr, beyond: SocketAddr) {
    let mut hello = [0; 4096];
    let Ok(length) = near.peek(&mut hello) else { return };
    let far = if memchr::memmem::find(&hello[..length], b"http/1.1").is_some() {
        TcpStream::connect(beyond).unwrap()
    } else {
        let mut agent = Agent::dial(proxy);
        agent.connect(&format!("localhost:{}", near.local_addr().unwrap().port()), &[]).unwrap();
        agent.into_socket()
    };
    far.set_read_timeout(None).unwrap();
    let (back, forth) = (near.try_clone().unwrap(), far.try_clone().unwrap());
    thread::spawn(move || pass(far, back));
    pass(near, forth);
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    // An end or a break of one is that of the other.
    drop(io::copy(&mut from, &mut to));
    drop(to.shutdown(Shutdown::Write));
}
