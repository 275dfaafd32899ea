//! The Huffman code of HTTP/2 (RFC 7541 section 5.2), as far as it takes to know how long texts are and what short ones say.

/// How many codes of each length there are (RFC 7541 appendix B); the code is canonical.
const CODES: [usize; 31] =
    [0, 0, 0, 0, 0, 10, 26, 32, 6, 0, 5, 3, 2, 6, 2, 3, 0, 0, 0, 3, 8, 13, 26, 29, 12, 4, 15, 19, 29, 0, 4];
/// The characters of the codes of up to 15 bits, in their order: all of visible ASCII but the backslash.
const CHARACTERS: &[u8; 95] =
    b"012aceiost %-./3456789=A_bdfghlmnpru:BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz&*,;XZ!\"()?'+|#>\0$@[]~^}<`{";

/// A text in a block: its bytes, and whether they are in the code.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    /// As they were sent.
    pub bytes: &'a [u8],
    /// Whether they are in the code.
    pub is_coded: bool,
}

impl Text<'_> {
    /// The number of characters. Counted only where a table needs it: a coded text takes a step a bit.
    pub fn length(self) -> usize {
        if self.is_coded { codes(self.bytes).count() } else { self.bytes.len() }
    }

    /// Whether one of its characters may be an angle bracket, a quotation mark or a backtick; their codes begin with seven
    /// ones.
    pub fn may_hold_rare(self) -> bool {
        if !self.is_coded {
            return self.bytes.iter().any(|b| matches!(b, b'"' | b'<' | b'>' | b'`'));
        }
        let mut ones = 0;
        self.bytes.iter().any(|b| {
            let run = ones + b.leading_ones();
            ones = if *b == 0xff { run } else { b.trailing_ones() };
            // The end is filled up with ones, at most seven.
            run >= 7 || *b == 0xff
        })
    }

    /// What it says. What is not ASCII and no character of a URI may be replaced.
    pub fn decoded(self) -> String {
        if !self.is_coded {
            return String::from_utf8_lossy(self.bytes).into_owned();
        }
        let character = |place| CHARACTERS.get(place).copied().map_or(char::REPLACEMENT_CHARACTER, char::from);
        codes(self.bytes).map(character).collect()
    }
}

/// Of each character the place of its code among all. What fills up the end is none.
fn codes(text: &[u8]) -> impl Iterator<Item = usize> {
    let mut bits = text.iter().flat_map(|byte| (0..8).rev().map(move |at| usize::from(byte >> at & 1)));
    std::iter::from_fn(move || {
        let (mut code, mut first, mut place) = (0, 0, 0);
        for count in &CODES[1..] {
            code = code << 1 | bits.next()?;
            first <<= 1;
            if code < first + count {
                return Some(place + code - first);
            }
            first += count;
            place += count;
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use crate::http2::huffman::{CHARACTERS, Text};

    #[test]
    fn texts_are_read_and_counted() {
        for (coded, text) in [
            (&b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"[..], "www.example.com"),
            (b"\xa8\xeb\x10\x64\x9c\xbf", "no-cache"),
            (b"\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f", "custom-key"),
            (b"\x9d\x29\xad\x17\x18\x63\xc7\x8f\x0b\x97\xc8\xe9\xae\x82\xae\x43\xd3", "https://www.example.com"),
            (b"\xb9\x58\xd3\x3f", ":path"),
            (b"\xb9\x49\x53\x39\xe4", ":method"),
        ] {
            let coded = Text { bytes: coded, is_coded: true };
            assert_eq!((&*coded.decoded(), coded.length()), (text, text.len()));
            let plain = Text { bytes: text.as_bytes(), is_coded: false };
            assert_eq!((&*plain.decoded(), plain.length()), (text, text.len()));
        }
        let each_once: std::collections::BTreeSet<_> = CHARACTERS.iter().collect();
        assert_eq!(each_once.len(), 95);
    }

    /// As RFC 7541 appendix B has them, most significant bit first.
    const RARE: [(char, u32, u32); 4] = [('"', 0x3f9, 10), ('>', 0xffb, 12), ('<', 0x7ffc, 15), ('`', 0x7ffd, 15)];

    #[test]
    fn rare_characters_are_found_wherever_they_stand() {
        for (character, code, length) in RARE {
            for before in 0..9 {
                // A zero is five zeros.
                let bits = 5 * before + length;
                let filled = bits.next_multiple_of(8);
                let all = u128::from(code) << (filled - bits) | ((1 << (filled - bits)) - 1);
                let bytes = all.to_be_bytes();
                let text = Text { bytes: &bytes[16 - filled as usize / 8..], is_coded: true };
                assert!(text.may_hold_rare(), "{character} {before}");
                assert_eq!(text.decoded(), format!("{}{character}", "0".repeat(before as usize)));
            }
        }
        assert!(!Text { bytes: b"\x60\x7f", is_coded: true }.may_hold_rare());
    }
}
