//! Makes text that others chose harmless: printable ASCII that ends neither its field nor its line.

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
