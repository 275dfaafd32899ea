//! Follows the field sections that a client sends, below h2, which does not report two things about them: how much of a
//! section has come that is not finished, and pseudo-fields in trailers, which make a request malformed (RFC 9113 section
//! 8.1) and which h2 drops. Sections are decoded only as far as the second takes (RFC 7541): which entries of the dynamic
//! table are pseudo-fields, and how large they are.

use std::collections::VecDeque;

/// What a client sends first (RFC 9113 section 3.4), in bytes.
const PREFACE: usize = 24;
/// The head of a frame (RFC 9113 section 4.1), in bytes.
const FRAME_HEAD: usize = 9;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 32;
/// How large the dynamic table may be, since our settings do not say otherwise (RFC 9113 section 6.5.2).
const TABLE: usize = 4096;
/// What an entry takes besides its name and value (RFC 7541 section 4.1).
const OVERHEAD: usize = 32;
/// How long the names of the static table are (RFC 7541 appendix A).
const STATIC: [u8; 61] = [
    10, 7, 7, 5, 5, 7, 7, 7, 7, 7, 7, 7, 7, 7, 14, 15, 15, 13, 6, 27, 3, 5, 13, 13, 19, 16, 16, 14, 16, 13, 12, 6, 4,
    4, 6, 7, 4, 4, 8, 17, 13, 8, 19, 13, 4, 8, 12, 18, 19, 5, 7, 7, 11, 6, 10, 25, 17, 10, 4, 3, 16,
];
/// The last entry of the static table that is a pseudo-field.
const LAST_PSEUDO: usize = 14;
/// How many codes of each length there are (RFC 7541 appendix B); the code is canonical.
const CODES: [u32; 31] =
    [0, 0, 0, 0, 0, 10, 26, 32, 6, 0, 5, 3, 2, 6, 2, 3, 0, 0, 0, 3, 8, 13, 26, 29, 12, 4, 15, 19, 29, 0, 4];

/// A text in a block: its bytes, and whether they are in the Huffman code.
#[derive(Clone, Copy)]
struct Text<'a> {
    bytes: &'a [u8],
    is_coded: bool,
}

/// The name of a literal field: of a table, which knows its length, or in words.
struct Name<'a> {
    text: Option<Text<'a>>,
    len: usize,
    is_pseudo: bool,
}

/// Follows what one client sends.
#[derive(Debug)]
pub struct Watch {
    /// Bytes to pass over before the next frame.
    skip: usize,
    /// As much of a frame's head as has come.
    head: Vec<u8>,
    /// Bytes of a header block that are still to come in this frame.
    left: usize,
    /// The block so far, padding and priority included.
    block: Vec<u8>,
    /// Whether a block has begun and not ended.
    open: bool,
    /// Flags of the frame that the block began with, and its stream.
    began: (u8, u32),
    /// Whether the block ends with this frame.
    ends: bool,
    /// The last stream that a head has come on.
    last: u32,
    table: Table,
}

/// The dynamic table.
#[derive(Debug)]
struct Table {
    entries: VecDeque<Entry>,
    size: usize,
    most: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    name: usize,
    size: usize,
    is_pseudo: bool,
}

/// Of a connection whose client has not sent anything yet.
impl Default for Watch {
    fn default() -> Self {
        let table = Table { entries: VecDeque::new(), size: 0, most: TABLE };
        let (head, block) = (Vec::new(), Vec::new());
        Self { skip: PREFACE, head, left: 0, block, open: false, began: (0, 0), ends: false, last: 0, table }
    }
}

impl Watch {
    /// Bytes of a block that has begun and not ended, the head of its first frame included; 0 if there is none.
    pub fn unfinished(&self) -> usize {
        if self.open { FRAME_HEAD + self.block.len() } else { 0 }
    }

    /// Reads on; whether trailers with a pseudo-field have come.
    pub fn finds(&mut self, mut bytes: &[u8]) -> bool {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let taken = self.left.min(bytes.len());
            self.left -= taken;
            self.block.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.left == 0 && self.ends && self.block_is_malformed() {
                return true;
            }
            if bytes.is_empty() {
                return false;
            }
            let taken = (FRAME_HEAD - self.head.len()).min(bytes.len());
            self.head.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.head.len() == FRAME_HEAD {
                self.begin();
            }
        }
    }

    /// A frame begins.
    fn begin(&mut self) {
        let length = usize::from(self.head[0]) << 16 | usize::from(self.head[1]) << 8 | usize::from(self.head[2]);
        let (kind, flags) = (self.head[3], self.head[4]);
        let stream = self.head[5..].iter().fold(0, |all, it| all << 8 | u32::from(*it)) & 0x7fff_ffff;
        self.head.clear();
        if !matches!(kind, HEADERS | CONTINUATION) {
            self.skip = length;
            return;
        }
        if kind == HEADERS {
            self.block.clear();
            self.began = (flags, stream);
            self.open = true;
        }
        (self.left, self.ends) = (length, flags & END_HEADERS != 0);
    }

    /// A header block has come to its end. What is malformed otherwise is for h2 to refuse.
    fn block_is_malformed(&mut self) -> bool {
        (self.ends, self.open) = (false, false);
        let (block, (flags, stream)) = (std::mem::take(&mut self.block), self.began);
        let (padding, rest) = match block.split_first() {
            Some((padding, rest)) if flags & PADDED != 0 => (usize::from(*padding), rest),
            _ => (0, &*block),
        };
        let from = if flags & PRIORITY == 0 { 0 } else { 5 };
        let fields = rest.len().checked_sub(padding).and_then(|end| rest.get(from..end)).unwrap_or_default();
        let has_pseudo = self.table.read(fields).unwrap_or(false);
        let trails = stream <= self.last;
        self.last = self.last.max(stream);
        trails && has_pseudo
    }
}

impl Table {
    /// Whether there is a pseudo-field in this block; `None` where it follows no grammar.
    fn read(&mut self, mut block: &[u8]) -> Option<bool> {
        let mut found = false;
        while let Some(first) = block.first() {
            match first {
                0x80.. => found |= self.entry(integer(&mut block, 7)?)?.is_pseudo,
                0x40..0x80 => {
                    let (name, value) = self.literal(&mut block, 6)?;
                    found |= name.is_pseudo;
                    let name_len = name.text.map_or(name.len, Text::length);
                    let size = name_len + value.length() + OVERHEAD;
                    self.insert(Entry { name: name_len, size, is_pseudo: name.is_pseudo });
                }
                0x20..0x40 => {
                    self.most = integer(&mut block, 5)?;
                    self.evict(0);
                }
                _ => found |= self.literal(&mut block, 4)?.0.is_pseudo,
            }
        }
        Some(found)
    }

    fn literal<'a>(&self, block: &mut &'a [u8], bits: u32) -> Option<(Name<'a>, Text<'a>)> {
        let name = match integer(block, bits)? {
            0 => {
                let text = string(block)?;
                // The code of a colon has seven bits.
                let colon = |it: &u8| if text.is_coded { it >> 1 == 0b101_1100 } else { *it == b':' };
                Name { text: Some(text), len: 0, is_pseudo: text.bytes.first().is_some_and(colon) }
            }
            at => self.entry(at).map(|it| Name { text: None, len: it.name, is_pseudo: it.is_pseudo })?,
        };
        Some((name, string(block)?))
    }

    fn entry(&self, at: usize) -> Option<Entry> {
        match STATIC.get(at.checked_sub(1)?) {
            Some(name) => Some(Entry { name: usize::from(*name), size: 0, is_pseudo: at <= LAST_PSEUDO }),
            None => self.entries.get(at - STATIC.len() - 1).copied(),
        }
    }

    fn insert(&mut self, entry: Entry) {
        self.evict(entry.size);
        if entry.size <= self.most {
            self.size += entry.size;
            self.entries.push_front(entry);
        }
    }

    /// Makes room for this much more (RFC 7541 section 4.4).
    fn evict(&mut self, more: usize) {
        while self.size + more > self.most
            && let Some(oldest) = self.entries.pop_back()
        {
            self.size -= oldest.size;
        }
    }
}

/// RFC 7541 section 5.1, with a prefix of this many bits.
fn integer(block: &mut &[u8], bits: u32) -> Option<usize> {
    let (first, mut rest) = block.split_first()?;
    let mask = (1 << bits) - 1;
    let mut value = usize::from(*first) & mask;
    if value == mask {
        for shift in (0..).step_by(7).take(4) {
            let (next, behind) = rest.split_first()?;
            rest = behind;
            value += (usize::from(*next) & 0x7f) << shift;
            if next & 0x80 == 0 {
                *block = rest;
                return Some(value);
            }
        }
        return None;
    }
    *block = rest;
    Some(value)
}

/// RFC 7541 section 5.2.
fn string<'a>(block: &mut &'a [u8]) -> Option<Text<'a>> {
    let is_coded = block.first()? & 0x80 != 0;
    let length = integer(block, 7)?;
    let (bytes, rest) = block.split_at_checked(length)?;
    *block = rest;
    Some(Text { bytes, is_coded })
}

impl Text<'_> {
    /// The number of characters. Counted only where a table needs it: a coded text takes a step a bit.
    fn length(self) -> usize {
        if self.is_coded { coded_length(self.bytes) } else { self.bytes.len() }
    }
}

fn coded_length(text: &[u8]) -> usize {
    let (mut length, mut code, mut first, mut bits) = (0, 0, 0, 0);
    for at in 0..text.len() * 8 {
        code = code << 1 | u32::from(text[at / 8] >> (7 - at % 8) & 1);
        first <<= 1;
        bits += 1;
        let count = CODES.get(bits).copied().unwrap_or(0);
        if code < first + count {
            (length, code, first, bits) = (length + 1, 0, 0, 0);
        } else {
            first += count;
        }
    }
    length
}

#[cfg(test)]
mod tests {
    use crate::http2::watch::{TABLE, Table, Watch, coded_length};

    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
    }

    fn finds(frames: &[Vec<u8>], by: usize) -> bool {
        let bytes = [vec![b'x'; 24], frames.concat()].concat();
        let mut watch = Watch::default();
        bytes.chunks(by).any(|it| watch.finds(it))
    }

    /// The request of RFC 7541 section C.4.1, and a path that goes into the table.
    const HEAD: &[u8] = b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff\x44\x02/a";

    #[test]
    fn codes_are_counted_as_characters() {
        for (coded, text) in [
            (&b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"[..], "www.example.com"),
            (b"\xa8\xeb\x10\x64\x9c\xbf", "no-cache"),
            (b"\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f", "custom-key"),
            (b"\x9d\x29\xad\x17\x18\x63\xc7\x8f\x0b\x97\xc8\xe9\xae\x82\xae\x43\xd3", "https://www.example.com"),
        ] {
            assert_eq!(coded_length(coded), text.len(), "{text}");
        }
    }

    #[test]
    fn pseudo_fields_are_found_in_trailers_however_they_are_written() {
        let with = |trailers: &[u8]| [frame(1, 4, 1, HEAD), frame(0, 0, 1, b"data"), frame(1, 5, 1, trailers)];
        for (trailers, expected) in [
            (&b"\x40\x01x\x01y"[..], false),
            (b"\x0f\x00\x01y", false),
            // Of the static table, of the dynamic table, and in words: plain, coded, never indexed.
            (b"\x84", true),
            (b"\xbe", true),
            (b"\xbf", true),
            (b"\x04\x01/", true),
            (b"\x7e\x01/", true),
            (b"\x00\x05:path\x01/", true),
            (b"\x10\x05:path\x01/", true),
            (b"\x40\x84\xb9\x58\xd3\x3f\x01/", true),
            (b"\x00\x01x\x01y\x84", true),
            // Behind what pushes the others out of the table.
            (b"\x20\x40\x01x\x01y", false),
        ] {
            for by in [1, 7, 1000] {
                assert_eq!(finds(&with(trailers), by), expected, "{trailers:?} {by}");
            }
        }
    }

    #[test]
    fn a_section_is_unfinished_from_its_first_byte_to_its_last_however_it_is_cut() {
        let begun = [vec![b'x'; 24], frame(0, 0, 1, b"data"), frame(1, 0, 1, HEAD), frame(9, 0, 1, HEAD)].concat();
        for by in [1, 7, 9, begun.len()] {
            let mut watch = Watch::default();
            assert!(!begun.chunks(by).any(|it| watch.finds(it)));
            assert_eq!(watch.unfinished(), 9 + 2 * HEAD.len(), "{by}");
            let end = frame(9, 4, 1, b"\x86");
            assert!(!watch.finds(&end[..9]));
            assert_eq!(watch.unfinished(), 9 + 2 * HEAD.len(), "{by}");
            assert!(!watch.finds(&end[9..]));
            assert_eq!(watch.unfinished(), 0, "{by}");
        }
    }

    #[test]
    fn heads_of_other_streams_are_no_trailers() {
        assert!(!finds(&[frame(1, 5, 1, HEAD), frame(1, 5, 3, b"\x82\x86\xbe\xbf")], 1000));
        assert!(finds(&[frame(1, 4, 1, HEAD), frame(1, 4, 3, HEAD), frame(1, 5, 1, b"\x84")], 1000));
        let in_parts = [frame(1, 4, 1, HEAD), frame(1, 1, 1, b"\x00\x01x"), frame(9, 4, 1, b"\x01y\x84")];
        assert!(finds(&in_parts, 1));
        let padded = [frame(1, 4, 1, HEAD), frame(1, 0x2d, 1, b"\x02\x00\x00\x00\x00\x00\x00\x01x\x01y\x84\x84")];
        assert!(!finds(&padded, 1000));
    }

    #[test]
    fn entries_leave_the_table_as_at_the_sender() {
        let mut table = Table { entries: std::collections::VecDeque::new(), size: 0, most: TABLE };
        // 2 + 34 bytes each.
        for _ in 0..200 {
            assert_eq!(table.read(b"\x40\x01x\x01y"), Some(false));
        }
        assert_eq!((table.entries.len(), table.size), (TABLE / 34, TABLE / 34 * 34));
        assert_eq!(table.read(b"\x3f\x45"), Some(false));
        assert_eq!(table.entries.len(), 100 / 34);
        assert_eq!(table.read(b"\x20"), Some(false));
        assert_eq!((table.entries.len(), table.size), (0, 0));
        assert_eq!(table.read(b"\xbe"), None);
    }
}
