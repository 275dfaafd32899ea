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
mod tests;
