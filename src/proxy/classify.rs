//! What a request head asks for: a pure function, so that it can be tried with any bytes.

use std::sync::Arc;

use http::Method;

use crate::{
    base::{
        fields::Known,
        head::{Framing, RequestHead, Version},
        host::{Authority, Scheme},
        target::{Origin, Target},
    },
    exchange::{Refusal, bind, check_method},
    identity::Presented,
};

/// What a listener is asked for, tunnels apart.
#[derive(Debug)]
pub enum Ingress {
    /// Something of our own: `/health`.
    Control,
    /// `/https://host/path`
    Path(Target),
    /// `GET http://host/path`, or with `https` from clients that do not tunnel.
    Forward(Target),
}

/// Reads the request-target in all forms but that of CONNECT (RFC 9112 section 3.2). What is for the origin `near` shares it.
///
/// # Errors
/// Forms and methods that mean nothing here, and targets that are ambiguous.
pub fn classify(head: &RequestHead, near: Option<&Arc<Origin>>) -> Result<Ingress, Refusal> {
    let target = &*head.target;
    check_method(&head.method)?;
    if !target.starts_with('/') {
        return Ok(Ingress::Forward(Target::parse_near(&head.method, target, near)?));
    }
    let path = &target[prefix(target).len()..];
    if !is_url_like(path) {
        return Ok(Ingress::Control);
    }
    Ok(Ingress::Path(Target::parse_path_style(&head.method, path, near)?))
}

/// The prefix that a reverse proxy in front of us has left before a target in path style: `/proxy`, or nothing.
pub fn prefix(target: &str) -> &'static str {
    const PREFIX: &str = "/proxy";
    if target.strip_prefix(PREFIX).is_some_and(is_url_like) { PREFIX } else { "" }
}

/// The target of a request inside the tunnel to `origin`.
///
/// # Errors
/// Another host in the target or in `Host`, a tunnel in the tunnel, an ambiguous path.
pub fn classify_inside(head: &RequestHead, origin: &Arc<Origin>) -> Result<Target, Refusal> {
    check_method(&head.method)?;
    if head.fields.all(Known::Host).any(|it| !origin.is_named_by(it)) {
        return Err(Refusal::Misdirected);
    }
    if head.target.starts_with('/') || &*head.target == "*" {
        return Ok(Target::within(Arc::clone(origin), &head.method, &head.target)?);
    }
    let target = Target::parse_near(&head.method, &head.target, Some(origin))?;
    if target.origin == *origin { Ok(target) } else { Err(Refusal::Misdirected) }
}

/// Whether it asks to go on with WebSocket (RFC 6455 section 4.1). What asks for anything else is asked as if it did not.
pub fn asks_for_websocket(head: &RequestHead, framing: Framing) -> bool {
    head.method == Method::GET
        && head.version == Version::Http11
        && matches!(framing, Framing::None | Framing::Length(0))
        && head.fields.upgrades_to_websocket()
        && head.fields.connection_options().any(|it| it.eq_ignore_ascii_case(b"upgrade"))
}

/// Refuses what is no exchange and repeats a field that may stand once; exchanges are judged where they are run.
///
/// # Errors
/// See [`crate::base::fields::Fields::repeated`].
pub fn check_single(head: &RequestHead) -> Result<(), Refusal> {
    head.fields.repeated().map_or(Ok(()), |why| Err(Refusal::Invalid(why)))
}

/// Who a request in proxy style says it is.
///
/// # Errors
/// A field that holds neither an alias nor a key.
pub fn presented(head: &RequestHead) -> Result<Presented, Refusal> {
    match head.fields.first(Known::ProxyAuthorization) {
        None => Ok(Presented::default()),
        Some(field) => Presented::from_proxy_authorization(field).or(Err(Refusal::ProxyUnauthorized)),
    }
}

/// Refuses what a page in somebody's browser could have sent to an origin-form target (D-16). A path-style request
/// that names no credential is told so first: that is what a person meets. Where callers need a key (`keyless` is false),
/// they are asked for that before.
///
/// # Errors
/// A foreign `Host`, a foreign `Origin`.
pub fn check_browser(
    head: &RequestHead,
    ingress: &Ingress,
    keyless: bool,
    is_ours: impl Fn(&Authority) -> bool,
) -> Result<(), Refusal> {
    if matches!(ingress, Ingress::Forward(_)) {
        return Ok(());
    }
    match foreign(head, is_ours) {
        Some(Refusal::ForeignHost) => Err(Refusal::ForeignHost),
        _ if keyless && matches!(ingress, Ingress::Path(_)) && !bind::is_named_in(&head.fields) => {
            Err(Refusal::MissingCredential)
        }
        Some(refusal) => Err(refusal),
        None => Ok(()),
    }
}

/// Why a request to an origin-form target may come from a page of another site in somebody's browser: it names a host
/// that is not ours, or says so itself (`Sec-Fetch-Site`, `Origin`).
pub fn foreign(head: &RequestHead, is_ours: impl Fn(&Authority) -> bool) -> Option<Refusal> {
    let host = head.fields.first(Known::Host).and_then(|it| std::str::from_utf8(it).ok());
    if let Some(host) = host
        && !Authority::parse(host, 80).is_ok_and(|it| is_ours(&it))
    {
        return Some(Refusal::ForeignHost);
    }
    let same_site = |it: &[u8]| matches!(it, b"same-origin" | b"none");
    let same_origin = |it: &[u8]| host.is_some_and(|host| it.strip_prefix(b"http://") == Some(host.as_bytes()));
    let foreign = head.fields.all(Known::SecFetchSite).any(|it| !same_site(it))
        || head.fields.all(Known::Origin).any(|it| !same_origin(it));
    foreign.then_some(Refusal::ForeignPage)
}

/// The origin that a CONNECT is for: the request-target says it. `Host` names the same host or, from some clients, the proxy.
///
/// # Errors
/// No port, anything but host and port, a third host in `Host`.
pub fn connect(head: &RequestHead, is_ours: impl Fn(&Authority) -> bool) -> Result<Arc<Origin>, Refusal> {
    let authority = Authority::parse_with_port(&head.target).map_err(|it| Refusal::Target(it.into()))?;
    let named = head.fields.first(Known::Host).and_then(|it| std::str::from_utf8(it).ok());
    let agrees = |host: &str| Authority::parse(host, authority.port).is_ok_and(|it| it.host == authority.host);
    let names_us = |host: &str| Authority::parse(host, 80).is_ok_and(|it| is_ours(&it));
    if named.is_some_and(|host| !agrees(host) && !names_us(host)) {
        return Err(Refusal::Invalid("CONNECT and its Host field name different hosts"));
    }
    Ok(Arc::new(Origin::new(Scheme::Https, authority)))
}

/// Everything that could be meant as path style, so that a misspelled URL is an error and not a path of ours. No path of
/// ours has a colon before its second slash.
fn is_url_like(path: &str) -> bool {
    let is_schemed =
        path.strip_prefix('/').and_then(|it| it.split(['/', '?']).next()).is_some_and(|it| it.contains(':'));
    is_schemed || path.starts_with("//") || path.get(..5).is_some_and(|it| it.eq_ignore_ascii_case("/http"))
}

#[cfg(test)]
mod tests {
    use http::Method;

    use crate::{
        exchange::Refusal,
        http1::head,
        proxy::classify::{Ingress, check_browser, classify, classify_inside, connect},
    };

    fn head_of(line: &str, fields: &str) -> crate::base::head::RequestHead {
        head::request(format!("{line} HTTP/1.1\r\n{fields}\r\n").into_bytes()).unwrap()
    }

    fn classified(line: &str) -> Result<String, u16> {
        let head = head_of(line, "Host: good\r\n");
        if head.method == Method::CONNECT {
            return connect(&head, |_| false).map(|it| format!("connect {}", it.authority)).map_err(|it| it.status());
        }
        match classify(&head, None) {
            Ok(Ingress::Control) => Ok("control".into()),
            Ok(Ingress::Path(target)) => Ok(format!("path {target}")),
            Ok(Ingress::Forward(target)) => Ok(format!("forward {target}")),
            Err(refusal) => Err(refusal.status()),
        }
    }

    #[test]
    fn every_form_is_told_apart() {
        for (line, expected) in [
            ("GET /health", Ok("control")),
            ("GET /https://h/x", Ok("path https://h/x")),
            ("GET /https:/h/x", Ok("path https://h/x")),
            ("GET /proxy/https://h/x", Ok("path https://h/x")),
            ("GET /proxy/health", Ok("control")),
            ("GET http://h/x", Ok("forward http://h/x")),
            ("GET https://h", Ok("forward https://h/")),
            ("OPTIONS https://h", Ok("forward https://h*")),
            ("OPTIONS /http:/h", Ok("path http://h*")),
            ("CONNECT good:443", Ok("connect good:443")),
            ("CONNECT good", Err(400)),
            ("CONNECT u@good:443", Err(400)),
            ("CONNECT http://good:443/x", Err(400)),
            ("CONNECT other:443", Err(400)),
            ("GET ftp://h/", Err(400)),
            ("GET //h", Err(400)),
            ("GET /https%3A%2F%2Fh/x", Err(400)),
            ("GET /https:///h/x", Err(400)),
            ("GET /ftp://h/x", Err(400)),
            ("GET /proxy/unix:/run/x", Err(400)),
            ("GET /v1/a:b", Ok("control")),
            ("OPTIONS *", Err(400)),
            ("TRACE /https://h/", Err(405)),
            ("TRACK http://h/", Err(405)),
            ("connect http://h/", Err(405)),
            ("GET http://127.1/", Err(403)),
        ] {
            assert_eq!(classified(line), expected.map(str::to_owned), "{line}");
        }
    }

    #[test]
    fn a_tunnel_carries_requests_for_its_own_host_only() {
        let origin = connect(&head_of("CONNECT good:443", "Host: good\r\n"), |_| false).unwrap();
        for (line, host, expected) in [
            ("GET /x", "good", Ok("https://good/x")),
            ("GET /x", "GOOD:443", Ok("https://good/x")),
            ("GET https://good/x", "good", Ok("https://good/x")),
            ("OPTIONS *", "good", Ok("https://good*")),
            ("OPTIONS https://good", "good", Ok("https://good*")),
            ("GET /x", "evil", Err(Refusal::Misdirected)),
            ("GET /x", "good:8443", Err(Refusal::Misdirected)),
            ("GET https://evil/x", "good", Err(Refusal::Misdirected)),
            ("GET http://good/x", "good", Err(Refusal::Misdirected)),
            ("CONNECT good:443", "good:443", Err(Refusal::Method)),
            ("TRACE /", "good", Err(Refusal::Method)),
        ] {
            let head = head_of(line, &format!("Host: {host}\r\n"));
            let target = classify_inside(&head, &origin).map(|it| it.to_string());
            assert_eq!(target, expected.map(str::to_owned), "{line} {host}");
        }
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let check = |line: &str, fields: &str| {
            let head = head_of(line, fields);
            let ingress = classify(&head, None).unwrap();
            check_browser(&head, &ingress, true, |it| it.host.to_string() == "127.0.0.1").map_err(|it| it.status())
        };
        let named = "Host: 127.0.0.1:7878\r\nX-Vultrino-Credential: a\r\n";
        assert_eq!(check("GET /https://h/", named), Ok(()));
        assert_eq!(check("GET /https://h/", "Host: attacker.com\r\nX-Vultrino-Credential: a\r\n"), Err(403));
        assert_eq!(check("GET /https://h/", &format!("{named}Origin: https://evil.test\r\n")), Err(403));
        assert_eq!(check("GET /https://h/", &format!("{named}Origin: null\r\n")), Err(403));
        assert_eq!(check("GET /https://h/", &format!("{named}Sec-Fetch-Site: cross-site\r\n")), Err(403));
        assert_eq!(check("GET /https://h/", &format!("{named}Origin: http://127.0.0.1:7878\r\n")), Ok(()));
        assert_eq!(check("OPTIONS /https://h/", "Host: 127.0.0.1\r\nOrigin: https://evil.test\r\n"), Err(400));
        assert_eq!(check("GET /health", "Host: 127.0.0.1\r\nOrigin: https://evil.test\r\n"), Err(403));
        assert_eq!(check("GET http://h/", "Host: h\r\nOrigin: https://evil.test\r\n"), Ok(()));
    }
}
