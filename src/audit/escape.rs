//! Makes text that others chose harmless: printable ASCII that ends neither its field nor its line.

use std::borrow::Cow;

/// Stands where text was cut off. No escaped text contains it otherwise.
pub const CUT: &[u8] = b"\\...";

/// Hands `text` to `put` in pieces, with everything escaped that could end a field or a line, no more than `limit` bytes
/// in all. Where that is too little, it ends in [`CUT`].
pub fn escape(text: &[u8], limit: usize, mut put: impl FnMut(&[u8])) {
    if text.len() <= limit && text.iter().fold(0, |odd, b| odd | ODD[usize::from(*b)]) == 0 {
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

fn is_plain(b: u8) -> bool {
    ODD[usize::from(b)] == 0
}

/// 1 for bytes that are escaped. Looked up, since this is asked for every byte of every URL.
static ODD: [u8; 256] = {
    let mut odd = [1; 256];
    let mut b = b'!';
    while b <= b'~' {
        if !matches!(b, b'"' | b'\'' | b'\\') {
            odd[b as usize] = 0;
        }
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
    use crate::audit::escape::{escape, unescape};

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
