//! What the kernel holds of connections that somebody does not read from.

use std::fs;

/// Bytes that wait in the kernel for their reader or for room, on all connections to and from this port.
pub(crate) fn queued(port: u16) -> u64 {
    let ends = format!(":{port:04X}");
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    // `sl local remote state tx:rx …`
    let rows = table
        .lines()
        .skip(1)
        .filter(|line| line.contains(&ends))
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    // Of those that are established: a listener counts connections there.
    rows.filter(|row| row[3] == "01" && (row[1].ends_with(&ends) || row[2].ends_with(&ends)))
        .filter_map(|row| row[4].split_once(':'))
        .map(|(sent, received)| u64::from_str_radix(sent, 16).unwrap() + u64::from_str_radix(received, 16).unwrap())
        .sum()
}

#[test]
fn what_nobody_reads_waits_in_the_kernel() {
    use std::{
        io::Write,
        net::{TcpListener, TcpStream},
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    assert_eq!(queued(port), 0);
    socket.write_all(b"hello").unwrap();
    crate::support::wait::until("it has arrived", || (queued(port) == 5).then_some(()));
}
