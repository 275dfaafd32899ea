//! Heads of HTTP/2 messages: what is accepted there holds to the rules of HTTP/1 too.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method, Request, Uri};
use vultrino::{
    base::{
        fields::{Fields, Known},
        head::Framing,
        host::{Authority, Scheme},
        target::{Origin, Target},
    },
    http1::{head, write},
    http2::heads,
};

use super::{
    heads::{find, is_full, others},
    reference,
};

/// Lines: a method, a URI, and fields, as the `h2` crate gives them. What is accepted can be written in HTTP/1 as one head
/// that says the same, and comes back from HTTP/2 as it went in.
pub fn http2_head(bytes: &[u8]) {
    let mut lines = bytes.split(|it| *it == b'\n');
    let (Some(method), Some(uri)) = (lines.next(), lines.next()) else { return };
    let (Ok(method), Ok(uri)) = (Method::from_bytes(method), Uri::try_from(uri)) else { return };
    let mut request = Request::new(());
    (*request.method_mut(), *request.uri_mut()) = (method, uri);
    for line in lines {
        let colon = line.iter().skip(1).position(|it| *it == b':').map_or(line.len(), |it| it + 1);
        let (name, value) = line.split_at(colon);
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value.get(1..).unwrap_or(b"")))
        {
            request.headers_mut().append(name, value);
        }
    }
    for ends in [true, false] {
        let (parts, ()) = request.clone().into_parts();
        if let Ok((head, framing)) = heads::request(parts, ends) {
            assert!(ends || framing != Framing::None, "a body is forgotten");
            assert!(framing != Framing::UntilClose);
            in_http1(&head.method, &head.target, &head.fields, framing);
            in_http2(&head.method, &head.target, &head.fields, framing);
        }
    }
}

/// The fields that go on.
fn passed(fields: &Fields) -> Fields {
    let mut rest = Fields::default();
    for field in fields.iter() {
        if !matches!(field.known, Known::Host | Known::ContentLength | Known::HopByHop) {
            rest.append(std::str::from_utf8(field.name).unwrap(), field.value);
        }
    }
    rest
}

fn listed(fields: &Fields) -> Vec<(&[u8], &[u8])> {
    fields.iter().map(|it| (it.name, it.value)).collect()
}

fn in_http1(method: &Method, path: &str, fields: &Fields, framing: Framing) {
    let fields = passed(fields);
    if is_full(&fields) {
        return;
    }
    let written = write::request(method, path, "origin.example", [&fields], framing, write::Ending::default());
    assert_eq!(find(&written).map(<[u8]>::len), Some(written.len()), "more than one head was written");
    let read = head::request(written).unwrap();
    assert_eq!((&read.method, &*read.target), (method, path));
    assert_eq!(read.fields.all(Known::Host).count(), 1);
    assert_eq!(listed(&others(&read.fields)), listed(&fields));
    assert!(fields.iter().all(|it| reference::is_token(it.name)));
}

fn in_http2(method: &Method, path: &str, fields: &Fields, framing: Framing) {
    let origin = Arc::new(Origin::new(Scheme::Https, Authority::parse("origin.example", 443).unwrap()));
    let Ok(target) = Target::within(origin, method, path) else { return };
    let fields = passed(fields);
    let Some(sent) = heads::to_request(method, &target, &fields, framing, false) else { return };
    let (parts, ()) = sent.into_parts();
    let (head, again) = heads::request(parts, framing == Framing::None).unwrap();
    assert_eq!((&head.method, &*head.target, again), (method, target.path_and_query(), framing));
    assert_eq!(head.fields.all(Known::Host).collect::<Vec<_>>(), [b"origin.example"]);
    let mut arrived: Vec<_> = passed(&head.fields).iter().map(|it| (it.name.to_vec(), it.value.to_vec())).collect();
    let mut expected: Vec<_> = fields.iter().map(|it| (it.name.to_ascii_lowercase(), it.value.to_vec())).collect();
    arrived.sort();
    expected.sort();
    assert_eq!(arrived, expected);
}
