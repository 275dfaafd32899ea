//! Origins of real OpenSSL whose certificates or versions of TLS are too weak: none gets a byte of a request.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::support::{
    Agent, Appliance, Credential, WAYS, Way,
    agent::NAMED,
    appliance::{ALIAS, KEY},
    process::{Capture, run},
    skip,
    wait::until,
};

const EXTENSIONS: &str = "[req]\ndistinguished_name = dn\n[dn]\n\
    [root]\nbasicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign\n\
    [narrow]\nbasicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign\n\
    nameConstraints = critical, permitted;DNS:elsewhere.test\n\
    [host]\nsubjectAltName = DNS:localhost\n[star]\nsubjectAltName = DNS:*\n[part]\nsubjectAltName = DNS:local*\n";

/// A certificate: the root that signs it, its key, the hash it is signed over, its extensions.
struct Leaf(&'static str, &'static [&'static str], &'static str, &'static str);

const EC: &[&str] = &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
const GOOD: Leaf = Leaf("root", EC, "-sha256", "host");

fn openssl(folder: &Path, arguments: &[&str]) {
    run(Command::new("openssl").args(arguments).current_dir(folder), "").expect_success();
}

/// Two roots that the appliance trusts, one of them for `elsewhere.test` alone.
fn roots(folder: &Path) {
    fs::write(folder.join("c.cnf"), EXTENSIONS).unwrap();
    for root in ["root", "narrow"] {
        let (key, pem, subject) = (format!("{root}.key"), format!("{root}.pem"), format!("/CN={root}"));
        let common = ["-nodes", "-keyout", &key, "-out", &pem, "-subj", &subject, "-days", "300"];
        let own = ["req", "-config", "c.cnf", "-x509", "-extensions", root, "-newkey"];
        openssl(folder, &[&own, EC, &common].concat());
    }
}

/// A running `openssl s_server`.
struct Server {
    child: Child,
    out: Capture,
    port: u16,
}

impl Server {
    fn start(folder: &Path, leaf: &Leaf, options: &[&str]) -> Self {
        let Leaf(root, key, hash, extensions) = leaf;
        let request = ["-nodes", "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=localhost"];
        openssl(folder, &[&["req", "-config", "c.cnf", "-new", "-newkey"], *key, &request].concat());
        let (pem, key) = (format!("{root}.pem"), format!("{root}.key"));
        let signed =
            ["-CA", &pem, "-CAkey", &key, "-CAcreateserial", hash, "-extfile", "c.cnf", "-extensions", extensions];
        let files = ["x509", "-req", "-in", "leaf.csr", "-days", "200", "-out", "leaf.pem"];
        openssl(folder, &[&files[..], &signed].concat());
        let mut child = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-cert", "leaf.pem", "-key", "leaf.key"])
            .args(["-cipher", "ALL:@SECLEVEL=0"])
            .args(options)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let out = Capture::of(child.stdout.take().unwrap());
        let address = out.line_after("ACCEPT ").expect("s_server does not listen");
        let port = address.rsplit(':').next().unwrap().parse().unwrap();
        Self { child, out, port }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn what_is_too_weak_gets_nothing() {
    if Command::new("openssl").arg("version").output().is_err() {
        return skip::note("what_is_too_weak_gets_nothing", "there is no openssl");
    }
    let home = TempDir::with_prefix("vultrino-").unwrap();
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    roots(folder);
    let trusted = ["root.pem", "narrow.pem"].map(|it| fs::read_to_string(folder.join(it)).unwrap()).concat();
    fs::write(home.path().join("roots.pem"), trusted).unwrap();
    let key = Credential::key(ALIAS, KEY, &["localhost:*"]);
    let appliance = Appliance::builder().credential(key).set("upstream.ca_file", "\"roots.pem\"").start_in(home);
    let cases: [(&str, Leaf, &[&str]); 6] = [
        ("SHA-1", Leaf("root", EC, "-sha1", "host"), &[]),
        ("RSA with 1024 bits", Leaf("root", &["rsa:1024"], "-sha256", "host"), &[]),
        ("a name constraint", Leaf("narrow", EC, "-sha256", "host"), &[]),
        ("a star alone", Leaf("root", EC, "-sha256", "star"), &[]),
        ("a star in a label", Leaf("root", EC, "-sha256", "part"), &[]),
        ("TLS 1.0", GOOD, &["-tls1"]),
    ];
    for (what, leaf, options) in cases.into_iter().chain([("TLS 1.1", GOOD, &["-tls1_1"][..])]) {
        let server = Server::start(folder, &leaf, options);
        let authority = format!("localhost:{}", server.port);
        for way in WAYS {
            let mut agent = Agent::to(&appliance, way, "https", &authority);
            let refused = agent.get("/");
            assert_eq!(refused.status(), 502, "{what} {way:?}");
            refused.expect_refusal(502, "upstream_error");
        }
        assert!(!server.out.text().contains("GET ") && !server.out.text().contains(KEY), "{what}");
    }
    // The same server with nothing wrong is spoken to.
    for options in [&["-tls1_2"][..], &["-tls1_3"]] {
        let server = Server::start(folder, &GOOD, options);
        let mut agent = Agent::to(&appliance, Way::Path, "https", &format!("localhost:{}", server.port));
        let head = agent.head("GET", "/good", &[NAMED]);
        agent.send(head);
        until("the request arrives", || server.out.text().contains(KEY).then_some(()));
    }
}
