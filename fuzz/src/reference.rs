//! RFC 9112, 9110 and 3986 read a second time: slowly, and with no code of the codec's. Knows the rules of the house that are
//! stricter, and the limits, too.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A head without its first line: names and values as they stand.
pub type Lines<'a> = Vec<(&'a [u8], &'a [u8])>;

/// Where the body of a message ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Length {
    Undeclared,
    Exactly(u64),
    Chunked,
}

/// The bytes up to and with the first empty line, cut into lines. None of them is folded, and CR and LF stand only at ends.
pub fn head(bytes: &[u8]) -> Option<(Vec<&[u8]>, usize)> {
    let end = bytes.windows(4).position(|it| it == b"\r\n\r\n")? + 4;
    if !is_token(&bytes[..1]) {
        return None;
    }
    let mut lines = Vec::new();
    let mut rest = &bytes[..end - 2];
    while !rest.is_empty() {
        let length = rest.iter().position(|it| *it == b'\r' || *it == b'\n')?;
        let line = &rest[..length];
        rest = rest[length..].strip_prefix(b"\r\n")?;
        if matches!(line.first(), Some(b' ' | b'\t')) {
            return None;
        }
        lines.push(line);
    }
    Some((lines, end))
}

/// Each a token, a colon and a value of visible bytes, blanks and tabs.
pub fn fields<'a>(lines: &[&'a [u8]]) -> Option<Lines<'a>> {
    lines.iter().map(|line| field(line)).collect()
}

fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|it| *it == b':')?;
    let (name, mut value) = (&line[..colon], &line[colon + 1..]);
    let visible = |it: &u8| matches!(it, b'\t' | b' '..=b'~' | 0x80..);
    if !is_token(name) || !value.iter().all(visible) {
        return None;
    }
    while let Some((b' ' | b'\t', rest)) = value.split_first() {
        value = rest;
    }
    while let Some((b' ' | b'\t', rest)) = value.split_last() {
        value = rest;
    }
    Some((name, value))
}

pub fn is_token(text: &[u8]) -> bool {
    let is_tchar = |it: &u8| it.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(it);
    !text.is_empty() && text.iter().all(is_tchar)
}

/// The values of a field.
pub fn values<'a>(lines: &Lines<'a>, name: &str) -> Vec<&'a [u8]> {
    lines.iter().filter(|(it, _)| it.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| *value).collect()
}

/// How the end is told, if it is told in one way only.
pub fn length(lines: &Lines<'_>, is_1_0: bool) -> Option<Length> {
    let (codings, lengths) = (values(lines, "transfer-encoding"), values(lines, "content-length"));
    match (&codings[..], &lengths[..]) {
        ([], []) => Some(Length::Undeclared),
        ([coding], []) if !is_1_0 && coding.eq_ignore_ascii_case(b"chunked") => Some(Length::Chunked),
        ([], [length]) if !length.is_empty() => {
            let mut sum: u64 = 0;
            for digit in *length {
                let digit = char::from(*digit).to_digit(10)?;
                sum = sum.checked_mul(10)?.checked_add(digit.into()).filter(|it| *it < 1 << 63)?;
            }
            Some(Length::Exactly(sum))
        }
        _ => None,
    }
}

/// A host in canonical form, if it is no number in disguise.
pub fn host(text: &str) -> Option<String> {
    let name = host_by_grammar(text)?;
    let last = name.rsplit('.').next()?;
    let is_number = match last.strip_prefix("0x") {
        Some(digits) => digits.chars().all(|it| it.is_ascii_hexdigit()),
        None => last.chars().all(|it| it.is_ascii_digit()),
    };
    (!is_number || name.parse::<Ipv4Addr>().is_ok()).then_some(name)
}

/// The same, whatever some programs take it for.
fn host_by_grammar(text: &str) -> Option<String> {
    if let Some(rest) = text.strip_prefix('[') {
        return Some(format!("[{}]", rest.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?));
    }
    let text = text.strip_suffix('.').unwrap_or(text);
    let inner = |it: char| matches!(it, 'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_');
    for label in text.split('.') {
        let edges = [label.chars().next()?, label.chars().next_back()?];
        if label.len() > 63 || edges.contains(&'-') || !label.chars().all(inner) {
            return None;
        }
    }
    (text.len() <= 253).then(|| text.to_ascii_lowercase())
}

/// A host in canonical form and its port.
pub fn authority(text: &str, default: Option<u16>) -> Option<(String, u16)> {
    let (name, port) = split(text, default)?;
    Some((host(name)?, port))
}

/// Whether a text is a host and a port, whatever some programs take it for.
pub fn is_authority(text: &str) -> bool {
    split(text, Some(80)).is_some_and(|(name, _)| host_by_grammar(name).is_some())
}

/// The colon before the port is the last one outside brackets.
fn split(text: &str, default: Option<u16>) -> Option<(&str, u16)> {
    match text.rsplit_once(':') {
        Some((name, digits)) if !digits.contains(']') => {
            let add = |sum: u32, it: char| Some((sum * 10 + it.to_digit(10)?).min(1 << 20));
            let number = digits.chars().try_fold(0, add)?;
            let plain = !digits.is_empty() && !digits.starts_with('0');
            Some((name, u16::try_from(number).ok().filter(|_| plain)?))
        }
        _ => Some((text, default?)),
    }
}

/// Whether a path (without its query) can be read in one way only.
pub fn is_plain_path(path: &[u8]) -> bool {
    if path.first() != Some(&b'/') || path.iter().any(|it| !it.is_ascii_graphic() || *it == b'\\') {
        return false;
    }
    // What every server takes for a slash is one; dots are dots however they are written.
    let (mut at, mut segments, mut segment) = (0, Vec::new(), Vec::new());
    while at < path.len() {
        let byte = match path[at] {
            b'%' => {
                let digits = path.get(at + 1..at + 3).and_then(|it| std::str::from_utf8(it).ok());
                let both = |it: &&str| it.bytes().all(|it| it.is_ascii_hexdigit());
                let Some(byte) = digits.filter(both).and_then(|it| u8::from_str_radix(it, 16).ok()) else {
                    return false;
                };
                at += 2;
                match byte {
                    0 => return false,
                    b'/' | b'\\' => b'/',
                    b'.' => b'.',
                    _ => b'%',
                }
            }
            byte => byte,
        };
        at += 1;
        if byte == b'/' { segments.push(std::mem::take(&mut segment)) } else { segment.push(byte) }
    }
    segments.push(segment);
    let name = |segment: &Vec<u8>| segment.iter().copied().take_while(|it| *it != b';').collect::<Vec<_>>();
    segments.iter().map(name).all(|it| it != b"." && it != b"..")
}
