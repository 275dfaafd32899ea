//! The chunked transfer coding: read to the same end however it is cut, and as the slow reader reads it.

use http::HeaderMap;
use vultrino::http1::chunked::{Decoder, Step};

use super::reference;

/// Body, trailers that go on, and how many bytes belong to the message.
pub type Decoded = (Vec<u8>, Vec<(String, Vec<u8>)>, usize);

/// A message is accepted if the slow reader accepts it, and read as the same; what is written of it reads as the same again.
pub fn chunked(bytes: &[u8]) {
    let whole = decode(bytes, bytes.len().max(1));
    for by in [1, 7] {
        assert_eq!(decode(bytes, by), whole, "the message depends on how the bytes are cut");
    }
    let expected = slow(bytes);
    let read = whole.ok();
    assert_eq!(read, expected, "the readers disagree");
    let Some((body, trailers, _)) = read else { return };
    let mut again = Vec::new();
    for chunk in body.chunks(5) {
        again.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
        again.extend_from_slice(chunk);
        again.extend_from_slice(b"\r\n");
    }
    again.extend_from_slice(b"0\r\n");
    for (name, value) in &trailers {
        again.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    again.extend_from_slice(b"\r\n");
    let length = again.len();
    assert_eq!(decode(&again, length), Ok((body, trailers, length)));
}

/// Decodes with a window that grows by so many bytes where more are needed.
fn decode(bytes: &[u8], by: usize) -> Result<Decoded, &'static str> {
    let (mut decoder, mut body, mut at, mut end) = (Decoder::default(), Vec::new(), 0, 0);
    loop {
        let step = decoder.step(&bytes[at..end])?;
        match step {
            Step::Skip(count) => at += count,
            Step::Data(left) if at < end => {
                let count = usize::try_from(left).unwrap_or(usize::MAX).min(end - at);
                body.extend_from_slice(&bytes[at..at + count]);
                decoder.took(count);
                at += count;
            }
            Step::End(count, trailers) => return Ok((body, listed(&trailers), at + count)),
            Step::More | Step::Data(_) if end == bytes.len() => return Err("incomplete"),
            Step::More | Step::Data(_) => end = (end + by).min(bytes.len()),
        }
        assert!(at <= end, "the decoder takes more than there is");
    }
}

fn listed(trailers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let mut listed: Vec<_> =
        trailers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect();
    listed.sort();
    listed
}

/// As the slow reader has it.
pub fn slow(bytes: &[u8]) -> Option<Decoded> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let length = bytes[at..].iter().position(|it| *it == b'\n').filter(|it| *it < 512)?;
        let line = bytes[at..at + length].strip_suffix(b"\r")?;
        at += length + 1;
        let size = slow_size(line)?;
        if size == 0 {
            break;
        }
        let end = at.checked_add(usize::try_from(size).ok()?)?;
        body.extend_from_slice(bytes.get(at..end)?);
        at = end + bytes[end..].starts_with(b"\r\n").then_some(2)?;
    }
    let rest = &bytes[at..];
    if rest.starts_with(b"\r\n") {
        return Some((body, Vec::new(), at + 2));
    }
    let (lines, length) = reference::head(rest).filter(|(lines, length)| lines.len() <= 32 && *length <= 8192)?;
    let mut trailers: Vec<_> = reference::fields(&lines)?
        .iter()
        .map(|(name, value)| (String::from_utf8_lossy(name).to_ascii_lowercase(), value.to_vec()))
        .filter(|(name, _)| slow_may_trail(name))
        .collect();
    trailers.sort();
    Some((body, trailers, at + length))
}

/// One to sixteen hexadecimal digits; behind them nothing, or a semicolon and visible text with its quotes closed.
fn slow_size(line: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(line).ok()?;
    let (digits, extension) = text.split_at(text.find(';').unwrap_or(text.len()));
    let visible = extension.chars().all(|it| matches!(it, '\t' | ' '..='~'));
    let closed = extension.matches('"').count() % 2 == 0;
    let plain = (1..=16).contains(&digits.len()) && digits.chars().all(|it| it.is_ascii_hexdigit());
    let size = u64::from_str_radix(digits, 16).ok().filter(|it| *it < 1 << 63)?;
    (plain && visible && closed).then_some(size)
}

/// What could change how the message was framed, routed, authorised or decoded stays behind.
fn slow_may_trail(name: &str) -> bool {
    const NEVER: &str = "authorization cache-control connection content-encoding content-length content-range content-type \
                         cookie expect host http2-settings keep-alive max-forwards origin range sec-fetch-site set-cookie te \
                         trailer transfer-encoding upgrade via www-authenticate";
    let folded = name.replace('_', "-");
    let twin = ["content-length", "transfer-encoding"].contains(&&*folded);
    NEVER.split(' ').all(|it| it != name)
        && !twin
        && !folded.starts_with("proxy-")
        && !folded.starts_with("x-vultrino-")
}
