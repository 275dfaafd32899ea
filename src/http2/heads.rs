//! Heads of HTTP/2 messages to ours and back. The rules of [`crate::http1::head`] hold for them too, so that nothing that is
//! refused in one version slips through in the other.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header, request, response};

use crate::{
    base::{
        fields::{Fields, Known},
        head::{AnswerHead, Framing, RequestHead, Version},
        host::{Authority, Scheme},
        target::{LONGEST_TARGET, Target},
    },
    http1::{
        Refused, framing,
        head::{MOST_FIELDS, check_values, is_host},
        scan::LONGEST_HEAD,
    },
};

/// Reads a request head. The authority becomes its one `Host` field: `:authority`, or `host` where that is absent (RFC 9113
/// section 8.3.1). `ends` tells that no body follows.
///
/// # Errors
/// A scheme other than `https`, no authority, two that differ, several `host` fields, values that RFC 9113 section 8.2.1
/// forbids, and what HTTP/1 refuses too.
pub fn request(parts: request::Parts, ends: bool) -> Result<(RequestHead, Framing), Refused> {
    let request::Parts { method, uri, headers, .. } = parts;
    let authority = authority(&uri, &headers)?;
    let target = if method == Method::CONNECT && uri.scheme().is_none() {
        uri.authority().ok_or(Refused::Malformed("the authority is missing"))?.as_str()
    } else {
        // h2 has read the scheme, but keeps it only beside an authority.
        if uri.authority().is_some() && uri.scheme_str() != Some("https") {
            return Err(Refused::Malformed("the scheme is another than that of the connection"));
        }
        uri.path_and_query().ok_or(Refused::Malformed("the path is missing"))?.as_str()
    };
    if target.len() > LONGEST_TARGET {
        return Err(Refused::TargetTooLong);
    }
    if !target.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Refused::Malformed("the path holds bytes outside visible ASCII"));
    }
    if headers.len() > MOST_FIELDS {
        return Err(Refused::TooLarge);
    }
    let fields = fields(&headers, Some(authority), LONGEST_HEAD)?;
    let head = RequestHead { method, target: target.into(), version: Version::Http2, fields };
    let framing = match framing::of_request(&head)? {
        Framing::None if !ends => Framing::Chunked,
        framing => framing,
    };
    Ok((head, framing))
}

/// Reads an answer head, interim or final, with at most `most` bytes of fields. Blanks at the ends of values are dropped, as
/// over HTTP/1.1.
///
/// # Errors
/// As [`request`].
pub fn answer(parts: &response::Parts, method: &Method, most: usize) -> Result<(AnswerHead, Framing), Refused> {
    let mut head = AnswerHead::new(parts.status.as_u16());
    head.version = Version::Http2;
    head.fields = fields(&parts.headers, None, most)?;
    let framing = match framing::of_answer(&head, method)? {
        Framing::UntilClose => Framing::Chunked,
        framing => framing,
    };
    Ok((head, framing))
}

/// A request head for an origin server. `trailers` says that the caller takes them (`TE: trailers`). `None` where the
/// target's bytes would not all arrive as they were judged: such a request cannot be sent over HTTP/2.
pub fn to_request(
    method: &Method,
    target: &Target,
    fields: &Fields,
    framing: Framing,
    trailers: bool,
) -> Option<Request<()>> {
    let path = target.path_and_query();
    let origin = &target.origin;
    let uri = Uri::builder().scheme(origin.scheme.as_str()).authority(origin.host_field()).path_and_query(path);
    let uri = uri.build().ok().filter(|it| it.path_and_query().is_some_and(|it| it.as_str() == path))?;
    let mut headers = fields.to_map()?;
    write_length(&mut headers, framing);
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    let mut request = Request::new(());
    *request.version_mut() = http::Version::HTTP_2;
    (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (method.clone(), uri, headers);
    Some(request)
}

/// An answer head for a client; `None` where its fields cannot be told in HTTP/2.
pub fn to_response(head: &AnswerHead, framing: Framing) -> Option<Response<()>> {
    let mut headers = head.fields.to_map()?;
    write_length(&mut headers, framing);
    let mut response = Response::new(());
    *response.version_mut() = http::Version::HTTP_2;
    (*response.status_mut(), *response.headers_mut()) = (StatusCode::from_u16(head.status).ok()?, headers);
    Some(response)
}

/// Whom a request is for.
fn authority<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Result<&'a [u8], Refused> {
    let mut hosts = headers.get_all(header::HOST).iter().map(HeaderValue::as_bytes);
    match (uri.authority(), hosts.next(), hosts.next()) {
        (_, Some(_), Some(_)) => Err(Refused::Malformed("the Host field is repeated")),
        (None, None, _) => Err(Refused::Malformed("the authority is missing")),
        (None, Some(host), None) if is_host(host) => Ok(host),
        (None, Some(_), None) => Err(Refused::Malformed("the Host field is not a host and port")),
        (Some(authority), Some(host), None) if !names_the_same(authority.as_str(), host) => {
            Err(Refused::Malformed("the authority and the Host field differ"))
        }
        (Some(authority), ..) => Ok(authority.as_str().as_bytes()),
    }
}

/// Whether both are the same host and port.
fn names_the_same(authority: &str, host: &[u8]) -> bool {
    let parse = |text: &str| Authority::parse(text, Scheme::Https.default_port()).ok();
    authority.as_bytes() == host
        || std::str::from_utf8(host).is_ok_and(|host| parse(authority).is_some_and(|it| parse(host) == Some(it)))
}

/// The fields that `keep` says.
pub(crate) fn only(fields: &HeaderMap, keep: impl Fn(&HeaderName, &HeaderValue) -> bool) -> HeaderMap {
    let kept = fields.iter().filter(|(name, value)| keep(name, value));
    let mut only = HeaderMap::new();
    for (name, value) in kept {
        // There are no more of them than in the other map.
        drop(only.try_append(name.clone(), value.clone()));
    }
    only
}

fn write_length(headers: &mut HeaderMap, framing: Framing) {
    if let Framing::Length(length) = framing {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}

/// At most `most` bytes of them; those of a request behind its authority as `Host`. Cookies that were split into several fields become one again (RFC
/// 9113 section 8.2.3).
fn fields(headers: &HeaderMap, authority: Option<&[u8]>, most: usize) -> Result<Fields, Refused> {
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if size > most {
        return Err(Refused::TooLarge);
    }
    let room = size + authority.map_or(0, <[u8]>::len) + 32;
    let mut fields = Fields::over(Vec::with_capacity(room), headers.len() + 2);
    if let Some(authority) = authority {
        fields.append("Host", authority);
    }
    for (name, value) in headers {
        let sent = value.as_bytes();
        let value = sent.trim_ascii();
        if value.len() != sent.len() && authority.is_some() {
            return Err(Refused::Malformed("a field value has blanks at its ends"));
        }
        if name != header::COOKIE && !(name == header::HOST && authority.is_some()) {
            fields.append(name.as_str(), value);
        }
    }
    let crumbs = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
    let crumbs: Vec<_> = crumbs.filter(|it| !it.is_empty()).collect();
    if !crumbs.is_empty() {
        fields.append("cookie", &crumbs.join(&b"; "[..]));
    }
    if fields.iter().any(|it| matches!(it.known, Known::Connection | Known::TransferEncoding)) {
        return Err(Refused::Malformed("a field of HTTP/1 stands in HTTP/2"));
    }
    check_values(&fields)?;
    Ok(fields)
}
