//! The chunked transfer coding (RFC 9112 section 7.1), read strictly.

use http::{HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

use crate::{base::fields::Known, http1::scan::Scan};

/// Longest line with a chunk's size and extensions.
const LONGEST_SIZE_LINE: usize = 512;
/// Longest trailer section of a request, in bytes.
const LONGEST_TRAILERS: usize = 8_192;
/// Most fields in a trailer section of a request.
const MOST_TRAILERS: usize = 32;
/// Bytes of the room for the trailers of an answer that each takes at least, since it takes memory beside its bytes. HTTP/2
/// counts as many (RFC 9113 section 6.5.2).
const TRAILER_OVERHEAD: usize = 32;
/// Longest trailer section of an answer, in bytes, where its head may not be shorter.
const LONGEST_ANSWER_TRAILERS: usize = 65_536;

/// Decodes one message. Chunk extensions are dropped, as RFC 9112 section 7.1.1 permits.
#[derive(Clone, Debug)]
pub struct Decoder {
    state: State,
    scan: Scan,
    /// Whether blanks may stand behind a size (RFC 9112 section 7.1.1), as some origin servers send them.
    blanks: bool,
    longest_trailers: usize,
    most_trailers: usize,
}

#[derive(Clone, Debug, Default)]
enum State {
    #[default]
    Size,
    Data(u64),
    DataEnd,
    Trailers,
}

/// What the next input bytes are.
#[derive(Debug)]
pub enum Step {
    /// More bytes are needed to tell.
    More,
    /// So many bytes of framing; take them away and ask again.
    Skip(usize),
    /// Up to so many bytes of data follow; say with [`Decoder::took`] how many were taken.
    Data(u64),
    /// So many bytes end the message, with these trailers.
    End(usize, HeaderMap),
}

/// Of a request.
impl Default for Decoder {
    fn default() -> Self {
        let (longest_trailers, most_trailers) = (LONGEST_TRAILERS, MOST_TRAILERS);
        Self { state: State::default(), scan: Scan::default(), blanks: false, longest_trailers, most_trailers }
    }
}

impl Decoder {
    /// Of an answer whose head may have `longest_head` bytes of fields.
    pub fn of_answer(longest_head: usize) -> Self {
        let longest_trailers = longest_head.min(LONGEST_ANSWER_TRAILERS);
        let most_trailers = longest_trailers / TRAILER_OVERHEAD;
        Self { blanks: true, longest_trailers, most_trailers, ..Self::default() }
    }

    /// Looks at the bytes that follow what was taken so far.
    ///
    /// # Errors
    /// Any deviation from the grammar, and sizes and lines beyond the limits.
    pub fn step(&mut self, input: &[u8]) -> Result<Step, &'static str> {
        match self.state {
            State::Size => self.size(input),
            State::Data(left) => Ok(Step::Data(left)),
            State::DataEnd => match input {
                [b'\r', b'\n', ..] => {
                    self.state = State::Size;
                    Ok(Step::Skip(2))
                }
                [] | [b'\r'] => Ok(Step::More),
                _ => Err("a chunk is longer than its size"),
            },
            State::Trailers => self.trailers(input),
        }
    }

    /// Whether the message ends within these bytes.
    pub fn ends_within(mut self, mut input: &[u8]) -> bool {
        loop {
            let taken = match self.step(input) {
                Ok(Step::Skip(bytes)) => bytes,
                Ok(Step::Data(left)) if !input.is_empty() => {
                    let bytes = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    self.took(bytes);
                    bytes
                }
                Ok(Step::End(..)) => return true,
                Ok(Step::Data(_) | Step::More) | Err(_) => return false,
            };
            input = &input[taken..];
        }
    }

    /// So many bytes of data were taken.
    pub fn took(&mut self, bytes: usize) {
        if let State::Data(left) = &mut self.state {
            *left -= (bytes as u64).min(*left);
            if *left == 0 {
                self.state = State::DataEnd;
            }
        }
    }

    fn size(&mut self, input: &[u8]) -> Result<Step, &'static str> {
        let Some(end) = memchr::memchr(b'\n', &input[..input.len().min(LONGEST_SIZE_LINE)]) else {
            return if input.len() < LONGEST_SIZE_LINE {
                Ok(Step::More)
            } else {
                Err("a chunk's size line is too long")
            };
        };
        let line = input[..end].strip_suffix(b"\r").ok_or("a chunk's size line ends without CR")?;
        let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        let blanks = |it: &&u8| self.blanks && matches!(it, b' ' | b'\t');
        let behind = digits + line[digits..].iter().take_while(blanks).count();
        check_extensions(&line[behind..])?;
        let size = (1..=16).contains(&digits).then(|| std::str::from_utf8(&line[..digits]).ok()).flatten();
        let size = size.and_then(|it| u64::from_str_radix(it, 16).ok()).filter(|it| i64::try_from(*it).is_ok());
        self.state = match size.ok_or("a chunk's size is not a plain hexadecimal number")? {
            0 => State::Trailers,
            size => State::Data(size),
        };
        Ok(Step::Skip(end + 1))
    }

    fn trailers(&mut self, input: &[u8]) -> Result<Step, &'static str> {
        match input {
            [] | [b'\r'] => return Ok(Step::More),
            [b'\r', b'\n', ..] => return Ok(Step::End(2, HeaderMap::new())),
            _ => {}
        }
        match self.scan.advance(input).or(Err("the trailer section is malformed"))? {
            Some(end) if end <= self.longest_trailers => {
                Ok(Step::End(end, parse_trailers(&input[..end], self.most_trailers)?))
            }
            None if input.len() <= self.longest_trailers => Ok(Step::More),
            _ => Err("the trailer section is too long"),
        }
    }
}

/// Nothing, or `;` and visible text with balanced quotes: a line end inside quotes is where parsers disagree.
fn check_extensions(text: &[u8]) -> Result<(), &'static str> {
    let visible = text.iter().all(|b| matches!(b, b'\t' | 0x20..=0x7e));
    let balanced = memchr::memchr_iter(b'"', text).count().is_multiple_of(2);
    let starts = text.is_empty() || text[0] == b';';
    if visible && balanced && starts { Ok(()) } else { Err("a chunk extension is malformed") }
}

/// Keeps the trailers that cannot change what was already decided about the message (RFC 9110 section 6.5.1).
fn parse_trailers(section: &[u8], most: usize) -> Result<HeaderMap, &'static str> {
    // No line holds more than one.
    let lines = memchr::memchr_iter(b'\n', section).count();
    let mut slots = SmallVec::<[_; MOST_TRAILERS]>::from_elem(httparse::EMPTY_HEADER, lines.min(most));
    let Ok(httparse::Status::Complete((_, fields))) = httparse::parse_headers(section, &mut slots) else {
        return Err("a trailer is malformed");
    };
    let mut trailers = HeaderMap::with_capacity(fields.len());
    for field in fields.iter().filter(|it| may_trail(it.name)) {
        let name = HeaderName::from_bytes(field.name.as_bytes()).or(Err("a trailer's name is no token"))?;
        let value = HeaderValue::from_bytes(field.value).or(Err("a trailer's value is malformed"))?;
        trailers.try_append(name, value).or(Err("there are too many trailers"))?;
    }
    Ok(trailers)
}

/// Whether a field may stand in a trailer section.
pub fn may_trail(name: &str) -> bool {
    const NEVER: [&str; 9] = [
        "cache-control",
        "content-encoding",
        "content-range",
        "cookie",
        "max-forwards",
        "range",
        "set-cookie",
        "trailer",
        "www-authenticate",
    ];
    Known::of(name.as_bytes()) == Known::Other && !NEVER.iter().any(|it| name.eq_ignore_ascii_case(it))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use crate::http1::chunked::{Decoder, Step};

    /// Decodes with a buffer that grows by `by` bytes at a time; what is left over comes back too.
    fn decode(wire: &[u8], by: usize) -> Result<(Vec<u8>, HeaderMap, usize), &'static str> {
        decode_with(Decoder::default(), wire, by)
    }

    fn decode_with(
        mut decoder: Decoder,
        mut wire: &[u8],
        by: usize,
    ) -> Result<(Vec<u8>, HeaderMap, usize), &'static str> {
        let (mut body, mut have) = (Vec::new(), 0);
        loop {
            match decoder.step(&wire[..have])? {
                Step::More | Step::Data(_) if have == wire.len() && have == 0 => return Err("incomplete"),
                Step::More if have == wire.len() => return Err("incomplete"),
                Step::More => have = (have + by).min(wire.len()),
                Step::Skip(n) => (wire, have) = (&wire[n..], have - n),
                Step::Data(_) if have == 0 => have = by.min(wire.len()),
                Step::Data(left) => {
                    let n = have.min(usize::try_from(left).unwrap_or(usize::MAX));
                    body.extend_from_slice(&wire[..n]);
                    decoder.took(n);
                    (wire, have) = (&wire[n..], have - n);
                }
                Step::End(n, trailers) => return Ok((body, trailers, wire.len() - n)),
            }
        }
    }

    #[test]
    fn a_body_is_the_same_however_it_is_cut() {
        let wire = b"3;x=\"y\"\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-Sum: 7\r\nHost: evil\r\nauthorization: x\r\n\r\nGET";
        for by in 1..wire.len() {
            let (body, trailers, rest) = decode(wire, by).unwrap();
            assert_eq!(body, b"abc0123456789");
            assert_eq!(trailers.len(), 1);
            assert_eq!(trailers["x-sum"], "7");
            assert_eq!(rest, 3);
        }
    }

    #[test]
    fn answers_may_have_blanks_behind_a_size_and_more_trailers() {
        let answer = |wire: &[u8], by| decode_with(Decoder::of_answer(262_144), wire, by);
        for size in ["2 ", "2\t", "2  \t ", "2 ;a=b", "2; a = \"b\" ", "2 ; a"] {
            let wire = format!("{size}\r\nab\r\n0 \r\n\r\n");
            for by in 1..wire.len() {
                assert_eq!(answer(wire.as_bytes(), by).unwrap().0, b"ab", "{size:?}");
                assert!(decode(wire.as_bytes(), by).is_err(), "{size:?}");
            }
        }
        for size in [" 2", "2 2", "2 \u{b}", "2 x", " ", "2\r "] {
            assert!(answer(format!("{size}\r\nab\r\n0\r\n\r\n").as_bytes(), 100).is_err(), "{size:?}");
        }
        for (count, length) in [(33, 4), (1000, 20), (2, 30_000)] {
            let value = "y".repeat(length);
            let trailers: Vec<String> = (0..count).map(|at| format!("X-{at}: {value}\r\n")).collect();
            let wire = format!("0\r\n{}\r\n", trailers.concat());
            assert_eq!(answer(wire.as_bytes(), 1000).unwrap().1.len(), count);
            assert!(decode(wire.as_bytes(), 1000).is_err(), "{count} {length}");
        }
        let long = format!("X: {}\r\n", "y".repeat(70_000));
        for trailers in [long, "X:\r\n".repeat(2049)] {
            assert!(answer(format!("0\r\n{trailers}\r\n").as_bytes(), 1000).is_err());
        }
    }

    #[test]
    fn bad_framing_is_refused() {
        for wire in [
            &b"0x2\r\nab\r\n0\r\n\r\n"[..],
            b"+2\r\nab\r\n0\r\n\r\n",
            b"2_0\r\nab\r\n0\r\n\r\n",
            b"\r\nab\r\n0\r\n\r\n",
            b" 2\r\nab\r\n0\r\n\r\n",
            b"2 \r\nab\r\n0\r\n\r\n",
            b"-2\r\nab\r\n0\r\n\r\n",
            b"10000000000000002\r\nab\r\n0\r\n\r\n",
            b"ffffffffffffffff\r\nab",
            b"2\nab\r\n0\r\n\r\n",
            b"2;\n\r\nab\r\n0\r\n\r\n",
            b"2;a=\"\r\nab\r\n0\r\n\r\n",
            b"2\r\nabc\r\n0\r\n\r\n",
            b"2\r\nab\n0\r\n\r\n",
            b"0\r\nX: a\n\r\n",
            b"0\r\nX : a\r\n\r\n",
            b"0\r\n X: a\r\n\r\n",
        ] {
            let error = decode(wire, wire.len()).unwrap_err();
            assert_ne!(error, "incomplete", "{wire:?}");
        }
        let long = [b"2;".to_vec(), vec![b'a'; 65_536], b"\r\nab\r\n0\r\n\r\n".to_vec()].concat();
        assert_ne!(decode(&long, 100).unwrap_err(), "incomplete");
    }
}
