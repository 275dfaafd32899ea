//! The URLs that parsers disagree about, in every way: one verdict, and what arrives is what was judged.

use std::{collections::BTreeMap, net::Ipv4Addr, process::Command};

use http::Request;
use rustls::pki_types::ServerName;

use crate::{
    one_verdict::{Door, of_answer, of_api, of_examination, of_request, of_test},
    support::{
        Agent, Answer, Appliance, Credential, Origin, WAYS,
        agent::NAMED,
        appliance::{ALIAS, KEY},
        http2_client,
        names::{Names, Record, Reply, may_mount},
        process::{VULTRINO, run},
        skip,
    },
};

/// The verdict that follows from a URL's form alone.
const INVALID: &str = "invalid_request";
const ELSEWHERE: &str = "forbidden host_not_bound";
/// An address that a parser of URLs would make of what is no plain address.
const DISGUISED: &str = "forbidden address";
/// Nobody listens where the name leads: it was let through as far as that.
const ALLOWED: &str = "allow";

/// URLs, and the one verdict on each where a credential is bound to `api.github.com` alone.
const URLS: &[(&str, &str)] = &[
    ("https://0177.0.0.1/", DISGUISED),
    ("https://0x7f000001/", DISGUISED),
    ("https://2130706433/", DISGUISED),
    ("https://127.1/", DISGUISED),
    ("https://0/", DISGUISED),
    ("https://[::]/", ELSEWHERE),
    ("https://[::1]/", ELSEWHERE),
    ("https://[::ffff:169.254.169.254]/", ELSEWHERE),
    ("https://[::ffff:a9fe:a9fe]/", ELSEWHERE),
    ("https://[64:ff9b::a9fe:a9fe]/", ELSEWHERE),
    ("https://[2002:a9fe:a9fe::]/", ELSEWHERE),
    ("https://[fe80::1%25eth0]/", INVALID),
    ("https://①②⑦.⓪.⓪.①/", INVALID),
    ("https://127.0.0.1./", ELSEWHERE),
    ("https://169.254.169.254.nip.io/", ELSEWHERE),
    ("https://API.GitHub.COM./user", ALLOWED),
    ("https://api.github.com:443/user", ALLOWED),
    ("https://api.github.com:0443/user", INVALID),
    ("https://api.github.com:/user", INVALID),
    ("https://api.github.com:8443/user", ELSEWHERE),
    ("https://api.github.com@evil.test/", INVALID),
    ("https://api.github.com:x@evil.test/", INVALID),
    ("https://api.github.com\\@evil.test/", INVALID),
    ("https:\\\\api.github.com\\user", INVALID),
    ("https:/api.github.com/user", INVALID),
    ("https:api.github.com/user", INVALID),
    ("https:///api.github.com/user", INVALID),
    ("https://api.github.com/%2e%2e/admin", INVALID),
    ("https://api.github.com/a/../admin", INVALID),
    ("https://api.github.com/a/..;/admin", INVALID),
    ("https://api.github.com/a%2f..%2fadmin", INVALID),
    ("https://api.github.com//user", ALLOWED),
    ("https://api.github.com/user%00", INVALID),
    ("https://api.github.com/us%65r", ALLOWED),
    ("https://api.github.com/user?x=1#frag", ALLOWED),
    ("https://api.github.com/user%3Fx=1", ALLOWED),
    ("https://api.github.com.evil.test/", ELSEWHERE),
    ("https://api%2egithub%2ecom/", INVALID),
    ("https://api。github。com/", INVALID),
    ("https://xn--api-github.com/", ELSEWHERE),
    ("https://bücher.example/", INVALID),
    ("https://аpi.github.com/", INVALID),
    ("https://api.github.com\t.evil.test/", INVALID),
    (" https://api.github.com/", INVALID),
    ("https://api.github.com/a b", INVALID),
    ("https://api.github.com/a\\..\\b", INVALID),
    ("https://[api.github.com]/", INVALID),
    ("HTTPS://api.github.com/", ALLOWED),
    ("https://api_github.com/", ELSEWHERE),
    ("https://api.github.com:65536/", INVALID),
    ("https://api.github.com:0/", INVALID),
];

/// Which way does not follow the others, and why that is right.
const EXCEPT: &[(&str, Door, &str)] = &[
    // What a client or a web server made of two slashes.
    ("https:/api.github.com/user", Door::Path, ALLOWED),
];

/// Where a URL leads, split as a client splits it that asks for a tunnel first.
fn split(url: &str) -> Option<(String, String)> {
    let rest = url.get(..8).filter(|it| it.eq_ignore_ascii_case("https://")).map(|_| &url[8..])?;
    let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    let has_port = authority.rsplit_once(']').map_or(authority, |(_, behind)| behind).contains(':');
    let path = path.split('#').next().unwrap_or_default();
    Some((if has_port { authority.to_owned() } else { format!("{authority}:443") }, path.to_owned()))
}

fn said(answer: &Answer) -> String {
    settled(&of_answer(answer))
}

/// What comes after the verdict does not count.
fn settled(verdict: &str) -> String {
    if verdict == "upstream_error" { ALLOWED.to_owned() } else { verdict.to_owned() }
}

/// The answer in a tunnel, or to the request for one; none where no TLS client can name the host.
fn through_a_tunnel(appliance: &Appliance, authority: &str, path: &str) -> Option<Answer> {
    let mut agent = Agent::dial(appliance.address());
    if let Err(refused) = agent.connect(authority, &[]) {
        return Some(*refused);
    }
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    ServerName::try_from(host.trim_matches(['[', ']'])).ok()?;
    let mut agent = agent.start_tls(&appliance.ca_file(), host).unwrap();
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    agent.send(format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\n{}: {}\r\n\r\n", NAMED.0, NAMED.1));
    Some(agent.answer("GET"))
}

/// The same over HTTP/2; none where no HTTP/2 client can send the path.
fn over_http2(appliance: &Appliance, authority: &str, path: &str) -> Option<Answer> {
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    ServerName::try_from(host.trim_matches(['[', ']'])).ok()?;
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let request = Request::get(format!("https://{authority}{path}")).header(NAMED.0, NAMED.1).body(()).ok()?;
    let sent = request.uri().path_and_query().is_some_and(|it| it.as_str() == path);
    sent.then(|| http2_client::ask(appliance, authority, request))
}

/// A command of the binary in the world of the server: nobody else knows its name server.
fn inside(appliance: &Appliance, wrapper: &[String], arguments: &[&str]) -> Command {
    let plain = appliance.command(arguments);
    let mut command = Command::new(&wrapper[0]);
    command.args(&wrapper[1..]).arg(VULTRINO).args(plain.get_args()).current_dir(appliance.home()).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

#[test]
fn the_urls_that_parsers_disagree_about_get_one_verdict_in_every_way() {
    const TEST: &str = "the_urls_that_parsers_disagree_about_get_one_verdict_in_every_way";
    if !may_mount() {
        return skip::note(TEST, "may not mount");
    }
    let loopback =
        |_: &str, v6, _| Reply::Records(if v6 { vec![] } else { vec![Record::Address(Ipv4Addr::LOCALHOST.into())] });
    let Some(names) = Names::start(loopback) else { return skip::note(TEST, "may not answer on port 53") };
    let wrapper = names.wrapper();
    let appliance = Appliance::builder()
        .credential(Credential::key(ALIAS, KEY, &["api.github.com"]))
        .set("proxy.connect_ports", "[443, 8443]")
        .set("rate_limits.management", "0")
        .through(&wrapper.iter().map(String::as_str).collect::<Vec<_>>())
        .start();
    let mut api = appliance.api_without_key();
    let mut wrong = Vec::new();
    assert_eq!(URLS.len(), 51);
    for (url, expected) in URLS {
        let mut verdicts: BTreeMap<Door, String> = BTreeMap::new();
        for (door, target) in [(Door::Path, format!("/{url}")), (Door::Absolute, (*url).to_owned())] {
            let mut agent = Agent::dial(appliance.address());
            let host = if door == Door::Path { agent.host() } else { "api.github.com".to_owned() };
            agent.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{}: {}\r\n\r\n", NAMED.0, NAMED.1));
            verdicts.insert(door, said(&agent.answer("GET")));
        }
        if let Some((authority, path)) = split(url) {
            verdicts.extend(through_a_tunnel(&appliance, &authority, &path).map(|it| (Door::Tunnel, said(&it))));
            verdicts.extend(over_http2(&appliance, &authority, &path).map(|it| (Door::Http2, said(&it))));
        }
        verdicts.insert(Door::Execute, settled(&of_api(&api.execute(ALIAS, "GET", url))));
        let out = run(&mut inside(&appliance, &wrapper, &["request", ALIAS, url]), "");
        verdicts.insert(Door::Request, settled(&of_request(&out)));
        verdicts.insert(
            Door::Tested,
            of_test(&mut appliance.command(&["policy", "test", "--json", "-c", ALIAS, "-u", url])),
        );
        let tested = api.post("/v1/policies/test", &serde_json::json!({ "credential": ALIAS, "url": url }));
        let tested = if tested.status() == 200 { of_examination(&tested.json()) } else { of_api(&tested) };
        verdicts.insert(Door::ApiTested, tested);
        for (door, verdict) in verdicts {
            // The command line tells every URL that it does not take in one way; a CONNECT has a Host field, which is then
            // no host either; and letters that no request line can hold are refused before anybody asks what they mean.
            let told_apart =
                matches!(door, Door::Request | Door::Tested | Door::Tunnel | Door::Http2) || !url.is_ascii();
            let is_form = [INVALID, DISGUISED].contains(expected) && told_apart;
            if is_form && [INVALID, DISGUISED].contains(&&*verdict) {
                continue;
            }
            // A CONNECT to an address that nothing may lead to is refused before anybody says which credential is meant.
            let early = matches!(door, Door::Tunnel | Door::Http2) && *expected == ELSEWHERE && url.contains("//[");
            let expected = if early { DISGUISED } else { expected };
            let other = EXCEPT.iter().find(|it| (it.0, it.1) == (*url, door)).map(|it| it.2);
            if verdict != other.unwrap_or(expected) {
                wrong.push(format!("{url:?} {door:?}: {verdict}, expected {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_path_is_judged_as_a_server_reads_it_and_sent_as_it_came() {
    let policy = "[[policies]]\nname = \"paths\"\ncredential_pattern = \"*\"\ndefault_action = \"deny\"\n\
        [[policies.rules]]\ncondition = { url_match = \"https://localhost:*/admin*\" }\naction = \"deny\"\n\
        [[policies.rules]]\ncondition = { url_match = \"https://localhost:*/user\" }\naction = \"allow\"\n\
        [[policies.rules]]\ncondition = { url_match = \"https://localhost:*/{group%2Fproject,@scope%2Fname}/*\" }\naction = \"allow\"\n";
    let credential = Credential::key(ALIAS, KEY, &["localhost:*"]);
    let appliance =
        Appliance::builder().credential(credential).sections(policy).set("rate_limits.management", "0").start();
    let mut api = appliance.api_without_key();
    for (path, expected) in [
        ("/user", "allow"),
        ("//user", "allow"),
        ("/us%65r", "allow"),
        ("/%75%73%65%72", "allow"),
        ("/user?x=/admin", "allow"),
        ("/user/", "policy_denied paths/default"),
        ("/User", "policy_denied paths/default"),
        ("/user%3Fx=1", "policy_denied paths/default"),
        ("/admin/x", "policy_denied paths/1"),
        ("/%61dmin", "policy_denied paths/1"),
        ("//admin", "policy_denied paths/1"),
        ("/group%2Fproject/x", "allow"),
        ("/group%2fproject/x", "allow"),
        ("/group/project/x", "policy_denied paths/default"),
        ("/@scope%2fname/x", "allow"),
        ("/%40scope%2Fname/x", "allow"),
        ("/user/../admin", "invalid_request"),
        ("/./user", "invalid_request"),
        ("/%2e/user", "invalid_request"),
        ("/user%2f..%2fadmin", "invalid_request"),
        ("/user/..;/admin", "invalid_request"),
        ("/user/..%3b/admin", "invalid_request"),
        ("/user/%252e%252e/admin", "invalid_request"),
        ("/user/%25%32%65./admin", "invalid_request"),
        ("/user%5c%252e%252e%5cadmin", "invalid_request"),
        ("/user%252f..%252fadmin", "invalid_request"),
        ("/user/%c0%ae%c0%ae/admin", "invalid_request"),
        ("/user/%25c0%25ae./admin", "invalid_request"),
        ("/user?to=/%252e%252e/..%3b/%c0%ae", "allow"),
        ("/user\\..\\admin", "invalid_request"),
    ] {
        let origin = Origin::https();
        let mut verdicts = WAYS.map(|way| {
            let mut agent = Agent::via(&appliance, way, &origin);
            (format!("{way:?}"), of_answer(&agent.get(path)))
        });
        verdicts.sort();
        let url = origin.url(path);
        let mut all: Vec<(String, String)> = verdicts.into();
        let streamed = over_http2(&appliance, &origin.authority(), path);
        let streams = usize::from(streamed.is_some());
        all.extend(streamed.map(|it| ("HTTP/2".to_owned(), of_answer(&it))));
        all.push(("execute".to_owned(), of_api(&api.execute(ALIAS, "GET", &url))));
        all.push(("request".to_owned(), of_request(&appliance.cli(&["request", ALIAS, &url]))));
        all.push((
            "test".to_owned(),
            of_test(&mut appliance.command(&["policy", "test", "--json", "-c", ALIAS, "-u", &url])),
        ));
        // What is refused for its form is told in the same words wherever that is.
        let wrong: Vec<_> = all.iter().filter(|(_, verdict)| verdict != expected).collect();
        assert!(wrong.is_empty(), "{path}: {wrong:?}, expected {expected}");
        let arrived: Vec<String> = origin.requests().iter().map(|it| it.target().to_owned()).collect();
        let times = if expected == "allow" { 5 + streams } else { 0 };
        assert_eq!(arrived, vec![path; times], "{path}");
    }
}
