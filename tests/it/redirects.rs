//! Redirects: never followed, and in path style written so that whoever follows them stays on the proxy.

use std::process::Command;

use crate::support::{
    Agent, Appliance, Http2Origin, Origin, WAYS, Way,
    agent::NAMED,
    appliance::{ALIAS, BEARER},
    process::run,
    wire::Message,
};

/// Sends each request for `/from` on to `/to/`, by this reference.
fn redirecting(reference: &'static str) -> Origin {
    Origin::https_with(move |visit| {
        while let Some(request) = visit.request()? {
            let port = request.values("host").concat();
            let answer = match request.target() {
                "/from" => format!(
                    "HTTP/1.1 301 Moved Permanently\r\nLocation: {0}\r\nContent-Location: {0}\r\nContent-Length: 0\r\n\r\n",
                    reference.replace("HOST", &port)
                ),
                _ => "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\narrived".to_owned(),
            };
            visit.write(answer)?;
        }
        Ok(())
    })
}

#[test]
fn only_path_style_changes_where_a_redirect_leads() {
    let appliance = Appliance::start();
    for reference in ["/to/", "to/", "https://HOST/to/", "//HOST/to/"] {
        let origin = redirecting(reference);
        let given = reference.replace("HOST", &origin.authority());
        for way in WAYS {
            let answer = Agent::via(&appliance, way, &origin).get("/from");
            let expected = if way == Way::Path { format!("/{}", origin.url("/to/")) } else { given.clone() };
            assert_eq!(answer.status(), 301, "{way:?} {reference}");
            for name in ["location", "content-location"] {
                assert_eq!(answer.values(name), [&*expected], "{way:?} {reference} {name}");
            }
        }
        let mut behind = Agent::dial(appliance.address());
        let (host, url) = (appliance.address(), origin.url("/from"));
        behind.send(format!("GET /proxy/{url} HTTP/1.1\r\nHost: {host}\r\nX-Vultrino-Credential: {ALIAS}\r\n\r\n"));
        assert_eq!(behind.answer("GET").values("location"), [format!("/proxy/{}", origin.url("/to/"))], "{reference}");
    }
}

#[test]
fn what_leads_elsewhere_or_is_no_reference_stays_as_it_is() {
    let appliance = Appliance::start();
    for reference in
        ["https://other.test/to/", "http://HOST/to/", "//other.test/", "/\\other.test/", "https://u@HOST/", "/a b"]
    {
        let origin = redirecting(reference);
        let given = reference.replace("HOST", &origin.authority());
        assert_eq!(Agent::via(&appliance, Way::Path, &origin).get("/from").values("location"), [given]);
    }
}

#[test]
fn an_origin_of_http2_is_no_exception() {
    let appliance = Appliance::start();
    let origin = Http2Origin::with(|mut call| async move {
        call.answer_whole(201, &[("location", "/made/1")], "");
    });
    let mut agent = Agent::to(&appliance, Way::Path, "https", &origin.authority());
    let answer = agent.ask("POST", "/made", &[NAMED, ("Content-Length", "0")]);
    assert_eq!(answer.values("location"), [format!("/https://{}/made/1", origin.authority())]);
}

#[test]
fn curl_follows_through_the_proxy_with_the_credential() {
    let appliance = Appliance::start();
    for reference in ["/to/", "to/", "https://HOST/to/"] {
        let origin = redirecting(reference);
        let url = format!("http://{}/{}", appliance.address(), origin.url("/from"));
        let named = format!("X-Vultrino-Credential: {ALIAS}");
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--fail", "--max-time", "20", "--noproxy", "*", "-L", "-H", &named, &url]);
        assert_eq!(run(&mut curl, "").expect_success(), "arrived", "{reference}");
        let requests = origin.requests();
        let targets: Vec<_> = requests.iter().map(Message::target).collect();
        assert_eq!(targets, ["/from", "/to/"], "{reference}");
        assert!(requests.iter().all(|it| it.values("authorization") == [BEARER]), "{requests:#?}");
    }
}
