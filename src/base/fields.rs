//! The fields of one message (RFC 9110 section 5): one buffer and an index, order and case kept.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue};
use zeroize::Zeroizing;

use crate::base::secret::Secret;

/// The field section of a request or an answer.
///
/// Parsed fields are spans of the buffer they were read into. An injected secret is never put into that buffer:
/// it stays in its [`Secret`] until the message is written.
#[derive(Debug, Default)]
pub struct Fields {
    bytes: Vec<u8>,
    index: Vec<Span>,
    /// One bit for each [`Known`] that was ever in the index: most are never there, and need not be sought.
    seen: u32,
    /// The same for each [`Known`] that was in it more than once.
    again: u32,
    injected: Vec<Injected>,
}

/// A field whose value is secret, but for how it begins.
#[derive(Debug)]
struct Injected {
    name: Cow<'static, str>,
    scheme: Cow<'static, str>,
    secret: Secret,
}

/// One field.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// As it was spelled.
    pub name: &'a [u8],
    /// Without the white space around it.
    pub value: &'a [u8],
    /// Recognised once, when the field was read.
    pub known: Known,
}

/// Names that mean something to a proxy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Known {
    /// `Authorization`
    Authorization,
    /// `Connection`
    Connection,
    /// `Content-Length`
    ContentLength,
    /// `Content-Type`, also with an underscore: servers that run CGI programs read both as one.
    ContentType,
    /// `Expect`
    Expect,
    /// `Host`
    Host,
    /// Fields of this connection alone: `Keep-Alive`, `Proxy-Connection`, `TE`, `Upgrade`, `HTTP2-Settings` and
    /// all other `Proxy-*`.
    HopByHop,
    /// `Origin`
    Origin,
    /// Asks for another method or URL than the request line's: `X-HTTP-Method-Override`, `X-Original-URL` and their like,
    /// also with underscores
    Override,
    /// `Proxy-Authorization`
    ProxyAuthorization,
    /// `Proxy-Status`
    ProxyStatus,
    /// `Sec-Fetch-Site`
    SecFetchSite,
    /// `Transfer-Encoding`
    TransferEncoding,
    /// `Via`
    Via,
    /// `X-Vultrino-*`, also with underscores
    Vultrino,
    /// Anything else.
    Other,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    name_at: u32,
    value_at: u32,
    value_len: u32,
    name_len: u16,
    known: Known,
}

impl Fields {
    /// Fields that will be spans of `bytes`; the caller names them with [`Fields::push_span`].
    pub fn over(bytes: Vec<u8>, expected: usize) -> Self {
        Self { bytes, index: Vec::with_capacity(expected), ..Self::default() }
    }

    /// Adds a field whose name and value already stand in the buffer.
    pub fn push_span(&mut self, (name_at, name_len): (usize, usize), (value_at, value_len): (usize, usize)) {
        let known = Known::of(&self.bytes[name_at..name_at + name_len]);
        self.again |= self.seen & known.bit();
        self.seen |= known.bit();
        let short = |it: usize| u32::try_from(it).unwrap_or(u32::MAX);
        self.index.push(Span {
            name_at: short(name_at),
            value_at: short(value_at),
            value_len: short(value_len),
            name_len: u16::try_from(name_len).unwrap_or(u16::MAX),
            known,
        });
    }

    /// Bytes of memory that they take.
    pub fn held(&self) -> usize {
        self.bytes.capacity() + self.index.capacity() * size_of::<Span>()
    }

    /// All fields in order, without injected ones.
    pub fn iter(&self) -> impl Iterator<Item = Field<'_>> {
        self.index.iter().map(|it| it.of(&self.bytes))
    }

    /// The values of all fields of one known name.
    pub fn all(&self, known: Known) -> impl Iterator<Item = &[u8]> {
        self.fields_of(known).map(|it| it.value)
    }

    fn fields_of(&self, known: Known) -> impl Iterator<Item = Field<'_>> {
        let index = if self.seen & known.bit() == 0 { &[][..] } else { &self.index };
        index.iter().filter(move |it| it.known == known).map(|it| it.of(&self.bytes))
    }

    /// The first value of a known name.
    pub fn first(&self, known: Known) -> Option<&[u8]> {
        self.all(known).next()
    }

    /// Why these are no fields of one request, if one of those that may stand only once is repeated. `Host` and
    /// `Content-Length` are judged by the codec.
    pub fn repeated(&self) -> Option<&'static str> {
        const SINGLE: [(Known, &str); 3] = [
            (Known::Authorization, "the Authorization field is repeated"),
            (Known::ContentType, "the Content-Type field is repeated"),
            (Known::ProxyAuthorization, "the Proxy-Authorization field is repeated"),
        ];
        let single = SINGLE.iter().find(|(known, _)| self.is_repeated(*known)).map(|(_, why)| *why);
        single.or_else(|| self.repeats_one_of_ours().then_some("an X-Vultrino field is repeated"))
    }

    /// Whether a field of this known name was added more than once.
    pub fn is_repeated(&self, known: Known) -> bool {
        self.again & known.bit() != 0
    }

    fn repeats_one_of_ours(&self) -> bool {
        let ours = || self.fields_of(Known::Vultrino);
        self.is_repeated(Known::Vultrino)
            && ours().enumerate().any(|(at, one)| ours().skip(at + 1).any(|it| it.name.eq_ignore_ascii_case(one.name)))
    }

    /// What `Connection` names (RFC 9110 section 7.6.1): options, and fields that are for this connection only.
    pub fn connection_options(&self) -> impl Iterator<Item = &[u8]> {
        let options = self.all(Known::Connection).flat_map(|it| it.split(|b| *b == b',').map(<[u8]>::trim_ascii));
        options.filter(|it| !it.is_empty())
    }

    /// Whether the sender ends the connection after this message.
    pub fn closes(&self) -> bool {
        self.connection_options().any(|it| it.eq_ignore_ascii_case(b"close"))
    }

    /// Whether `Upgrade` stands there once and says `websocket`, and nothing else (RFC 6455 section 4.1).
    pub fn upgrades_to_websocket(&self) -> bool {
        let mut values = self.named("upgrade");
        values.next().is_some_and(|it| it.eq_ignore_ascii_case(b"websocket")) && values.next().is_none()
    }

    /// The values of all fields of this name, in any case.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let named = self.fields_of(Known::of(name.as_bytes()));
        named.filter(|it| it.name.eq_ignore_ascii_case(name.as_bytes())).map(|it| it.value)
    }

    /// Keeps the fields that `keep` says.
    pub fn retain(&mut self, mut keep: impl FnMut(Field<'_>) -> bool) {
        let bytes = &self.bytes;
        self.index.retain(|it| keep(it.of(bytes)));
    }

    /// Adds a field at the end.
    pub fn append(&mut self, name: &str, value: &[u8]) {
        let name_at = self.bytes.len();
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(value);
        self.push_span((name_at, name.len()), (name_at + name.len(), value.len()));
    }

    /// Puts a secret field in, and every field of that name out, whatever its case and with underscores for hyphens.
    /// `scheme` is what stands in front of the secret, with its blank.
    pub fn inject(&mut self, name: impl Into<Cow<'static, str>>, scheme: impl Into<Cow<'static, str>>, secret: Secret) {
        let (name, scheme) = (name.into(), scheme.into());
        self.retain(|it| !is_twin(it.name, name.as_bytes()));
        self.injected.push(Injected { name, scheme, secret });
    }

    /// The names of injected fields.
    pub fn injected(&self) -> impl Iterator<Item = &str> {
        self.injected.iter().map(|it| &*it.name)
    }

    /// The same as a map, for HTTP/2. What is secret in it is marked: it is not kept in the tables of header compression
    /// that other requests share (RFC 7541 section 7.1). `None` where a name or a value has no place in one, or they are too
    /// many.
    pub fn to_map(&self) -> Option<HeaderMap> {
        let mut map = HeaderMap::try_with_capacity(self.index.len() + self.injected.len()).ok()?;
        for field in self.iter() {
            let mut value = HeaderValue::from_bytes(field.value).ok()?;
            value.set_sensitive(field.known == Known::Authorization || field.name.eq_ignore_ascii_case(b"cookie"));
            map.try_append(HeaderName::from_bytes(field.name).ok()?, value).ok()?;
        }
        for Injected { name, scheme, secret } in &self.injected {
            let whole = Zeroizing::new([scheme.as_bytes(), secret.expose()].concat());
            let mut value = HeaderValue::from_bytes(&whole).ok()?;
            value.set_sensitive(true);
            map.try_append(HeaderName::from_bytes(name.as_bytes()).ok()?, value).ok()?;
        }
        Some(map)
    }

    /// How many bytes [`Fields::write`] adds.
    pub fn written_len(&self) -> usize {
        let plain: usize = self.index.iter().map(|it| usize::from(it.name_len) + it.value_len as usize + 4).sum();
        plain + self.injected.iter().map(|it| it.name.len() + it.scheme.len() + it.secret.len() + 4).sum::<usize>()
    }

    /// Writes them as HTTP/1 field lines. What `out` then holds may be secret.
    pub fn write(&self, out: &mut Vec<u8>) {
        for field in self.iter() {
            write_line(out, field.name, [field.value]);
        }
        for Injected { name, scheme, secret } in &self.injected {
            write_line(out, name.as_bytes(), [scheme.as_bytes(), secret.expose()]);
        }
    }
}

impl Span {
    fn of(self, bytes: &[u8]) -> Field<'_> {
        let (name, value) = (self.name_at as usize, self.value_at as usize);
        Field {
            name: &bytes[name..name + usize::from(self.name_len)],
            value: &bytes[value..value + self.value_len as usize],
            known: self.known,
        }
    }
}

impl Known {
    fn bit(self) -> u32 {
        1 << self as u32
    }

    /// Recognises a name in any case.
    pub fn of(name: &[u8]) -> Self {
        let is = |text: &str| name.eq_ignore_ascii_case(text.as_bytes());
        let begins = |text: &str| name.len() >= text.len() && is_twin(&name[..text.len()], text.as_bytes());
        match name.first().map(u8::to_ascii_lowercase) {
            Some(b'a') if is("authorization") => Self::Authorization,
            Some(b'c') => match name.len() {
                10 if is("connection") => Self::Connection,
                12 if begins("content-type") => Self::ContentType,
                14 if is("content-length") => Self::ContentLength,
                // What some servers read as framing must not pass as anything else.
                14 if begins("content-length") => Self::HopByHop,
                _ => Self::Other,
            },
            Some(b'e') if is("expect") => Self::Expect,
            Some(b'h') if is("host") => Self::Host,
            Some(b'h') if is("http2-settings") => Self::HopByHop,
            Some(b'k') if is("keep-alive") => Self::HopByHop,
            Some(b'o') if is("origin") => Self::Origin,
            Some(b'p') if is("proxy-authorization") => Self::ProxyAuthorization,
            Some(b'p') if is("proxy-status") => Self::ProxyStatus,
            Some(b'p') if begins("proxy-") => Self::HopByHop,
            Some(b's') if is("sec-fetch-site") => Self::SecFetchSite,
            Some(b't') if is("te") => Self::HopByHop,
            Some(b't') if is("transfer-encoding") => Self::TransferEncoding,
            Some(b't') if name.len() == 17 && begins("transfer-encoding") => Self::HopByHop,
            Some(b'u') if is("upgrade") => Self::HopByHop,
            Some(b'v') if is("via") => Self::Via,
            Some(b'x') if begins("x-vultrino-") => Self::Vultrino,
            Some(b'x') if OVERRIDES.iter().any(|it| is_twin(name, it.as_bytes())) => Self::Override,
            _ => Self::Other,
        }
    }
}

/// See [`Known::Override`].
const OVERRIDES: [&str; 5] =
    ["x-http-method-override", "x-method-override", "x-http-method", "x-original-url", "x-rewrite-url"];

/// Same name in any case, where some servers also read `_` as `-`.
pub fn is_twin(a: &[u8], b: &[u8]) -> bool {
    let fold = |b: &u8| if *b == b'_' { b'-' } else { b.to_ascii_lowercase() };
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| fold(a) == fold(b))
}

fn write_line<const N: usize>(out: &mut Vec<u8>, name: &[u8], value: [&[u8]; N]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    for part in value {
        out.extend_from_slice(part);
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use crate::base::{
        fields::{Fields, Known},
        secret::Secret,
    };

    #[test]
    fn an_injected_field_stands_alone_whatever_the_spelling_of_others() {
        let mut fields = Fields::default();
        for name in ["x-api-key", "X-API-KEY", "X_API_Key", "X-Other"] {
            fields.append(name, b"client's");
        }
        fields.inject("X-API-Key", "Token ", Secret::from(String::from("ours")));
        let mut out = Vec::new();
        fields.write(&mut out);
        assert_eq!(out, b"X-Other: client's\r\nX-API-Key: Token ours\r\n");
        assert_eq!(out.len(), fields.written_len());
    }

    #[test]
    fn fields_that_may_stand_once_are_found_when_they_are_repeated() {
        let repeated = |names: &[&str]| {
            let mut fields = Fields::default();
            for name in names {
                fields.append(name, b"v");
            }
            fields.repeated().is_some()
        };
        for names in [
            ["Authorization", "authorization"],
            ["Proxy-Authorization", "proxy-authorization"],
            ["Content-Type", "content_type"],
            ["Content_Type", "Content_Type"],
            ["X-Vultrino-Policy", "x-vultrino-policy"],
        ] {
            assert!(repeated(&names), "{names:?}");
            assert!(!repeated(&names[..1]), "{names:?}");
        }
        assert!(!repeated(&["Accept", "Accept", "X-Vultrino-Policy", "X-Vultrino-Credential", "Content-Types"]));
    }

    #[test]
    fn names_are_recognised_in_any_case() {
        for (name, known) in [
            ("HOST", Known::Host),
            ("x_vultrino-Credential", Known::Vultrino),
            ("Proxy-Connection", Known::HopByHop),
            ("proxy-authorization", Known::ProxyAuthorization),
            ("content_Type", Known::ContentType),
            ("Proxy-Status", Known::ProxyStatus),
            ("Content_Length", Known::HopByHop),
            ("transfer_encoding", Known::HopByHop),
            ("X_HTTP_Method-Override", Known::Override),
            ("x-original-url", Known::Override),
            ("x", Known::Other),
        ] {
            assert_eq!(Known::of(name.as_bytes()), known, "{name}");
        }
    }
}
