//! Finds the end of a head in raw bytes, by the rules that `httparse` forgives: no bare LF, nothing before the first
//! line, no folded line.

use crate::{base::target::LONGEST_TARGET, http1::Refused};

/// Longest field section, in bytes.
pub const LONGEST_HEAD: usize = 65_536;

/// Progress over a growing buffer. Each byte is looked at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scan {
    /// Where the line begins that has no end yet.
    line: usize,
    /// How far that line has been searched.
    seen: usize,
}

impl Scan {
    /// The index behind the blank line, once it is there.
    ///
    /// # Errors
    /// As soon as the bytes cannot become a valid head.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<Option<usize>, Refused> {
        if self.line == 0 && bytes.first().is_some_and(|b| !b.is_ascii_alphabetic()) {
            return Err(Refused::Malformed("the head does not begin with a letter"));
        }
        while let Some(at) = memchr::memchr(b'\n', &bytes[self.seen..]) {
            let end = self.seen + at;
            let line = &bytes[self.line..end];
            let line = line.strip_suffix(b"\r").ok_or(Refused::Malformed("a line ends without CR"))?;
            if line.is_empty() {
                return Ok(Some(end + 1));
            }
            check_line(line, self.line == 0)?;
            (self.line, self.seen) = (end + 1, end + 1);
        }
        self.seen = bytes.len();
        self.check_lengths(bytes.len()).map(|()| None)
    }

    fn check_lengths(&self, read: usize) -> Result<(), Refused> {
        // The method before the target and the version after it are short.
        if self.line == 0 && read > LONGEST_TARGET + 32 {
            return Err(Refused::TargetTooLong);
        }
        if self.line > 0 && read > LONGEST_TARGET + LONGEST_HEAD {
            return Err(Refused::TooLarge);
        }
        Ok(())
    }
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
    use crate::http1::{
        Refused,
        scan::{LONGEST_HEAD, Scan},
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
}
