//! Whether a request reached the origin as it should: the credential once, and nothing of the proxy's own.

/// What the origin thinks of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Right,
    /// No `Authorization` at all.
    Missing,
    /// An `Authorization` with another value.
    Wrong,
    /// More than one `Authorization`.
    Repeated,
    /// A header that is between client and proxy only.
    Leaked,
}

impl Verdict {
    /// Judges a request's head, whose lines end in CR LF, against the only right value of `Authorization`.
    pub(crate) fn of(head: &[u8], authorization: &[u8]) -> Self {
        let mut verdict = Self::Missing;
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', head) {
            let line = head[start..end].strip_suffix(b"\r").unwrap_or(&head[start..end]);
            start = end + 1;
            if starts_with(line, b"authorization:") {
                let value = line[b"authorization:".len()..].trim_ascii();
                verdict = match verdict {
                    Self::Missing if value == authorization => Self::Right,
                    Self::Missing => Self::Wrong,
                    _ => Self::Repeated,
                };
            } else if starts_with(line, b"x-vultrino-") || starts_with(line, b"proxy-") {
                return Self::Leaked;
            }
        }
        verdict
    }
}

fn starts_with(line: &[u8], name: &[u8]) -> bool {
    line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use crate::verdict::Verdict;

    #[test]
    fn only_the_right_value_once_is_right() {
        for (fields, expected) in [
            ("Authorization: Bearer k\r\n", Verdict::Right),
            ("accept: */*\r\nauthorization:Bearer k \r\nX: y\r\n", Verdict::Right),
            ("", Verdict::Missing),
            ("X-Authorization: Bearer k\r\n", Verdict::Missing),
            ("Authorization: Bearer K\r\n", Verdict::Wrong),
            ("Authorization:\r\n", Verdict::Wrong),
            ("Authorization: Bearer k\r\nAUTHORIZATION: Bearer k\r\n", Verdict::Repeated),
            ("Authorization: x\r\nAuthorization: Bearer k\r\n", Verdict::Repeated),
            ("Authorization: Bearer k\r\nX-Vultrino-Credential: bench\r\n", Verdict::Leaked),
            ("proxy-authorization: Basic x\r\nAuthorization: Bearer k\r\n", Verdict::Leaked),
        ] {
            let head = format!("GET /x HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
            assert_eq!(Verdict::of(head.as_bytes(), b"Bearer k"), expected, "{fields:?}");
        }
    }
}
