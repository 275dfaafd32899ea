//! Follows the field sections that a client sends, below h2, which does not report three things about them: how much of a
//! section has come that is not finished; pseudo-fields in trailers, which make a request malformed (RFC 9113 section 8.1)
//! and which h2 drops; and paths with characters that no URI holds, whose streams h2 resets. Sections are decoded only as far
//! as that takes (RFC 7541): which entries of the dynamic table are pseudo-fields, and how large they are.

use std::collections::VecDeque;

use http::Method;

use crate::{base::target::is_beyond_http2, http2::huffman::Text};

/// What a client sends first (RFC 9113 section 3.4), in bytes.
const PREFACE: usize = 24;
/// The head of a frame (RFC 9113 section 4.1), in bytes.
const FRAME_HEAD: usize = 9;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
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
/// `:path` and `:method` in the Huffman code.
const CODED_PATH: &[u8] = b"\xb9\x58\xd3\x3f";
const CODED_METHOD: &[u8] = b"\xb9\x49\x53\x39\xe4";

/// What a name means here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Field,
    Method,
    Path,
    OtherPseudo,
}

/// The name of a literal field: of a table, which knows its length, or in words.
struct Name<'a> {
    text: Option<Text<'a>>,
    len: usize,
    kind: Kind,
}

/// A request whose path h2 will not take: its stream will be reset.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rejected {
    /// The number of its stream.
    pub stream: u32,
    /// What it asks for, as far as that is known.
    pub method: Method,
    /// As it was sent.
    pub path: String,
}

/// What one block says of its message.
#[derive(Default)]
struct Said {
    has_pseudo: bool,
    method: Option<Method>,
    /// A path that h2 will not take.
    path: Option<String>,
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
    rejected: Vec<Rejected>,
    /// How many of them have been answered.
    answered: usize,
}

/// The dynamic table.
#[derive(Debug)]
struct Table {
    entries: VecDeque<Entry>,
    size: usize,
    most: usize,
}

#[derive(Clone, Debug)]
struct Entry {
    name: usize,
    size: usize,
    kind: Kind,
    /// The method, or a path that h2 will not take.
    value: Option<Box<str>>,
}

/// Of a connection whose client has not sent anything yet.
impl Default for Watch {
    fn default() -> Self {
        let table = Table { entries: VecDeque::new(), size: 0, most: TABLE };
        let (head, block, rejected) = Default::default();
        let (skip, left, open, began, ends, last, answered) = (PREFACE, 0, false, (0, 0), false, 0, 0);
        Self { skip, head, left, block, open, began, ends, last, table, rejected, answered }
    }
}

impl Watch {
    /// Bytes of a block that has begun and not ended, the head of its first frame included; 0 if there is none.
    pub fn unfinished(&self) -> usize {
        if self.open { FRAME_HEAD + self.block.len() } else { 0 }
    }

    /// The requests since the last call whose paths h2 will not take.
    pub fn take_rejected(&mut self) -> Vec<Rejected> {
        self.answered = 0;
        std::mem::take(&mut self.rejected)
    }

    /// Writes an answer to each of them that has none: 400, which is entry 12 of the static table. It changes no table, and
    /// takes nothing of a window.
    pub fn answer(&mut self, to: &mut Vec<u8>) {
        const STATUS_400: u8 = 0x8c;
        for Rejected { stream, .. } in &self.rejected[self.answered..] {
            to.extend([0, 0, 1, HEADERS, END_HEADERS | END_STREAM]);
            to.extend(stream.to_be_bytes());
            to.push(STATUS_400);
        }
        self.answered = self.rejected.len();
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
        let Said { has_pseudo, method, path } = self.table.read(fields).unwrap_or_default();
        let trails = stream <= self.last;
        self.last = self.last.max(stream);
        if let Some(path) = path.filter(|_| !trails) {
            self.rejected.push(Rejected { stream, method: method.unwrap_or_default(), path });
        }
        trails && has_pseudo
    }
}

impl Table {
    /// `None` where the block follows no grammar.
    fn read(&mut self, mut block: &[u8]) -> Option<Said> {
        let mut said = Said::default();
        while let Some(first) = block.first() {
            match first {
                0x80.. => {
                    let at = integer(&mut block, 7)?;
                    let (kind, value) = match (at, self.entry(at)?) {
                        (3, (_, kind)) => (kind, Some("POST")),
                        (at, (_, kind)) => (kind, self.value(at)),
                    };
                    said.note(kind, value);
                }
                0x40..0x80 => {
                    let (name, value) = self.literal(&mut block, 6)?;
                    let kept = name.kind.keeps(value);
                    said.note(name.kind, kept.as_deref());
                    let len = name.text.map_or(name.len, Text::length);
                    let (size, value) = (len + value.length() + OVERHEAD, kept.map(String::into_boxed_str));
                    self.insert(Entry { name: len, size, kind: name.kind, value });
                }
                0x20..0x40 => {
                    self.most = integer(&mut block, 5)?;
                    self.evict(0);
                }
                _ => {
                    let (name, value) = self.literal(&mut block, 4)?;
                    said.note(name.kind, name.kind.keeps(value).as_deref());
                }
            }
        }
        Some(said)
    }

    fn literal<'a>(&self, block: &mut &'a [u8], bits: u32) -> Option<(Name<'a>, Text<'a>)> {
        let name = match integer(block, bits)? {
            0 => {
                let text = string(block)?;
                // The code of a colon has seven bits.
                let colon = |it: &u8| if text.is_coded { it >> 1 == 0b101_1100 } else { *it == b':' };
                let kind = match (text.bytes, text.is_coded) {
                    (CODED_PATH, true) | (b":path", false) => Kind::Path,
                    (CODED_METHOD, true) | (b":method", false) => Kind::Method,
                    (name, _) if name.first().is_some_and(colon) => Kind::OtherPseudo,
                    _ => Kind::Field,
                };
                Name { text: Some(text), len: 0, kind }
            }
            at => self.entry(at).map(|(len, kind)| Name { text: None, len, kind })?,
        };
        Some((name, string(block)?))
    }

    /// How long the name of an entry is, and what it means.
    fn entry(&self, at: usize) -> Option<(usize, Kind)> {
        let Some(len) = STATIC.get(at.checked_sub(1)?) else {
            return self.entries.get(at - STATIC.len() - 1).map(|it| (it.name, it.kind));
        };
        let kind = match at {
            2 | 3 => Kind::Method,
            4 | 5 => Kind::Path,
            1 | 6..=14 => Kind::OtherPseudo,
            _ => Kind::Field,
        };
        Some((usize::from(*len), kind))
    }

    /// What is kept of the value of an entry.
    fn value(&self, at: usize) -> Option<&str> {
        self.entries.get(at.checked_sub(STATIC.len() + 1)?)?.value.as_deref()
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

impl Kind {
    /// As much of a value as is of interest.
    fn keeps(self, value: Text<'_>) -> Option<String> {
        match self {
            Self::Method => Some(value.decoded()),
            Self::Path if value.may_hold_rare() => Some(value.decoded()).filter(|it| is_beyond_http2(it.as_bytes())),
            Self::Path | Self::Field | Self::OtherPseudo => None,
        }
    }
}

impl Said {
    fn note(&mut self, kind: Kind, value: Option<&str>) {
        self.has_pseudo |= kind != Kind::Field;
        match kind {
            Kind::Method => self.method = value.and_then(|it| it.parse().ok()),
            Kind::Path => self.path = value.map(str::to_owned),
            Kind::Field | Kind::OtherPseudo => {}
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

#[cfg(test)]
mod tests;
