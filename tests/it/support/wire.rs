//! A strict reader of HTTP/1 messages: judges what crosses the outer wall by RFC 9112 and forgives nothing.

use std::fmt;

/// Why bytes are not a whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is well-formed as far as it goes; more must follow.
    Short,
    /// Two parsers may read it in two ways.
    Dirty(String),
}

/// One request or answer, read whole.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// The first line.
    pub start: String,
    /// Fields in their order, names as sent, values as Latin-1.
    pub fields: Vec<(String, String)>,
    /// Content, without its framing.
    pub body: Vec<u8>,
    /// Fields after a chunked body.
    pub trailers: Vec<(String, String)>,
}

impl Message {
    /// Values of all fields of this name, in any case.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        values(&self.fields, name)
    }

    /// Method of a request.
    pub(crate) fn method(&self) -> &str {
        self.start.split(' ').next().unwrap_or_default()
    }

    /// Asserts that nothing stands in this request which is meant for Vultrino or comes from it, whatever else does.
    #[track_caller]
    pub(crate) fn assert_nothing_of_ours(&self) {
        // After a body, or a method that origins may not know, the connection is not used again.
        let is_known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].contains(&self.method());
        let is_plain = is_known && self.body.is_empty() && self.values("transfer-encoding").is_empty();
        let is_last = !is_plain && self.values("connection") == ["close"];
        let fields = self.fields.iter().filter(|(name, _)| !(is_last && name.eq_ignore_ascii_case("connection")));
        for (name, value) in fields.chain(&self.trailers) {
            let (name, lower) = (name.to_ascii_lowercase().replace('_', "-"), value.to_ascii_lowercase());
            let hop = ["connection", "keep-alive", "te", "upgrade", "via", "forwarded", "x-forwarded-for"];
            let ours = name.starts_with("x-vultrino") || name.starts_with("proxy-") || name.starts_with("x-forwarded-");
            assert!(!ours && !hop.contains(&&*name), "{name} arrived: {self:#?}");
            // What we ask ourselves says so; what others ask through us does not.
            let told = name == "user-agent" && value == concat!("vultrino/", env!("CARGO_PKG_VERSION"));
            assert!(
                told || !(lower.contains("vk_") || lower.contains("vultrino")),
                "{name}: {value} arrived: {self:#?}"
            );
        }
        assert!(!self.start.contains("vk_"), "{}", self.start);
    }

    /// Target of a request.
    pub(crate) fn target(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }
}

/// As it stood on the wire, for a failed test.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.start)?;
        for (name, value) in &self.fields {
            writeln!(f, "{name}: {value}")?;
        }
        let shown = &self.body[..self.body.len().min(2000)];
        write!(f, "\n{} ({} bytes, trailers {:?})", String::from_utf8_lossy(shown), self.body.len(), self.trailers)
    }
}

/// Values of all fields of this name, in any case.
pub(crate) fn values<'a>(fields: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    fields.iter().filter(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect()
}

/// A message and its length in bytes, or why there is none.
pub(crate) type Parsed = Result<(Message, usize), Fault>;

/// How the end of a body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Empty,
    Length(usize),
    Chunked,
    UntilClose,
}

/// Reads a request from the beginning of `bytes`, with its length.
pub(crate) fn request(bytes: &[u8]) -> Parsed {
    let (mut message, at) = head(bytes)?;
    request_line(&message.start)?;
    let hosts = message.values("host");
    if hosts.len() != 1 || hosts[0].is_empty() || hosts[0].contains(['/', '@', ',', ' ', '#', '?', '\\']) {
        return dirty(format!("Host fields {hosts:?}"));
    }
    let framing = match framing(&message)? {
        Framing::UntilClose => Framing::Empty,
        it => it,
    };
    let length = content(&mut message, &bytes[at..], framing, false)?;
    Ok((message, at + length))
}

/// Reads an answer to `method` from the beginning of `bytes`, with its length; `ended` is whether nothing will follow.
pub(crate) fn answer(bytes: &[u8], method: &str, ended: bool) -> Parsed {
    let (mut message, at) = head(bytes)?;
    let status = status(&message.start)?;
    let framing = match framing(&message)? {
        it if status == 204 || status < 200 => {
            if it != Framing::UntilClose {
                return dirty(format!("{status} with framing {it:?}"));
            }
            Framing::Empty
        }
        _ if method == "HEAD" || status == 304 => Framing::Empty,
        it => it,
    };
    let length = content(&mut message, &bytes[at..], framing, ended)?;
    Ok((message, at + length))
}

/// Reads the first line and fields, with the length of the whole head.
pub(crate) fn head(bytes: &[u8]) -> Parsed {
    let Some(end) = find(bytes, b"\r\n\r\n") else {
        lines(bytes.strip_suffix(b"\r").unwrap_or(bytes))?;
        return Err(Fault::Short);
    };
    let mut lines = lines(&bytes[..end])?.into_iter();
    let start = lines.next().unwrap_or_default();
    let fields = lines.map(|line| field(&line)).collect::<Result<_, _>>()?;
    Ok((Message { start, fields, body: Vec::new(), trailers: Vec::new() }, end + 4))
}

/// The status code of a status line.
pub(crate) fn status(line: &str) -> Result<u16, Fault> {
    let code = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
    match code {
        Some(code @ 100..=599) if matches!(line.as_bytes().get(12), None | Some(b' ')) => Ok(code),
        _ => dirty(format!("status line {line:?}")),
    }
}

fn request_line(line: &str) -> Result<(), Fault> {
    let parts: Vec<&str> = line.split(' ').collect();
    let good = matches!(*parts, [method, target, "HTTP/1.1"]
        if is_token(method)
            && (target.starts_with('/') || target == "*")
            && target.bytes().all(|b| b.is_ascii_graphic() && b != b'#'));
    if good { Ok(()) } else { dirty(format!("request line {:?}", line.get(..80).unwrap_or(line))) }
}

/// Splits at CRLF; no other line end and no NUL may stand anywhere.
fn lines(bytes: &[u8]) -> Result<Vec<String>, Fault> {
    let text: String = bytes.iter().map(|b| char::from(*b)).collect();
    let lines: Vec<String> = text.split("\r\n").map(str::to_owned).collect();
    match lines.iter().find(|line| line.contains(['\r', '\n', '\0'])) {
        Some(line) => dirty(format!("bare CR, LF or NUL in {line:?}")),
        None => Ok(lines),
    }
}

fn field(line: &str) -> Result<(String, String), Fault> {
    match line.split_once(':') {
        Some((name, value))
            if is_token(name) && !value.chars().any(|c| c != '\t' && (c.is_ascii_control() || c == '\u{7f}')) =>
        {
            Ok((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
        }
        _ => dirty(format!("field {line:?}")),
    }
}

fn framing(message: &Message) -> Result<Framing, Fault> {
    match (&*message.values("transfer-encoding"), &*message.values("content-length")) {
        ([], []) => Ok(Framing::UntilClose),
        ([coding], []) if coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
        ([], [length]) if length.len() <= 15 && !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit()) => {
            length.parse().map(Framing::Length).or_else(|_| dirty(format!("length {length}")))
        }
        other => dirty(format!("framing {other:?}")),
    }
}

/// Reads the body behind a head; its length with all framing.
fn content(message: &mut Message, bytes: &[u8], framing: Framing, ended: bool) -> Result<usize, Fault> {
    match framing {
        Framing::Empty => Ok(0),
        Framing::Length(length) => {
            message.body = bytes.get(..length).ok_or(Fault::Short)?.to_vec();
            Ok(length)
        }
        Framing::UntilClose if ended => {
            message.body = bytes.to_vec();
            Ok(bytes.len())
        }
        Framing::UntilClose => Err(Fault::Short),
        Framing::Chunked => chunked(message, bytes),
    }
}

/// Reads chunks without extensions (whoever writes a body anew has no reason to write any), then trailers.
fn chunked(message: &mut Message, bytes: &[u8]) -> Result<usize, Fault> {
    let mut at = 0;
    loop {
        let (size, after) = chunk_size(&bytes[at..])?;
        at += after;
        if size == 0 {
            break;
        }
        let chunk = bytes.get(at..at + size).ok_or(Fault::Short)?;
        match bytes.get(at + size..at + size + 2) {
            Some(b"\r\n") => (),
            Some(other) => return dirty(format!("chunk ends in {other:?}")),
            None => return Err(Fault::Short),
        }
        message.body.extend_from_slice(chunk);
        at += size + 2;
    }
    if bytes[at..].starts_with(b"\r\n") {
        return Ok(at + 2);
    }
    let end = find(&bytes[at..], b"\r\n\r\n").ok_or(Fault::Short)?;
    message.trailers = lines(&bytes[at..at + end])?.iter().map(|line| field(line)).collect::<Result<_, _>>()?;
    Ok(at + end + 4)
}

fn chunk_size(bytes: &[u8]) -> Result<(usize, usize), Fault> {
    let digits = bytes.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    match bytes.get(digits..digits + 2) {
        Some(b"\r\n") if (1..=15).contains(&digits) => {
            let text = String::from_utf8_lossy(&bytes[..digits]);
            usize::from_str_radix(&text, 16).map(|size| (size, digits + 2)).or_else(|_| dirty(text.into_owned()))
        }
        None if digits <= 15 && matches!(bytes.get(digits), None | Some(b'\r')) => Err(Fault::Short),
        _ => dirty(format!("chunk {:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(24)]))),
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Where `needle` first stands.
pub(crate) fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, needle)
}

fn dirty<T>(why: String) -> Result<T, Fault> {
    Err(Fault::Dirty(why))
}

#[test]
fn the_judge_passes_what_is_well_formed() {
    let bytes =
        b"POST /a?b=%2F HTTP/1.1\r\nhost: h:1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx: y\r\n\r\nGET";
    let (message, length) = request(bytes).unwrap();
    assert_eq!((&*message.body, length), (&b"abc"[..], bytes.len() - 3));
    assert_eq!((message.method(), message.target()), ("POST", "/a?b=%2F"));
    assert_eq!(message.trailers, [("x".to_owned(), "y".to_owned())]);
    for end in 0..bytes.len() - 3 {
        assert_eq!(request(&bytes[..end]), Err(Fault::Short), "{end}");
    }
    let (message, _) = answer(b"HTTP/1.1 200 OK\r\n\r\nall", "GET", true).unwrap();
    assert_eq!(message.body, b"all");
}

#[test]
fn the_judge_sees_what_rfc_9112_forbids() {
    for bytes in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n",
        "GET /\u{fc} HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /#f HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\nab\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nab\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\na b: c\r\n\r\n",
    ] {
        let read = request(bytes.as_bytes());
        assert!(matches!(read, Err(Fault::Dirty(_))), "{bytes:?} passed: {read:?}");
    }
    for bytes in ["HTTP/1.1 20 OK\r\n\r\n", "HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\nok"] {
        assert!(matches!(answer(bytes.as_bytes(), "GET", true), Err(Fault::Dirty(_))), "{bytes:?}");
    }
}
