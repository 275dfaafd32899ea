//! Programs that people use reach an origin through the proxy as they are: curl, Python requests, Node with undici.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{
    Appliance, Origin,
    appliance::{ALIAS, BEARER},
    process::{Output, run},
    skip,
};

/// Where `make test` puts the clients that the system lacks.
const CLIENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/clients");

/// A command with the variables that point any client at the proxy.
fn through(appliance: &Appliance, program: impl AsRef<Path>, user: &str) -> Command {
    let mut command = Command::new(program.as_ref());
    let proxy = format!("http://{user}{}", appliance.address());
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
        command.env(name, &proxy);
    }
    for name in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"] {
        command.env(name, appliance.ca_file());
    }
    for name in ["NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"] {
        command.env_remove(name);
    }
    command
}

fn curl(appliance: &Appliance, user: &str, arguments: &[&str]) -> Output {
    run(through(appliance, "curl", user).args(["-sS", "--fail", "--max-time", "20"]).args(arguments), "")
}

fn is_there(program: impl AsRef<Path>, arguments: &[&str]) -> bool {
    let mut command = Command::new(program.as_ref());
    command.args(arguments).output().is_ok_and(|it| it.status.success())
}

#[track_caller]
fn assert_injected(origin: &Origin, target: &str) {
    let requests = origin.requests();
    assert!(!requests.is_empty(), "nothing arrived");
    for request in requests {
        request.assert_nothing_of_ours();
        assert_eq!(request.values("authorization"), [BEARER], "{request:#?}");
        assert_eq!((request.target(), request.values("host")), (target, vec![&*origin.authority()]));
    }
}

#[test]
fn curl_in_path_style() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    let url = format!("http://{}/{}", appliance.address(), origin.url("/user?a=1"));
    let named = format!("X-Vultrino-Credential: {ALIAS}");
    let output = curl(&appliance, "", &["--noproxy", "*", "-H", &named, &url]);
    assert_eq!(output.expect_success(), "ok");
    assert_injected(&origin, "/user?a=1");
}

#[test]
fn curl_through_https_proxy() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    let named = format!("X-Vultrino-Credential: {ALIAS}");
    assert_eq!(curl(&appliance, "", &[&origin.url("/user")]).expect_success(), "ok");
    assert_eq!(curl(&appliance, "", &["-H", &named, &origin.url("/user")]).expect_success(), "ok");
    let user = format!("{ALIAS}:@");
    assert_eq!(curl(&appliance, &user, &[&origin.url("/user")]).expect_success(), "ok");
    assert_injected(&origin, "/user");
    assert_eq!(origin.requests().len(), 3);
}

#[test]
fn curl_with_an_absolute_target() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    let proxy = format!("http://{}", appliance.address());
    // An absolute-form https target is what some clients send instead of CONNECT.
    let output = curl(&appliance, "", &["--noproxy", "*", "--request-target", &origin.url("/user"), &proxy]);
    assert_eq!(output.expect_success(), "ok");
    assert_injected(&origin, "/user");
}

#[test]
fn curl_posts_and_expects() {
    let appliance = Appliance::start();
    let origin = Origin::https_with(|visit| {
        while let Some(head) = visit.head()? {
            if !head.values("expect").is_empty() {
                visit.write("HTTP/1.1 100 Continue\r\n\r\n")?;
            }
            let length = head.values("content-length").concat().parse().unwrap();
            visit.take(length)?;
            visit.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{length}", length.to_string().len()))?;
        }
        Ok(())
    });
    let body = "x".repeat(2_000_000);
    let mut command = through(&appliance, "curl", "");
    command.args(["-sS", "--fail", "--max-time", "20", "-H", "Expect: 100-continue", "--data-binary", "@-"]);
    assert_eq!(run(command.arg(origin.url("/upload")), &body).expect_success(), "2000000");
}

#[test]
fn python_requests_through_https_proxy() {
    let own = PathBuf::from(CLIENTS).join("python/bin/python");
    let python = if own.exists() { own } else { PathBuf::from("python3") };
    if !is_there(&python, &["-c", "import requests"]) {
        return skip::note("python_requests_through_https_proxy", "no python3 with requests; `make test` installs it");
    }
    let appliance = Appliance::start();
    let origin = Origin::https();
    let script = "import requests, sys\n\
                  with requests.Session() as session:\n\
                  \x20   for _ in range(3):\n\
                  \x20       answer = session.get(sys.argv[1], headers={'X-Vultrino-Credential': 'walls'})\n\
                  \x20       answer.raise_for_status()\n\
                  \x20       print(answer.text, end='')\n\
                  print(requests.get(sys.argv[1]).text)\n";
    let output = run(through(&appliance, python, "").args(["-c", script, &origin.url("/user")]), "");
    assert_eq!(output.expect_success(), "okokokok\n");
    assert_injected(&origin, "/user");
    assert_eq!(origin.requests().len(), 4);
}

#[test]
fn node_undici_through_https_proxy() {
    let undici = Path::new(CLIENTS).join("node_modules/undici");
    if !undici.exists() || !is_there("node", &["--version"]) {
        return skip::note("node_undici_through_https_proxy", "no node with undici; `make test` installs it");
    }
    let appliance = Appliance::start();
    let origin = Origin::https();
    let script = format!(
        "const {{ EnvHttpProxyAgent, setGlobalDispatcher, fetch }} = require({:?});
         setGlobalDispatcher(new EnvHttpProxyAgent());
         (async () => {{
             for (const headers of [{{ 'X-Vultrino-Credential': 'walls' }}, {{}}, {{}}]) {{
                 const answer = await fetch(process.argv[1], {{ headers }});
                 if (!answer.ok) throw new Error(String(answer.status));
                 process.stdout.write(await answer.text());
             }}
             process.exit(0);
         }})();",
        undici.display().to_string()
    );
    let output = run(through(&appliance, "node", "").args(["-e", &script, &origin.url("/user")]), "");
    assert_eq!(output.expect_success(), "okokok");
    assert_injected(&origin, "/user");
    assert_eq!(origin.requests().len(), 3);
}

#[test]
fn node_by_itself_through_https_proxy() {
    let node = ["x64", "arm64"].map(|it| PathBuf::from(CLIENTS).join(format!("node_modules/node-linux-{it}/bin/node")));
    let Some(node) = node.iter().find(|it| is_there(it, &["--version"])) else {
        return skip::note("node_by_itself_through_https_proxy", "no Node 24; `make test` installs it");
    };
    let appliance = Appliance::start();
    let origin = Origin::https();
    let script = "(async () => {
         for (let at = 0; at < 3; at += 1) {
             const answer = await fetch(process.argv[1]);
             if (!answer.ok) throw new Error(String(answer.status));
             process.stdout.write(await answer.text());
         }
         process.exit(0);
     })();";
    let mut command = through(&appliance, node, "");
    let output = run(command.env("NODE_USE_ENV_PROXY", "1").args(["-e", script, &origin.url("/user")]), "");
    assert_eq!(output.expect_success(), "okokok");
    assert_injected(&origin, "/user");
    assert_eq!(origin.requests().len(), 3);
}
