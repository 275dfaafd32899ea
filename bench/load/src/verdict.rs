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
        let mut start = 0;
        let fields = memchr::memchr_iter(b'\n', head).filter_map(|end| {
            let line = head.get(start..end)?;
            start = end + 1;
            let colon = memchr::memchr(b':', line)?;
            Some((&line[..colon], line[colon + 1..].trim_ascii()))
        });
        Self::of_fields(fields, authorization)
    }

    /// The same for names and values.
    pub(crate) fn of_fields<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>, authorization: &[u8]) -> Self {
        let mut verdict = Self::Missing;
        for (name, value) in fields {
            if name.eq_ignore_ascii_case(b"authorization") {
                verdict = match verdict {
                    Self::Missing if value == authorization => Self::Right,
                    Self::Missing => Self::Wrong,
                    _ => Self::Repeated,
                };
            } else if starts_with(name, b"x-vultrino-") || starts_with(name, b"proxy-") {
                return Self::Leaked;
            }
        }
        verdict
    }
}

fn starts_with(name: &[u8], start: &[u8]) -> bool {
    name.get(..start.len()).is_some_and(|it| it.eq_ignore_ascii_case(start))
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
