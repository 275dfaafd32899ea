//! The hosts of the examples: each lets in only who shows a credential, and tells what it got of it.

use std::{io, net::TcpListener, sync::Arc, thread};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use serde_json::json;

use crate::support::{
    visit::{Line, Log, Seen, Visit},
    wire::Message,
};

/// Names and addresses. The first address is public as far as Vultrino knows, the second private.
pub(crate) const HOSTS: [(&str, &str); 8] = [
    ("api.github.com", "45.45.45.45"),
    ("github.com", "45.45.45.45"),
    ("api.stripe.com", "45.45.45.45"),
    ("api.example.com", "45.45.45.45"),
    ("jira.example.com", "45.45.45.45"),
    ("example.com", "45.45.45.45"),
    ("open.example.org", "45.45.45.45"),
    ("intranet.example.com", "10.1.2.3"),
];

/// Whoever asks this one needs no credential.
const OPEN: &str = "open.example.org";

/// Opens port 443 of all of them; the certificate of the authority that they are known by.
pub(crate) fn open() -> String {
    let (authority, config) = certificates();
    let listener = TcpListener::bind("0.0.0.0:443").unwrap();
    thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            let config = Arc::clone(&config);
            thread::spawn(move || -> io::Result<()> {
                let connection = ServerConnection::new(config).map_err(io::Error::other)?;
                let line = Line::Tls(Box::new(StreamOwned::new(connection, socket)));
                let log = Arc::new(Log::default());
                log.seen.lock().unwrap().push(Seen::default());
                let mut visit = Visit { line, log, index: 0, unread: Vec::new() };
                while let Some(request) = visit.request()? {
                    visit.write(answer(&request))?;
                }
                visit.close();
                Ok(())
            });
        }
    });
    authority
}

fn answer(request: &Message) -> Vec<u8> {
    request.assert_nothing_of_ours();
    let host = request.values("host").concat();
    let shown: Vec<_> = ["Authorization", "X-API-Key"]
        .into_iter()
        .flat_map(|name| request.values(name).into_iter().map(move |value| (name.to_ascii_lowercase(), masked(value))))
        .collect();
    let (status, kind, body) = match (&*host, request.target()) {
        _ if shown.is_empty() && host != OPEN => {
            (401, "application/json", json!({ "message": "Requires authentication" }).to_string() + "\n")
        }
        ("api.github.com", "/user") => {
            (200, "application/json", json!({ "login": "octocat", "id": 1 }).to_string() + "\n")
        }
        ("github.com", target) if target.ends_with("/info/refs?service=git-upload-pack") => {
            (200, "application/x-git-upload-pack-advertisement", refs())
        }
        (_, target) => {
            let mut body = json!({ "method": request.method(), "path": target });
            for (name, value) in shown {
                body[name] = json!(value);
            }
            if !request.body.is_empty() {
                body["body"] = json!(String::from_utf8_lossy(&request.body));
            }
            (200, "application/json", format!("{body}\n"))
        }
    };
    let length = body.len();
    format!("HTTP/1.1 {status} OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// The last four characters of a secret; the user name of Basic, which is no secret here, goes with it.
fn masked(value: &str) -> String {
    let (scheme, secret) = value.split_once(' ').unwrap_or(("", value));
    let end = &secret[secret.len().saturating_sub(4)..];
    format!("{scheme} ****{end}").trim_start().to_owned()
}

/// One branch, as git's protocol tells it.
fn refs() -> String {
    let line = |text: &str| format!("{:04x}{text}", text.len() + 4);
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let first = line(&format!("{commit} HEAD\0symref=HEAD:refs/heads/main\n"));
    let main = line(&format!("{commit} refs/heads/main\n"));
    format!("{}0000{first}{main}0000", line("# service=git-upload-pack\n"))
}

fn certificates() -> (String, Arc<ServerConfig>) {
    let key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let pem = authority.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(authority, key);
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = HOSTS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    (pem, Arc::new(config))
}
