//! Finds the end of a head in raw bytes, by the rules that `httparse` forgives: no bare LF, nothing before the first
//! line, no folded line.

use crate::{base::target::LONGEST_TARGET, http1::Refused};

/// Longest field section, in bytes, where no shorter one is set.
pub const LONGEST_HEAD: usize = 65_536;

/// Progress over a growing buffer. Each byte is looked at once.
#[derive(Clone, Copy, Debug)]
pub struct Scan {
    /// Most bytes of the field section.
    most: usize,
    /// Where the field section begins; 0 before the first line has ended.
    fields: usize,
    /// Where the line begins that has no end yet.
    line: usize,
    /// How far that line has been searched.
    seen: usize,
}

impl Scan {
    /// A scan for a head whose field section has at most this many bytes.
    pub fn within(most: usize) -> Self {
        Self { most, fields: 0, line: 0, seen: 0 }
    }

    /// The index behind the blank line, once it is there.
    ///
    /// # Errors
    /// As soon as the bytes cannot become a valid head. What is refused depends on the bytes alone, not on how they came.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<Option<usize>, Refused> {
        if self.line == 0 && bytes.first().is_some_and(|it| !is_tchar(*it)) {
            return Err(Refused::Malformed("the head does not begin with a token"));
        }
        while let Some(at) = memchr::memchr(b'\n', &bytes[self.seen..]) {
            let end = self.seen + at;
            self.check_lengths(end)?;
            let line = &bytes[self.line..end];
            let line = line.strip_suffix(b"\r").ok_or(Refused::Malformed("a line ends without CR"))?;
            if line.is_empty() {
                return Ok(Some(end + 1));
            }
            check_line(line, self.line == 0)?;
            if self.line == 0 {
                self.fields = end + 1;
            }
            (self.line, self.seen) = (end + 1, end + 1);
        }
        self.seen = bytes.len();
        self.check_lengths(bytes.len()).map(|()| None)
    }

    /// So many bytes have been read, and the line that is being read has not ended before them.
    fn check_lengths(&self, read: usize) -> Result<(), Refused> {
        // The method before the target and the version after it are short.
        if self.line == 0 && read > LONGEST_TARGET + 32 {
            return Err(Refused::TargetTooLong);
        }
        // The blank line behind the fields is none of them.
        if self.line > 0 && read - self.fields > self.most + 1 {
            return Err(Refused::TooLarge);
        }
        Ok(())
    }
}

impl Default for Scan {
    fn default() -> Self {
        Self::within(LONGEST_HEAD)
    }
}

/// Whether this may stand in a token (RFC 9110 section 5.6.2).
pub(crate) fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn check_line(line: &[u8], first: bool) -> Result<(), Refused> {
    if !first && matches!(line[0], b' ' | b'\t') {
        return Err(Refused::Malformed("a field is folded over two lines"));
    }
    if memchr::memchr(b'\r', line).is_some() {
        return Err(Refused::Malformed("a line holds a bare CR"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::{
        base::target::LONGEST_TARGET,
        http1::{
            Refused,
            scan::{LONGEST_HEAD, Scan},
        },
    };

    #[test]
    fn the_end_is_found_wherever_the_bytes_are_cut() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        for cut in 0..head.len() {
            let mut scan = Scan::default();
            assert_eq!(scan.advance(&head[..cut]), Ok(None), "{cut}");
            assert_eq!(scan.advance(head), Ok(Some(head.len())), "{cut}");
        }
    }

    #[test]
    fn what_httparse_forgives_is_refused_at_once() {
        for bytes in [
            &b"GET / HTTP/1.1\nHost: a"[..],
            b"\r\nGET",
            b" GET",
            b"\x16\x03\x01",
            b":authority: a",
            b"GET / HTTP/1.1\r\nX: a\r\n b\r\n",
            b"GET / HTTP/1.1\r\nX: a\rb\r\n",
        ] {
            assert!(Scan::default().advance(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn endless_lines_end() {
        let mut long = b"GET /".to_vec();
        long.resize(70_000, b'y');
        assert_eq!(Scan::default().advance(&long), Err(Refused::TargetTooLong));
        let mut fields = b"GET / HTTP/1.1\r\nX: ".to_vec();
        fields.resize(2 * LONGEST_HEAD + 100, b'y');
        assert_eq!(Scan::default().advance(&fields), Err(Refused::TooLarge));
    }

    /// A verdict that hangs on how the bytes came would be another one for the next reader.
    #[test]
    fn lines_and_heads_are_too_long_however_they_are_cut() {
        let line = |length: usize| [&b"GET /"[..], &vec![b'y'; length - 6], b"\r\nHost: a\r\n\r\n"].concat();
        let head = |length: usize| [&b"GET / HTTP/1.1\r\nX:"[..], &vec![b' '; length - 22], b"\r\n\r\n"].concat();
        let (longest_line, longest_head) = (LONGEST_TARGET + 32, "GET / HTTP/1.1\r\n\r\n".len() + LONGEST_HEAD);
        for (bytes, expected) in [
            (line(longest_line), Ok(())),
            (line(longest_line + 1), Err(Refused::TargetTooLong)),
            (head(longest_head), Ok(())),
            (head(longest_head + 1), Err(Refused::TooLarge)),
        ] {
            for by in [1, 1000, 65_536, bytes.len()] {
                let mut scan = Scan::default();
                let mut ends = (0..bytes.len()).step_by(by).chain([bytes.len()]);
                let found = ends.find_map(|end| scan.advance(&bytes[..end]).transpose());
                let whole = Ok(bytes.len());
                assert_eq!(found.unwrap(), expected.and(whole), "{} {by}", bytes.len());
            }
        }
    }

    #[test]
    fn an_unfinished_head_ends_at_the_limit_that_is_set() {
        let mut head = b"GET / HTTP/1.1\r\nX: ".to_vec();
        let first = "GET / HTTP/1.1\r\n".len();
        head.resize(first + 1024, b'y');
        assert_eq!(Scan::within(1024).advance(&head), Ok(None));
        head.extend_from_slice(b"yy");
        assert_eq!(Scan::within(1024).advance(&head), Err(Refused::TooLarge));
    }
}
