//! What a request head asks for: the target that was judged is the one that an origin server reads.

use std::sync::Arc;

use http::Method;
use vultrino::{
    base::{
        fields::{Fields, Known},
        head::{Framing, RequestHead, Version},
        host::{Authority, Scheme},
        target::{Origin, Target},
    },
    http1::{head, write},
    proxy::classify::{self as ours, Ingress},
};

use super::{heads::find, reference, target};

/// Any head, told apart at the listener and inside a tunnel to `origin.example`.
pub fn classify(bytes: &[u8]) {
    let Some(head) = find(bytes).and_then(|it| head::request(it.to_vec()).ok()) else { return };
    drop(ours::presented(&head));
    at_the_listener(&head);
    let origin = Arc::new(Origin::new(Scheme::Https, Authority::parse("origin.example", 443).unwrap()));
    inside(&head, &origin);
    if let Ok(opened) = ours::connect(&head, |it| it.port == 80) {
        let read = (opened.authority.host.to_string(), opened.authority.port);
        assert_eq!(reference::authority(&head.target, None), Some(read), "CONNECT leads elsewhere");
        assert_eq!(opened.scheme, Scheme::Https);
    }
}

fn at_the_listener(head: &RequestHead) {
    let Ok(ingress) = ours::classify(head, None) else { return };
    for keyless in [false, true] {
        drop(ours::check_browser(head, &ingress, keyless, |it| it.port == 80));
    }
    let spelled = match &ingress {
        Ingress::Control => return assert!(head.target.starts_with('/')),
        Ingress::Path(_) => {
            let path = head.target.strip_prefix("/proxy").unwrap_or(&head.target);
            let (scheme, rest) = path[1..].split_once(":/").unwrap();
            format!("{scheme}://{}", rest.strip_prefix('/').unwrap_or(rest))
        }
        Ingress::Forward(_) => head.target.to_string(),
    };
    let (Ingress::Path(target) | Ingress::Forward(target)) = &ingress else { return };
    let read = Target::parse_near(&head.method, &spelled, None);
    assert_eq!(read.as_ref(), Ok(target), "another target than the client's");
    if target.path_and_query() == "*" {
        assert_eq!(head.method, Method::OPTIONS);
    } else {
        target::unambiguous(target);
    }
    arrives(head, target);
}

fn inside(head: &RequestHead, origin: &Arc<Origin>) {
    let Ok(target) = ours::classify_inside(head, origin) else { return };
    assert_eq!(target.origin, *origin, "a tunnel leads elsewhere");
    let hosts: Vec<&[u8]> = head.fields.all(Known::Host).collect();
    assert!(hosts.len() == 1 || head.version == Version::Http10);
    for host in hosts {
        let named = reference::authority(std::str::from_utf8(host).unwrap(), Some(443));
        assert_eq!(named, Some(("origin.example".to_owned(), 443)));
    }
    arrives(head, &target);
}

/// What is written for the origin server is read there as the target that was judged, and by nobody as a tunnel or an echo.
fn arrives(head: &RequestHead, target: &Target) {
    let method = head.method.as_str().to_ascii_uppercase();
    assert!(!["TRACE", "TRACK", "CONNECT"].contains(&&*method), "{method} goes up");
    let (path, host) = (target.path_and_query(), target.origin.host_field());
    let written =
        write::request(&head.method, path, host, [&Fields::default()], Framing::None, write::Ending::default());
    let read = head::request(written).unwrap();
    if path == "*" {
        return assert_eq!(head.method, Method::OPTIONS);
    }
    let there = ours::classify_inside(&read, &target.origin);
    assert_eq!(there.as_ref().ok(), Some(target), "the origin server reads another target");
}
