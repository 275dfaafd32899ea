//! The certificate authority as a TLS client sees it: real handshakes over real sockets.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, Error, HandshakeKind, ProtocolVersion,
    RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    version::{TLS12, TLS13},
};
use vultrino::{
    base::{clock::Clock, host::Host},
    ca::{Ca, Root},
};

#[test]
fn a_client_that_trusts_the_root_verifies_names_and_addresses() {
    let ca = new_ca();
    for versions in [&[&TLS13][..], &[&TLS12]] {
        for host in ["api.github.com", "127.0.0.1", "[::1]"] {
            let seen = handshake(&config(&ca, host), &client(&ca, versions), host).unwrap();
            assert_eq!(seen.version, versions[0].version, "{host}");
            assert_eq!(seen.kind, HandshakeKind::Full, "{host}");
        }
    }
}

#[test]
fn a_client_that_trusts_another_root_refuses() {
    let refused = handshake(&config(&new_ca(), "a.example"), &client(&new_ca(), &[&TLS13]), "a.example");
    let bad_signature =
        |error: &CertificateError| matches!(error, CertificateError::UnknownIssuer | CertificateError::BadSignature);
    assert!(matches!(&refused, Err(Error::InvalidCertificate(error)) if bad_signature(error)), "{refused:?}");
}

#[test]
fn a_configuration_shows_no_certificate_to_another_server_name() {
    let ca = new_ca();
    let refused = handshake(&config(&ca, "good.example"), &client(&ca, &[&TLS13]), "evil.example");
    assert_eq!(refused.unwrap_err(), Error::AlertReceived(AlertDescription::AccessDenied));
}

#[test]
fn a_ticket_is_good_at_its_own_host_and_worth_nothing_at_another() {
    let ca = new_ca();
    for versions in [&[&TLS13][..], &[&TLS12]] {
        // Without a server name, so that nothing but the ticket could tell the hosts apart.
        let mut client = client(&ca, versions);
        Arc::get_mut(&mut client).unwrap().enable_sni = false;
        let a = config(&ca, "a.example");
        assert_eq!(handshake(&a, &client, "a.example").unwrap().kind, HandshakeKind::Full);
        assert_eq!(handshake(&a, &client, "a.example").unwrap().kind, HandshakeKind::Resumed);
        // A resumed handshake would show no certificate and so succeed.
        let elsewhere = handshake(&config(&ca, "b.example"), &client, "a.example");
        assert!(matches!(elsewhere, Err(Error::InvalidCertificate(_))), "{elsewhere:?}");
    }
}

#[test]
fn http_2_is_agreed_on_where_it_is_offered_and_http_1_1_elsewhere() {
    let ca = new_ca();
    let server = config(&ca, "a.example");
    let (h2, h1): (Option<&[u8]>, Option<&[u8]>) = (Some(b"h2"), Some(b"http/1.1"));
    let refusal = || Err(Error::AlertReceived(AlertDescription::NoApplicationProtocol));
    let cases: [(&[&[u8]], Result<_, _>); 7] = [
        (&[b"h2"], Ok(h2)),
        (&[b"http/1.1"], Ok(h1)),
        (&[b"h2", b"http/1.1"], Ok(h2)),
        (&[b"http/1.1", b"h2"], Ok(h2)),
        (&[b"spdy/3", b"http/1.1"], Ok(h1)),
        (&[b"spdy/3"], refusal()),
        (&[], Ok(None)),
    ];
    for (offered, expected) in cases {
        let mut client = client(&ca, &[&TLS13, &TLS12]);
        Arc::get_mut(&mut client).unwrap().alpn_protocols = offered.iter().map(|it| it.to_vec()).collect();
        let seen = handshake(&server, &client, "a.example").map(|it| it.alpn);
        assert_eq!(seen, expected.map(|it| it.map(<[u8]>::to_vec)), "{offered:?}");
    }
}

#[test]
fn old_versions_and_old_ciphers_are_refused() {
    const PROTOCOL_VERSION: u8 = 70;
    const HANDSHAKE_FAILURE: u8 = 40;
    let ca = new_ca();
    let server = config(&ca, "a.example");
    // ECDHE with AES-GCM, CBC, 3DES, RC4.
    let (gcm, old): ([u8; 2], &[[u8; 2]]) = ([0xc0, 0x2b], &[[0xc0, 0x09], [0xc0, 0x08], [0xc0, 0x07]]);
    for version in [[3, 0], [3, 1], [3, 2]] {
        assert_eq!(answer_to(&server, &hello(version, &[gcm])), alert(PROTOCOL_VERSION), "{version:?}");
    }
    assert_eq!(answer_to(&server, &hello([3, 3], old)), alert(HANDSHAKE_FAILURE));
    let accepted = answer_to(&server, &hello([3, 3], &[gcm]));
    assert_eq!(accepted[0], 22, "the same hello with a cipher of today gets a ServerHello: {accepted:?}");
}

#[test]
fn one_host_has_one_configuration_whoever_asks() {
    let ca = new_ca();
    let all: Vec<Vec<Arc<ServerConfig>>> = thread::scope(|scope| {
        let ask = || (0..100).map(|n| config(&ca, &format!("h{n}.example"))).collect();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|it| it.join().unwrap()).collect()
    });
    for other in &all[1..] {
        assert!(all[0].iter().zip(other).all(|(a, b)| Arc::ptr_eq(a, b)));
    }
}

#[derive(Debug)]
struct Seen {
    version: ProtocolVersion,
    kind: HandshakeKind,
    alpn: Option<Vec<u8>>,
}

fn new_ca() -> Ca {
    let new = Root::generate(Clock.now()).unwrap();
    Ca::open(&new.certificate_der, &new.key_pkcs8, Clock).unwrap()
}

fn config(ca: &Ca, host: &str) -> Arc<ServerConfig> {
    ca.server_config(&host.parse::<Host>().unwrap()).unwrap()
}

fn client(ca: &Ca, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_protocol_versions(versions).unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Does one handshake and reads one byte after it, by which time the client has its tickets.
fn handshake(server: &Arc<ServerConfig>, client: &Arc<ClientConfig>, host: &str) -> Result<Seen, Error> {
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).unwrap();
    let mut connection = ClientConnection::new(Arc::clone(client), name).unwrap();
    let (mut socket, served) = serve(server);
    let mut read = [0];
    let done = rustls::Stream::new(&mut connection, &mut socket).read_exact(&mut read);
    drop(socket);
    served.join().unwrap();
    done.map_err(|error| *error.into_inner().unwrap().downcast::<Error>().unwrap())?;
    Ok(Seen {
        version: connection.protocol_version().unwrap(),
        kind: connection.handshake_kind().unwrap(),
        alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
    })
}

/// A server for one connection, which it greets with one byte.
fn serve(config: &Arc<ServerConfig>) -> (TcpStream, thread::JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut connection = ServerConnection::new(Arc::clone(config)).unwrap();
    let served = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        // It fails where the test wants it to; what the client sees is what counts.
        if rustls::Stream::new(&mut connection, &mut socket).write_all(b"!").is_err() {
            while connection.wants_write() && connection.write_tls(&mut socket).is_ok() {}
        }
    });
    (socket, served)
}

fn answer_to(server: &Arc<ServerConfig>, hello: &[u8]) -> Vec<u8> {
    let (mut socket, served) = serve(server);
    socket.write_all(hello).unwrap();
    let mut answer = vec![0; 7];
    socket.read_exact(&mut answer).unwrap();
    drop(socket);
    served.join().unwrap();
    answer
}

fn alert(description: u8) -> Vec<u8> {
    vec![21, 3, 3, 0, 2, 2, description]
}

/// A `ClientHello` as clients before TLS 1.3 sent it, with X25519 and ECDSA over SHA-256.
fn hello(version: [u8; 2], ciphers: &[[u8; 2]]) -> Vec<u8> {
    let extensions = [
        &[0x00, 0x0a, 0, 4, 0, 2, 0x00, 0x1d][..],
        &[0x00, 0x0b, 0, 2, 1, 0],
        &[0x00, 0x0d, 0, 4, 0, 2, 0x04, 0x03],
        &[0x00, 0x17, 0, 0],
    ]
    .concat();
    let mut body = version.to_vec();
    body.extend([7; 32]);
    body.push(0);
    body.extend(u16::try_from(ciphers.len() * 2).unwrap().to_be_bytes());
    body.extend(ciphers.concat());
    body.extend([1, 0]);
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    let length = u16::try_from(body.len()).unwrap();
    let mut hello = vec![22, 3, 1];
    hello.extend((length + 4).to_be_bytes());
    hello.extend([1, 0]);
    hello.extend(length.to_be_bytes());
    hello.extend(body);
    hello
}
