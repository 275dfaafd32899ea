//! curl reaches an origin in every way. Other programs, and what they need: `clients`.

use std::process::Command;

use crate::support::{
    Appliance, Origin,
    appliance::{ALIAS, BEARER},
    process::{Output, run},
};

/// curl, which knows the proxy, perhaps by a user name, and the CA.
fn command(appliance: &Appliance, user: &str) -> Command {
    let mut command = Command::new("curl");
    command.env("HTTPS_PROXY", format!("http://{user}{}", appliance.address()));
    command.env("CURL_CA_BUNDLE", appliance.ca_file());
    for name in ["NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy", "http_proxy", "https_proxy"] {
        command.env_remove(name);
    }
    command.args(["-sS", "--fail", "--max-time", "20"]);
    command
}

fn curl(appliance: &Appliance, user: &str, arguments: &[&str]) -> Output {
    run(command(appliance, user).args(arguments), "")
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
    let mut command = command(&appliance, "");
    command.args(["-H", "Expect: 100-continue", "--data-binary", "@-"]);
    assert_eq!(run(command.arg(origin.url("/upload")), &body).expect_success(), "2000000");
}
