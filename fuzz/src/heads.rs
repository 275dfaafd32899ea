//! Heads of HTTP/1 messages: found, read, framed, written, and read again.

use http::Method;
use vultrino::{
    base::{
        fields::{Fields, Known},
        head::{AnswerHead, Framing, RequestHead, Version},
    },
    http1::{framing, head, scan::Scan, write},
};

use super::reference::{self, Length, Lines};

/// The head that `bytes` begin with, found in the same place however they are cut.
pub fn find(bytes: &[u8]) -> Option<&[u8]> {
    let whole = Scan::default().advance(bytes);
    let mut scan = Scan::default();
    let piecemeal = (0..=bytes.len()).map(|end| scan.advance(&bytes[..end])).find(|it| *it != Ok(None));
    assert_eq!(piecemeal.unwrap_or(Ok(None)), whole, "the end depends on how the bytes are cut");
    whole.ok().flatten().map(|end| &bytes[..end])
}

/// A head is accepted if the slow reader accepts it, and read as the same; what is written of it reads as the same again.
pub fn request_head(bytes: &[u8]) {
    let found = find(bytes);
    let expected = slow_request(bytes);
    let read = found.and_then(|it| head::request(it.to_vec()).ok());
    let read = read.and_then(|head| framing::of_request(&head).ok().map(|framing| (head, framing)));
    let (Some((head, framing)), Some(expected)) = (&read, &expected) else {
        assert_eq!(read.is_some(), expected.is_some(), "the readers disagree: {read:?} {expected:?}");
        return;
    };
    assert_eq!(found.map(<[u8]>::len), Some(expected.length), "the readers see different ends");
    assert_eq!(head.method.as_str().as_bytes(), expected.start[0]);
    assert_eq!(head.target.as_bytes(), expected.start[1]);
    assert_eq!(head.version == Version::Http10, expected.is_1_0);
    assert_eq!(listed(&head.fields), spelled(&expected.fields));
    assert_eq!(*framing, framed(expected.framing, Framing::None));
    rewrite_request(head, *framing);
}

/// As for requests.
pub fn answer_head(bytes: &[u8]) {
    let found = find(bytes);
    let expected = slow_answer(bytes);
    for method in [Method::GET, Method::HEAD] {
        let read = found.and_then(|it| head::answer(it.to_vec()).ok());
        let read = read.and_then(|head| framing::of_answer(&head, &method).ok().map(|framing| (head, framing)));
        let (Some((head, framing)), Some(expected)) = (&read, &expected) else {
            assert_eq!(read.is_some(), expected.is_some(), "the readers disagree: {read:?} {expected:?}");
            return;
        };
        assert_eq!(found.map(<[u8]>::len), Some(expected.length), "the readers see different ends");
        assert_eq!(head.status.to_string().as_bytes(), expected.start[0]);
        assert_eq!(&*head.reason, expected.start[1]);
        assert_eq!(head.version == Version::Http10, expected.is_1_0);
        assert_eq!(listed(&head.fields), spelled(&expected.fields));
        let bodiless = method == Method::HEAD || matches!(head.status, 100..=199 | 204 | 304);
        let whole = framed(expected.framing, Framing::UntilClose);
        assert_eq!(*framing, if bodiless { Framing::None } else { whole });
        rewrite_answer(head, *framing);
    }
}

/// Both as they were read.
pub struct Slow<'a> {
    start: [&'a [u8]; 2],
    is_1_0: bool,
    fields: Lines<'a>,
    pub framing: Length,
    pub length: usize,
}

impl std::fmt::Debug for Slow<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {:?}", self.start.map(String::from_utf8_lossy), self.framing)
    }
}

/// As the slow reader has it.
pub fn slow_request(bytes: &[u8]) -> Option<Slow<'_>> {
    let (lines, length) = reference::head(bytes)?;
    let (start, rest) = lines.split_first()?;
    let words: Vec<&[u8]> = start.split(|it| *it == b' ').collect();
    let [method, target, version] = words[..] else { return None };
    let is_1_0 = slow_version(version)?;
    if !reference::is_token(method) || target.is_empty() || !target.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    let fields = reference::fields(rest).filter(|it| it.len() <= head::MOST_FIELDS)?;
    match &reference::values(&fields, "host")[..] {
        [] if is_1_0 => {}
        // Who takes it for something judges what it is.
        [host] if std::str::from_utf8(host).is_ok_and(reference::is_authority) => {}
        _ => return None,
    }
    let framing = reference::length(&fields, is_1_0)?;
    slow_ascii(&fields).then_some(Slow { start: [method, target], is_1_0, fields, framing, length })
}

fn slow_answer(bytes: &[u8]) -> Option<Slow<'_>> {
    let (lines, length) = reference::head(bytes)?;
    let (start, rest) = lines.split_first()?;
    let (version, rest_of_line) = start.split_at_checked(8)?;
    let (status, reason) = rest_of_line.strip_prefix(b" ")?.split_at_checked(3)?;
    let reason = if reason.is_empty() { reason } else { reason.strip_prefix(b" ")? };
    let is_1_0 = slow_version(version)?;
    let visible = |it: &u8| matches!(it, b'\t' | b' '..=b'~' | 0x80..);
    if !status.iter().all(u8::is_ascii_digit) || status[0] == b'0' || !reason.iter().all(visible) {
        return None;
    }
    // What is not ASCII in it cannot be said in one encoding, and means nothing.
    let reason = if reason.is_ascii() { reason } else { b"" };
    let fields = reference::fields(rest)?;
    let framing = reference::length(&fields, is_1_0)?;
    slow_ascii(&fields).then_some(Slow { start: [status, reason], is_1_0, fields, framing, length })
}

fn slow_version(text: &[u8]) -> Option<bool> {
    match text {
        b"HTTP/1.0" => Some(true),
        b"HTTP/1.1" => Some(false),
        _ => None,
    }
}

/// Fields by which something is decided.
fn slow_ascii(fields: &Lines<'_>) -> bool {
    fields.iter().all(|(name, value)| {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        let decides = ["host", "authorization", "proxy-authorization"].contains(&&*name)
            || (name.replace('_', "-").starts_with("x-vultrino-") && name.len() >= 11);
        !decides || value.is_ascii()
    })
}

/// Name and value.
type Listed = Vec<(Vec<u8>, Vec<u8>)>;

fn listed(fields: &Fields) -> Listed {
    fields.iter().map(|it| (it.name.to_vec(), it.value.to_vec())).collect()
}

fn spelled(lines: &Lines<'_>) -> Listed {
    lines.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
}

fn framed(length: Length, undeclared: Framing) -> Framing {
    match length {
        Length::Undeclared => undeclared,
        Length::Exactly(length) => Framing::Length(length),
        Length::Chunked => Framing::Chunked,
    }
}

/// The fields that the codec does not write itself.
pub fn others(fields: &Fields) -> Fields {
    let mut rest = Fields::default();
    for field in fields.iter() {
        if !matches!(field.known, Known::Host | Known::ContentLength | Known::TransferEncoding) {
            rest.append(std::str::from_utf8(field.name).unwrap(), field.value);
        }
    }
    rest
}

/// Whether those that the codec writes are too many for it to read.
pub fn is_full(fields: &Fields) -> bool {
    fields.iter().count() + 2 > head::MOST_FIELDS
}

/// What goes up is one head and no more, and says what was read.
fn rewrite_request(head: &RequestHead, framing: Framing) {
    let host = head.fields.first(Known::Host).map_or("origin", |it| std::str::from_utf8(it).unwrap());
    let fields = others(&head.fields);
    if is_full(&fields) {
        return;
    }
    let written = write::request(&head.method, &head.target, host, [&fields], framing, write::Ending::default());
    assert_eq!(find(&written).map(<[u8]>::len), Some(written.len()), "more than one head was written");
    let again = head::request(written).unwrap();
    assert_eq!((&again.method, &again.target), (&head.method, &head.target));
    assert_eq!(again.fields.all(Known::Host).collect::<Vec<_>>(), [host.as_bytes()]);
    assert_eq!(listed(&others(&again.fields)), listed(&fields));
    assert_eq!(framing::of_request(&again), Ok(framing));
}

fn rewrite_answer(head: &AnswerHead, framing: Framing) {
    for last in [false, true] {
        let mut plain = AnswerHead::new(head.status);
        plain.reason.clone_from(&head.reason);
        plain.fields = others(&head.fields);
        if is_full(&plain.fields) {
            return;
        }
        let written = write::answer(&plain, framing, last);
        assert_eq!(find(&written).map(<[u8]>::len), Some(written.len()), "more than one head was written");
        let again = head::answer(written).unwrap();
        assert_eq!((again.status, &again.reason), (head.status, &head.reason));
        let mut expected = listed(&plain.fields);
        if last {
            expected.push((b"Connection".to_vec(), b"close".to_vec()));
            assert!(again.fields.closes());
        }
        assert_eq!(listed(&others(&again.fields)), expected);
        if framing != Framing::None {
            assert_eq!(framing::of_answer(&again, &Method::GET).unwrap_or(framing), framing);
        }
    }
}
