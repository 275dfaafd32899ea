//! What one line says. Text that others chose is made harmless here, when it comes in.

use std::{borrow::Cow, cell::Cell, fmt, net::SocketAddr, sync::Arc, thread, time::Instant};

use memchr::memchr;

use crate::{
    audit::{
        anchor::{MAC, digits},
        chain::ChainKey,
        escape::{self, CUT},
        stamp::Stamp,
        text::Text,
    },
    base::head::LONGEST_METHOD,
};

/// The longest URL in a line, in bytes.
pub const LONGEST_URL: usize = 2048;

/// The longest visible prefix of a key, and name in a line; longer ones are cut.
const LONGEST_KEY: usize = 20;
const LONGEST_NAME: usize = 64;

/// The longest name of a query parameter. What is longer is no name, but a token that ends in `=`.
const LONGEST_PARAMETER: usize = 40;

/// Where a request or a change came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Door {
    /// `/https://…`
    Path,
    /// Absolute form.
    Forward,
    /// A request inside an intercepted tunnel.
    Connect,
    /// A tunnel itself, where it is refused or blind.
    Tunnel,
    /// `/v1`
    Api,
    /// A tool of the Model Context Protocol.
    Mcp,
    /// `vultrino request`
    Cli,
    /// A change, by whatever program.
    Admin,
}

impl Door {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Path => "PATH",
            Self::Forward => "FORWARD",
            Self::Connect => "CONNECT",
            Self::Tunnel => "TUNNEL",
            Self::Api => "API",
            Self::Mcp => "MCP",
            Self::Cli => "CLI",
            Self::Admin => "ADMIN",
        }
    }
}

/// How it ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// To the last byte.
    Ok,
    /// Refused by us.
    Denied,
    /// The caller went away.
    ClientAbort,
    /// The upstream could not be reached, or answered what is no answer.
    UpstreamError,
    /// The upstream went away in the middle.
    UpstreamAbort,
    /// Our fault.
    Error,
    /// Cut by us: the right to it was taken away meanwhile.
    RevokedMidstream,
    /// Unknown: the process ended first.
    Interrupted,
}

impl Outcome {
    /// Of what was dropped before anybody said how it ended.
    pub fn of_abandoned() -> Self {
        match ENDING.get() {
            _ if thread::panicking() => Self::Error,
            true => Self::Interrupted,
            false => Self::ClientAbort,
        }
    }

    /// From now on whatever this thread drops is cut because the process ends.
    pub fn interrupt_the_rest() {
        ENDING.set(true);
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Denied => "denied",
            Self::ClientAbort => "client_abort",
            Self::UpstreamError => "upstream_error",
            Self::UpstreamAbort => "upstream_abort",
            Self::Error => "error",
            Self::RevokedMidstream => "revoked_midstream",
            Self::Interrupted => "interrupted",
        }
    }
}

thread_local! {
    static ENDING: Cell<bool> = const { Cell::new(false) };
}

/// Names one record; unlike any other of any process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId(pub(crate) u64);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The facts of one exchange or change. What is not known is written `-`.
#[derive(Debug)]
pub struct Record {
    pub(crate) at: Stamp,
    pub(crate) opened: Instant,
    pub(crate) id: RequestId,
    pub(crate) door: Door,
    pub(crate) action: &'static str,
    pub(crate) credential: Text<LONGEST_NAME>,
    pub(crate) method: Text<LONGEST_METHOD>,
    /// Escaped, without the values of its query, and shortened to [`LONGEST_URL`].
    pub(crate) url: Vec<u8>,
    /// Of the whole, where it is shortened.
    url_mac: Option<[u8; MAC]>,
    pub(crate) source: Option<SocketAddr>,
    pub(crate) key: Text<LONGEST_KEY>,
    pub(crate) name: Text<LONGEST_NAME>,
    /// How much of the line that the journal holds stays as it is, whatever is still said; 0 if none does.
    pub(crate) settled: usize,
    /// The status the caller got; 0 if there was none.
    pub status: u16,
    /// Bytes of the request's body.
    pub bytes_up: u64,
    /// Bytes of the answer's body.
    pub bytes_down: u64,
    /// The code of a refusal or error.
    pub reason: Option<&'static str>,
    /// What a change is about, beside a credential: `role:NAME`, `key:PREFIX`, `policy:NAME`.
    pub object: Option<Arc<str>>,
    /// The policy that refused, and its rule: `NAME/RULE`.
    pub policy: Option<Arc<str>>,
    /// Of the policies and the configuration that a request was judged by, from 1; 0 if none were asked.
    pub generation: u64,
    /// The store's, after a change; until it is made, the one before it. 0 if it is not about the store.
    pub revision: u64,
    /// How many refusals the line stands for, where it stands for several.
    pub(crate) count: u64,
}

impl Record {
    pub(crate) fn new(id: RequestId, (at, opened): (Stamp, Instant), door: Door, action: &'static str) -> Self {
        Self {
            at,
            opened,
            id,
            door,
            action,
            credential: Text::NONE,
            method: Text::NONE,
            url: Vec::new(),
            url_mac: None,
            source: None,
            key: Text::NONE,
            name: Text::NONE,
            settled: 0,
            status: 0,
            bytes_up: 0,
            bytes_down: 0,
            reason: None,
            object: None,
            policy: None,
            generation: 0,
            revision: 0,
            count: 0,
        }
    }

    /// The alias of the credential that is used.
    pub fn set_credential(&mut self, alias: &str) {
        self.settled = 0;
        self.credential.set_name(alias);
    }

    /// The caller's address.
    pub fn set_source(&mut self, source: Option<SocketAddr>) {
        self.settled = 0;
        self.source = source;
    }

    /// The visible prefix of the caller's key, or `?` for a text that is no key of the store.
    pub fn set_key(&mut self, prefix: &str) {
        self.settled = 0;
        self.key.set_name(prefix);
    }

    /// The caller's name.
    pub fn set_name(&mut self, name: &str) {
        self.settled = 0;
        self.name.set_name(name);
    }

    /// The request's method, as the client wrote it; one that is too long to be forwarded is cut.
    pub fn set_method(&mut self, method: impl AsRef<[u8]>) {
        self.settled = 0;
        self.method.set(method.as_ref());
    }

    /// The target, as it is before any credential is put into it. Of the query only the names of its parameters are
    /// kept; what has no name is a value.
    pub(crate) fn set_url(&mut self, scheme: &str, authority: &str, path_and_query: &[u8], key: &ChainKey) {
        let end = memchr(b'?', path_and_query).unwrap_or(path_and_query.len());
        self.set_target(&[scheme.as_bytes(), b"://", authority.as_bytes(), &path_and_query[..end]]);
        if let Some(query) = path_and_query.get(end + 1..) {
            append_names(&mut self.url, query);
        }
        self.shorten_url(key);
    }

    /// The target of a tunnel, `host:port`.
    pub(crate) fn set_authority(&mut self, authority: &str, key: &ChainKey) {
        self.set_target(&[authority.as_bytes()]);
        self.shorten_url(key);
    }

    fn set_target(&mut self, pieces: &[&[u8]]) {
        self.settled = 0;
        self.url_mac = None;
        let whole = pieces.concat();
        if escape::is_harmless(&whole) {
            self.url = whole;
            return;
        }
        self.url.clear();
        append(&mut self.url, &whole);
    }

    /// A URL that is too long is kept as its two ends around a MAC of all of it: what stands in its middle is neither lost
    /// nor hidden, since whoever has the store's key can tell whether a URL is this one.
    fn shorten_url(&mut self, key: &ChainKey) {
        if self.url.len() > LONGEST_URL {
            let mac = key.mac_of_url(&self.url);
            self.url = shortened(&self.url, &mac, LONGEST_URL).concat();
            self.url_mac = Some(mac);
        }
    }

    /// The URL in at most `limit` bytes, which are at least [`LEAST_URL`].
    pub(crate) fn url_within(&self, limit: usize, key: &ChainKey) -> Vec<u8> {
        let mac = self.url_mac.unwrap_or_else(|| key.mac_of_url(&self.url));
        shortened(&self.url, &mac, limit).concat()
    }
}

/// Bytes of a URL of which nothing but the MAC is left.
pub(crate) const LEAST_URL: usize = 2 * CUT.len() + 2 * MAC;

fn shortened<'a>(url: &'a [u8], mac: &[u8; MAC], limit: usize) -> [Cow<'a, [u8]>; 3] {
    let (head, tail) = escape::ends(url, limit.saturating_sub(LEAST_URL));
    [head.into(), [CUT, &digits(*mac), CUT].concat().into(), tail.into()]
}

fn append_names(url: &mut Vec<u8>, query: &[u8]) {
    let mut before: &[u8] = b"?";
    for parameter in query.split(|&b| b == b'&') {
        append(url, before);
        before = b"&";
        match memchr(b'=', parameter) {
            // `dG9rZW4==` is a value, with the padding of base64.
            Some(end) if end <= LONGEST_PARAMETER && !is_padding(&parameter[end + 1..]) => {
                append(url, &parameter[..=end]);
            }
            None if parameter.is_empty() => (),
            _ => append(url, b"..."),
        }
    }
}

fn is_padding(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(|&b| b == b'=')
}

fn append(url: &mut Vec<u8>, text: &[u8]) {
    escape::escape(text, usize::MAX, |piece| url.extend_from_slice(piece));
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use crate::audit::{
        chain::ChainKey,
        record::{Door, LEAST_URL, LONGEST_URL, Record, RequestId},
        stamp::Stamps,
    };

    fn record() -> Record {
        let now = Instant::now();
        let at = Stamps::new().at(now, || jiff::Timestamp::UNIX_EPOCH);
        Record::new(RequestId(1), (at, now), Door::Path, "http_request")
    }

    fn key() -> ChainKey {
        ChainKey::new(&[1; 32])
    }

    fn url(path_and_query: &[u8]) -> String {
        let mut record = record();
        record.set_url("https", "api.example:8443", path_and_query, &key());
        String::from_utf8(record.url).unwrap()
    }

    #[test]
    fn the_values_of_a_query_are_left_out() {
        for (given, kept) in [
            ("/user", "/user"),
            ("/user?", "/user?"),
            ("/user?a=secret&b=secret", "/user?a=&b="),
            ("/user?a=secret;b=secret?c=secret", "/user?a="),
            ("/user?secret", "/user?..."),
            ("/user?secret&a=secret&secret", "/user?...&a=&..."),
            ("/user?=secret", "/user?="),
            ("/user?a=secret&&", "/user?a=&&"),
            ("/user?c2VjcmV0==", "/user?..."),
            ("/user?c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0=", "/user?..."),
            ("/a=b/c", "/a=b/c"),
            ("*", "*"),
        ] {
            assert_eq!(url(given.as_bytes()), format!("https://api.example:8443{kept}"), "{given}");
        }
    }

    #[test]
    fn nothing_in_a_url_or_method_can_end_its_field() {
        let hostile = b"/a b\r\nc\"d'\\e\x00\x7f\xc3\xa9?x y=1";
        assert_eq!(
            url(hostile),
            "https://api.example:8443/a\\x20b\\x0d\\x0ac\\x22d\\x27\\x5ce\\x00\\x7f\\xc3\\xa9?x\\x20y="
        );
        let mut record = record();
        record.set_method("GET /x\n2026-11-22T10:30:00.123Z PATH");
        assert_eq!(record.method.as_bytes(), b"GET\\x20/x\\x0a2026-11-22T10:3\\...");
    }

    #[test]
    fn a_long_url_keeps_both_ends_around_a_mac_of_the_whole() {
        for filler in ["a", "\n", "aaé"] {
            let cut = url(format!("/begin{}/end?a=1&b=2", filler.repeat(3000)).as_bytes());
            assert!(cut.len() <= LONGEST_URL && cut.len() > LONGEST_URL - 10, "{}", cut.len());
            let (head, rest) = cut.split_once("\\...").unwrap();
            let (mac, tail) = rest.split_once("\\...").unwrap();
            assert!(head.starts_with("https://api.example:8443/begin") && tail.ends_with("/end?a=&b="), "{cut}");
            assert!(mac.len() == 32 && mac.bytes().all(|b| b.is_ascii_hexdigit()), "{mac}");
            let mut pieces = head.split('\\').skip(1).chain(tail.split('\\').skip(1));
            assert!(pieces.all(|it| it.starts_with('x') && it.len() >= 3), "no half escape");
        }
        assert!(!url(&[b'a'; LONGEST_URL - 100]).contains('\\'));
    }

    #[test]
    fn urls_that_differ_in_the_middle_differ_in_the_line_and_further_cuts_keep_the_mac() {
        let of = |middle: &str| {
            let mut record = record();
            let path = format!("/{}{middle}{}", "a".repeat(3000), "b".repeat(3000));
            record.set_url("https", "h.example", path.as_bytes(), &key());
            record
        };
        let mac = |url: &[u8]| {
            let text = str::from_utf8(url).unwrap();
            text.split("\\...").nth(1).unwrap().to_owned()
        };
        let [one, other] = [of("one"), of("two")];
        assert_eq!(one.url, of("one").url);
        assert_ne!(mac(&one.url), mac(&other.url));
        for limit in LEAST_URL..300 {
            let short = one.url_within(limit, &key());
            assert!(short.len() <= limit && mac(&short) == mac(&one.url), "{limit}");
        }
        // python3: hmac.new(b'\1'*32, b'vultrino url 1\0\0https://h/x', 'sha256').hexdigest()[:32]
        let mut short = record();
        short.set_url("https", "h", b"/x", &key());
        assert_eq!(mac(&short.url_within(LEAST_URL, &key())), "1a93ab94be8c84a9190ab7553ed5f905");
    }
}
