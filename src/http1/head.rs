//! A complete head in raw bytes to a [`RequestHead`] or an [`AnswerHead`].

use std::mem::MaybeUninit;

use http::Method;
use smallvec::SmallVec;

use crate::{
    base::{
        fields::{Fields, Known},
        head::{AnswerHead, RequestHead, Version},
        host::{Authority, HostError},
        target::LONGEST_TARGET,
    },
    http1::{Refused, scan::LONGEST_HEAD},
};

/// Most fields in the head of a request.
pub const MOST_FIELDS: usize = 100;
/// Longest name of a field that HTTP/2 can carry too, in bytes.
const LONGEST_NAME: usize = u16::MAX as usize;

/// Reads a request head; `bytes` ends with the blank line and has passed [`crate::http1::scan::Scan`].
///
/// # Errors
/// Anything that RFC 9112 forbids, and a `Host` that is missing, doubled or no authority.
pub fn request(bytes: Vec<u8>) -> Result<RequestHead, Refused> {
    let mut slots = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let mut parsed = httparse::Request::new(&mut []);
    match httparse::ParserConfig::default().parse_request_with_uninit_headers(&mut parsed, &bytes, &mut slots) {
        Ok(httparse::Status::Complete(read)) if read == bytes.len() => {}
        Ok(_) => return Err(Refused::Malformed("the head does not end at its blank line")),
        Err(error) => return Err(refuse(error)),
    }
    let (Some(method), Some(target)) = (parsed.method, parsed.path) else {
        return Err(Refused::Malformed("the request line is incomplete"));
    };
    if target.len() > LONGEST_TARGET {
        return Err(Refused::TargetTooLong);
    }
    if !target.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Refused::Malformed("the request-target holds bytes outside visible ASCII"));
    }
    let version = version(parsed.version)?;
    let method = Method::from_bytes(method.as_bytes()).or(Err(Refused::Malformed("the method is no token")))?;
    let target = Box::from(target);
    let spans = spans(&bytes, parsed.headers);
    if spans.iter().map(|(name, value)| name.1 + value.1 + 4).sum::<usize>() > LONGEST_HEAD {
        return Err(Refused::TooLarge);
    }
    let fields = fields(bytes, &spans)?;
    check_host(&fields, version)?;
    Ok(RequestHead { method, target, version, fields })
}

/// Reads an answer head; `bytes` as for [`request`]. It may have as many fields as they hold.
///
/// # Errors
/// Anything that RFC 9112 forbids.
pub fn answer(bytes: Vec<u8>) -> Result<AnswerHead, Refused> {
    let mut slots = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let (mut head, spans) = match status_and_fields(&bytes, &mut slots) {
        Err(Refused::TooLarge) => {
            // No line holds more than one.
            let lines = memchr::memchr_iter(b'\n', &bytes).count();
            status_and_fields(&bytes, &mut vec![MaybeUninit::uninit(); lines])
        }
        usual => usual,
    }?;
    head.fields = fields(bytes, &spans)?;
    Ok(head)
}

type Spans = SmallVec<[Pair; 32]>;

/// A head that has no fields yet, and where they lie. [`Refused::TooLarge`] where there are more fields than slots.
fn status_and_fields<'a>(
    bytes: &'a [u8],
    slots: &mut [MaybeUninit<httparse::Header<'a>>],
) -> Result<(AnswerHead, Spans), Refused> {
    let mut parsed = httparse::Response::new(&mut []);
    match httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, bytes, slots) {
        Ok(httparse::Status::Complete(read)) if read == bytes.len() => {}
        Ok(_) => return Err(Refused::Malformed("the head does not end at its blank line")),
        Err(error) => return Err(refuse(error)),
    }
    let version = version(parsed.version)?;
    let status =
        parsed.code.filter(|it| *it >= 100).ok_or(Refused::Malformed("the status is no number from 100 on"))?;
    let reason = parsed.reason.unwrap_or("").as_bytes().into();
    let head = AnswerHead { status, reason, version, fields: Fields::default(), memory: None };
    Ok((head, spans(bytes, parsed.headers)))
}

type Pair = ((usize, usize), (usize, usize));

/// Where name and value lie in `bytes`, so that the parser's borrow can end.
fn spans(bytes: &[u8], headers: &[httparse::Header<'_>]) -> Spans {
    let base = bytes.as_ptr() as usize;
    let span = |part: &[u8]| (part.as_ptr() as usize - base, part.len());
    headers.iter().map(|it| (span(it.name.as_bytes()), span(it.value))).collect()
}

fn fields(bytes: Vec<u8>, spans: &[Pair]) -> Result<Fields, Refused> {
    let mut fields = Fields::over(bytes, spans.len() + 2);
    for (name, value) in spans {
        if name.1 > LONGEST_NAME {
            return Err(Refused::TooLarge);
        }
        fields.push_span(*name, *value);
    }
    check_values(&fields)?;
    Ok(fields)
}

/// Fields by which something is decided hold ASCII only.
///
/// # Errors
/// One of them holds other bytes.
pub fn check_values(fields: &Fields) -> Result<(), Refused> {
    let decides =
        |it: Known| matches!(it, Known::Host | Known::Authorization | Known::ProxyAuthorization | Known::Vultrino);
    if fields.iter().any(|it| decides(it.known) && !it.value.is_ascii()) {
        return Err(Refused::Malformed("a field that must be ASCII holds other bytes"));
    }
    Ok(())
}

fn version(minor: Option<u8>) -> Result<Version, Refused> {
    match minor {
        Some(0) => Ok(Version::Http10),
        Some(1) => Ok(Version::Http11),
        _ => Err(Refused::Malformed("the version is neither HTTP/1.0 nor HTTP/1.1")),
    }
}

/// RFC 9112 section 3.2: exactly one `Host` in HTTP/1.1, at most one in HTTP/1.0.
fn check_host(fields: &Fields, version: Version) -> Result<(), Refused> {
    let mut hosts = fields.all(Known::Host);
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host,
        (None, _) if version == Version::Http10 => return Ok(()),
        (None, _) => return Err(Refused::Malformed("the Host field is missing")),
        (Some(_), Some(_)) => return Err(Refused::Malformed("the Host field stands twice")),
    };
    if is_host(host) { Ok(()) } else { Err(Refused::Malformed("the Host field is not a host and port")) }
}

/// Whether this is a host and perhaps a port. By the grammar a disguised address is a name; whoever takes the host for
/// something judges that.
pub fn is_host(value: &[u8]) -> bool {
    matches!(std::str::from_utf8(value).map(Authority::check), Ok(Ok(()) | Err(HostError::Disguised)))
}

fn refuse(error: httparse::Error) -> Refused {
    match error {
        httparse::Error::TooManyHeaders => Refused::TooLarge,
        httparse::Error::HeaderName => Refused::Malformed("a field name is not a token"),
        httparse::Error::HeaderValue => Refused::Malformed("a field value holds a forbidden byte"),
        httparse::Error::NewLine => Refused::Malformed("a line does not end with CR LF"),
        httparse::Error::Status => Refused::Malformed("the status line is invalid"),
        httparse::Error::Token => Refused::Malformed("the request line is invalid"),
        httparse::Error::Version => Refused::Malformed("the version is neither HTTP/1.0 nor HTTP/1.1"),
    }
}

#[cfg(test)]
mod tests {
    use crate::http1::{Refused, head};

    fn request(lines: &str) -> Result<(), Refused> {
        head::request(format!("{lines}\r\n\r\n").into_bytes()).map(drop)
    }

    #[test]
    fn hosts_are_exactly_one_authority() {
        for host in [
            "",
            "Host:\r\n",
            "Host: a\r\nHost: a\r\n",
            "Host: a, b\r\n",
            "Host: a@b\r\n",
            "Host: a/b\r\n",
            "Host: a b\r\n",
        ] {
            assert!(request(&format!("GET / HTTP/1.1\r\n{host}X: y")).is_err(), "{host:?}");
        }
        assert_eq!(request("GET / HTTP/1.1\r\nHost: a:8080"), Ok(()));
        assert_eq!(request("CONNECT 127.1:443 HTTP/1.1\r\nHost: 127.1:443"), Ok(()));
        assert_eq!(request("GET / HTTP/1.0\r\nX: y"), Ok(()));
    }

    #[test]
    fn fields_follow_the_grammar() {
        for field in ["X : y", ": y", "X\u{0}: y", "X: a\u{0}b", "X", "X(: y"] {
            assert!(request(&format!("GET / HTTP/1.1\r\nHost: a\r\n{field}")).is_err(), "{field:?}");
        }
        let many = "\r\nX: y".repeat(101);
        assert_eq!(request(&format!("GET / HTTP/1.1\r\nHost: a{many}")), Err(Refused::TooLarge));
    }

    #[test]
    fn request_lines_follow_the_grammar() {
        for line in [
            "GET /",
            "GET  / HTTP/1.1",
            "GET / HTTP/2.0",
            "GET / HTTP/1.2",
            "G@T / HTTP/1.1",
            "GET /ü HTTP/1.1",
            "GET /\tx HTTP/1.1",
        ] {
            assert!(request(&format!("{line}\r\nHost: a")).is_err(), "{line:?}");
        }
    }

    #[test]
    fn answers_follow_the_grammar() {
        for (line, valid) in [
            ("HTTP/1.1 200 OK", true),
            ("HTTP/1.1 200", true),
            ("HTTP/1.0 999 what", true),
            ("HTTP/1.1 20 OK", false),
            ("HTTP/1.1 099 OK", false),
            ("HTTP/2 200 OK", false),
            ("ICY 200 OK", false),
        ] {
            assert_eq!(head::answer(format!("{line}\r\nX: y\r\n\r\n").into_bytes()).is_ok(), valid, "{line}");
        }
    }

    #[test]
    fn answers_have_as_many_fields_and_as_long_names_as_their_bytes_hold() {
        let long = "y".repeat(60_000);
        for fields in ["X: y\r\n".repeat(101), ":\r\n".repeat(3000).replace(':', "a:"), format!("{long}: z\r\n")] {
            let head = head::answer(format!("HTTP/1.1 200 OK\r\n{fields}\r\n").into_bytes()).unwrap();
            assert_eq!(head.fields.iter().count(), fields.lines().count());
        }
        let longer = format!("HTTP/1.1 200 OK\r\n{}: z\r\n\r\n", "y".repeat(65_536));
        assert_eq!(head::answer(longer.into_bytes()).err(), Some(Refused::TooLarge));
    }
}
