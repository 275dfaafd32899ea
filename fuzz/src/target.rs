//! URLs in each form that a request-target may have: judged and sent as one and the same.

use std::sync::Arc;

use http::Method;
use vultrino::base::{
    host::{Authority, Scheme},
    target::{Origin, Target},
};

use super::reference;

/// A URL is accepted if the slow reader accepts it, and read as the same, whatever its form.
pub fn target(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let read = Target::parse(text).ok();
    let slow = text.split_once("://").and_then(|(scheme, rest)| slow(scheme, rest));
    assert_eq!(read.as_ref().map(parts), slow, "the readers disagree about a URL");
    if let Some(target) = &read {
        unambiguous(target);
        assert_eq!(Target::parse_near(&Method::GET, text, Some(&target.origin)).as_ref(), Ok(target));
        assert_eq!(Target::parse_path_style(&Method::GET, &format!("/{text}"), None).as_ref(), Ok(target));
    }
    let path_style = Target::parse_path_style(&Method::GET, text, None).ok();
    let slow = text
        .strip_prefix('/')
        .and_then(|it| it.split_once(":/"))
        .and_then(|(scheme, rest)| slow_one_or_two(scheme, rest));
    assert_eq!(path_style.as_ref().map(parts), slow, "the readers disagree about path style");
    if let Some(target) = &path_style {
        unambiguous(target);
    }
    let origin = Arc::new(Origin::new(Scheme::Https, Authority::parse("origin.example", 443).unwrap()));
    for method in [Method::GET, Method::OPTIONS] {
        let within = Target::within(Arc::clone(&origin), &method, text).ok();
        let slow = if text == "*" && method == Method::OPTIONS { Some("*".to_owned()) } else { slow_path(text) };
        assert_eq!(within.as_ref().map(|it| it.path_and_query().to_owned()), slow, "the readers disagree about a path");
        assert!(within.is_none_or(|it| it.origin == origin));
    }
}

type Parts = (Scheme, (String, u16), String);

fn parts(target: &Target) -> Parts {
    let Origin { scheme, authority, .. } = &*target.origin;
    (*scheme, (authority.host.to_string(), authority.port), target.path_and_query().to_owned())
}

fn slow_one_or_two(scheme: &str, rest: &str) -> Option<Parts> {
    slow(scheme, rest.strip_prefix('/').unwrap_or(rest))
}

fn slow(scheme: &str, rest: &str) -> Option<Parts> {
    let scheme = match &*scheme.to_ascii_lowercase() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return None,
    };
    let default = if scheme == Scheme::Http { 80 } else { 443 };
    let rest = rest.split('#').next()?;
    let length = rest.chars().take_while(|it| !matches!(it, '/' | '?')).map(char::len_utf8).sum();
    let (authority, path) = rest.split_at(length);
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Some((scheme, reference::authority(authority, Some(default))?, slow_path(&path)?))
}

/// As it is sent.
fn slow_path(text: &str) -> Option<String> {
    let sent = text.split('#').next()?;
    let (path, query) = sent.split_once('?').unwrap_or((sent, ""));
    if path.contains(['<', '>', '`']) || query.contains(['"', '<', '>']) {
        return None;
    }
    let plain = sent.bytes().all(|it| it.is_ascii_graphic()) && reference::is_plain_path(path.as_bytes());
    plain.then(|| sent.to_owned())
}

/// What is shown, logged and matched reads as what is sent.
pub fn unambiguous(target: &Target) {
    assert_eq!(Target::parse(&target.to_string()).as_ref(), Ok(target), "a target is shown as another one");
    let origin = &target.origin;
    assert!(origin.is_named_by(origin.host_field().as_bytes()));
    assert!(origin.is_named_by(origin.authority.to_string().as_bytes()));
    let within = Target::within(Arc::clone(origin), &Method::GET, target.path_and_query());
    assert_eq!(within.as_ref(), Ok(target), "the origin server reads another path");
}
