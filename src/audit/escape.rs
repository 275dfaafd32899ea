//! Makes text that others chose harmless: printable ASCII that ends neither its field nor its line.

use std::borrow::Cow;

/// Stands where text was cut off. No escaped text contains it otherwise.
pub const CUT: &[u8] = b"\\...";

/// Hands `text` to `put` in pieces, with everything escaped that could end a field or a line, no more than `limit` bytes
/// in all. Where that is too little, it ends in [`CUT`].
pub fn escape(text: &[u8], limit: usize, mut put: impl FnMut(&[u8])) {
    if text.len() <= limit && is_harmless(text) {
        return put(text);
    }
    let needed: usize = text.iter().map(|b| if is_plain(*b) { 1 } else { 4 }).sum();
    let limit = if needed <= limit { limit } else { limit.saturating_sub(CUT.len()) };
    let mut length = 0;
    for &b in text {
        let escape = [b'\\', b'x', hex(b >> 4), hex(b & 15)];
        let piece = if is_plain(b) { &[b][..] } else { &escape };
        if length + piece.len() > limit {
            return put(CUT);
        }
        put(piece);
        length += piece.len();
    }
}

/// The greatest length up to `limit` at which escaped text may be cut.
pub fn cut(escaped: &[u8], limit: usize) -> usize {
    let limit = limit.min(escaped.len());
    let recent = limit.saturating_sub(3);
    escaped[recent..limit].iter().position(|b| *b == b'\\').map_or(limit, |at| recent + at)
}

/// The smallest place from `start` on at which escaped text may begin.
fn begin(escaped: &[u8], start: usize) -> usize {
    let recent = start.saturating_sub(3);
    // A backslash begins four bytes.
    let split = escaped[recent..start].iter().rposition(|b| *b == b'\\').map(|at| recent + at + 4);
    split.map_or(start, |it| it.min(escaped.len()))
}

/// The two ends of escaped text, in at most `limit` bytes together; all of it where it is no longer.
pub fn ends(escaped: &[u8], limit: usize) -> (&[u8], &[u8]) {
    let limit = limit.min(escaped.len());
    let last = limit / 2;
    (&escaped[..cut(escaped, limit - last)], &escaped[begin(escaped, escaped.len() - last)..])
}

/// Whether nothing in it is escaped.
pub fn is_harmless(text: &[u8]) -> bool {
    // As many at once as a register holds; the last, shorter chunk is looked at with some before it once more.
    let odd = |chunk: &[u8; 16]| chunk.iter().fold(0, |odd, b| odd | oddity(*b));
    match text.last_chunk() {
        Some(last) => text.as_chunks().0.iter().fold(odd(last), |it, chunk| it | odd(chunk)) == 0,
        None => text.iter().fold(0, |odd, b| odd | ODD[usize::from(*b)]) == 0,
    }
}

fn is_plain(b: u8) -> bool {
    ODD[usize::from(b)] == 0
}

/// 1 for bytes that are escaped. Without a jump, so that it is found for many bytes at once.
const fn oddity(b: u8) -> u8 {
    (b < b'!') as u8 | (b > b'~') as u8 | (b == b'"') as u8 | (b == b'\'') as u8 | (b == b'\\') as u8
}

/// The same, looked up: quicker for one byte.
static ODD: [u8; 256] = {
    let mut odd = [1; 256];
    let mut b = 0;
    while b < 128 {
        odd[b as usize] = oddity(b);
        b += 1;
    }
    odd
};

/// A digit of base 16.
pub fn hex(digit: u8) -> u8 {
    if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }
}

/// The value of a digit that [`hex`] wrote.
pub fn unhex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// What [`escape`] was given; `…` where it cut.
pub fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut rest = text.as_bytes();
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some((first, after)) = rest.split_first() {
        if let [b'\\', b'x', high, low, after @ ..] = rest
            && let (Some(high), Some(low)) = (unhex(*high), unhex(*low))
        {
            bytes.push(high << 4 | low);
            rest = after;
        } else if let Some(after) = rest.strip_prefix(CUT) {
            bytes.extend_from_slice("…".as_bytes());
            rest = after;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use crate::audit::escape::{ends, escape, unescape};

    #[test]
    fn both_ends_of_a_text_hold_no_half_escape() {
        let text = b"ab\\x0acd\\xffef";
        for limit in 0..=text.len() {
            let (head, tail) = ends(text, limit);
            assert!(head.len() + tail.len() <= limit && head.len() + tail.len() + 6 >= limit, "{limit}");
            for end in [head, tail] {
                let mut pieces = str::from_utf8(end).unwrap().split('\\');
                assert!(!pieces.next().unwrap().contains('x'), "{limit}");
                assert!(pieces.all(|it| it.starts_with('x') && it.len() >= 3), "{limit}");
            }
        }
        assert_eq!(ends(text, 100), (&text[..7], &text[7..]));
    }

    #[test]
    fn what_was_escaped_is_read_back() {
        for text in ["", "plain", "a b", "\\x20", "\"'\\", "é…\r\n", "\\"] {
            let mut escaped = Vec::new();
            escape(text.as_bytes(), 100, |piece| escaped.extend_from_slice(piece));
            assert_eq!(unescape(str::from_utf8(&escaped).unwrap()), text);
        }
        assert_eq!(unescape("abc\\..."), "abc…");
        assert_eq!(unescape("\\xzz\\x2"), "\\xzz\\x2", "none of ours");
        assert_eq!(unescape("\\xff"), "\u{fffd}");
    }
}
