//! Handshakes that are odd, slow or never end, on either side.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{ClientConfig, ClientConnection, HandshakeKind, pki_types::ServerName};

use crate::support::{Agent, Appliance, Origin, WAYS, Way, agent::trusting, visit::Visit, wait::PATIENCE};

/// A tunnel, up to where TLS begins.
fn tunnel(appliance: &Appliance, origin: &Origin) -> TcpStream {
    let mut socket = TcpStream::connect(appliance.address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_nodelay(true).unwrap();
    let authority = origin.authority();
    socket.write_all(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n").as_bytes()).unwrap();
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&head));
    socket
}

fn client(appliance: &Appliance) -> ClientConnection {
    let name = ServerName::try_from("localhost").unwrap();
    ClientConnection::new(Arc::new(trusting(&appliance.ca_file())), name).unwrap()
}

/// The first flight of a client.
fn hello(appliance: &Appliance) -> Vec<u8> {
    let mut bytes = Vec::new();
    client(appliance).write_tls(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_hello_in_pieces_is_a_hello() {
    let (appliance, origin) = (Appliance::start(), Origin::https());
    let whole = hello(&appliance);
    // Its handshake message in records of one byte each (RFC 8446 section 5.1), then the same in writes of one byte.
    let records: Vec<u8> = whole[5..].iter().flat_map(|byte| [22, 3, 1, 0, 1, *byte]).collect();
    for (bytes, piece) in [(&records, records.len()), (&records, 100), (&whole, 1)] {
        let mut socket = tunnel(&appliance, &origin);
        for part in bytes.chunks(piece) {
            socket.write_all(part).unwrap();
        }
        let mut answer = [0; 6];
        socket.read_exact(&mut answer).unwrap();
        // A ServerHello in a record of the handshake.
        assert_eq!((answer[0], answer[5]), (22, 2), "{piece}");
    }
}

#[test]
fn what_is_no_hello_is_closed_at_once() {
    let (appliance, origin) = (Appliance::start(), Origin::https());
    let long = [&[22, 3, 1, 0x40, 0][..], &[1, 0xff, 0xff, 0xff], &vec![0; 0x4000 - 4]].concat();
    for bytes in
        [vec![0; 64 << 10], vec![0xff; 64 << 10], long.repeat(8), vec![23, 3, 3, 0, 1, 0], vec![22, 3, 1, 0, 0]]
    {
        let mut socket = tunnel(&appliance, &origin);
        // It may be closed before all is written.
        drop(socket.write_all(&bytes));
        drop(socket.shutdown(std::net::Shutdown::Write));
        let mut rest = Vec::new();
        drop(socket.read_to_end(&mut rest));
        assert!(rest.len() < 20, "{:?} was answered with {} bytes", &bytes[..6.min(bytes.len())], rest.len());
    }
    Agent::via(&appliance, Way::Tunnel, &origin).get("/").expect_origins(200);
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn half_of_a_handshake_is_let_go_and_disturbs_nobody() {
    let appliance = Appliance::builder().set("limits.handshake_timeout", "2").start();
    let origin = Origin::https();
    let whole = hello(&appliance);
    let begun = Instant::now();
    let mut waiting: Vec<TcpStream> = (0..300)
        .map(|at| {
            let mut socket = tunnel(&appliance, &origin);
            socket.write_all(&whole[..at % 3 * 50]).unwrap();
            socket
        })
        .collect();
    Agent::via(&appliance, Way::Tunnel, &origin).get("/").expect_origins(200);
    for socket in &mut waiting {
        let mut rest = Vec::new();
        drop(socket.read_to_end(&mut rest));
        assert!(rest.len() < 20, "{rest:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(origin.connections(), 1);
}

#[test]
fn a_client_resumes_again_and_again_however_many_others_came_between() {
    let (appliance, origin) = (Appliance::start(), Origin::https());
    let client = || Arc::new(trusting(&appliance.ca_file()));
    let mine = client();
    assert_eq!(ask(&appliance, &origin, &mine), HandshakeKind::Full);
    for _ in 0..40 {
        assert_eq!(ask(&appliance, &origin, &client()), HandshakeKind::Full);
    }
    for turn in 0..40 {
        assert_eq!(ask(&appliance, &origin, &mine), HandshakeKind::Resumed, "{turn}");
    }
}

/// One request in a tunnel of its own.
fn ask(appliance: &Appliance, origin: &Origin, client: &Arc<ClientConfig>) -> HandshakeKind {
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(Arc::clone(client), name).unwrap();
    let mut socket = tunnel(appliance, origin);
    let mut stream = rustls::Stream::new(&mut connection, &mut socket);
    let host = origin.authority();
    write!(stream, "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    connection.handshake_kind().unwrap()
}

#[test]
fn an_origin_whose_handshake_comes_in_drops_is_given_up() {
    let appliance = Appliance::builder().set("upstream.connect_timeout", "1").start();
    let drip = |visit: &mut Visit| {
        visit.more()?;
        for byte in [&[22, 3, 3, 0, 100, 2, 0, 0, 96][..], &[3; 96]].concat() {
            visit.write([byte])?;
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    };
    let origin = Origin::not_tls(drip);
    for way in WAYS {
        let begun = Instant::now();
        Agent::via(&appliance, way, &origin).get("/").expect_refusal(502, "upstream_error");
        assert!(begun.elapsed() < Duration::from_secs(8), "{way:?} {:?}", begun.elapsed());
    }
}

#[test]
fn without_any_root_nobody_is_trusted_and_the_start_says_so() {
    let appliance = Appliance::builder()
        .without("upstream.ca_file")
        .env("SSL_CERT_FILE", "/nonexistent/roots.pem")
        .env("SSL_CERT_DIR", "/nonexistent")
        .start();
    appliance.expect_printed("no trusted root certificates");
    let origin = Origin::https();
    for way in WAYS {
        Agent::via(&appliance, way, &origin).get("/").expect_refusal(502, "upstream_error");
    }
    assert_eq!(origin.received(), 0);
}
