//! A line of the log, read back: its fields as they stand there, and what they mean.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Serialize;

use crate::audit::{escape::unescape, line};

/// A line's fields, as they are written. What is `-` there is `None`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fields<'a> {
    /// The whole line, without its newline.
    pub text: &'a str,
    /// When it began.
    pub time: &'a str,
    /// `PATH`, `ADMIN`, …
    pub door: &'a str,
    /// `http_request`, `credential_add`, …
    pub action: &'a str,
    /// `credential=`
    pub credential: Option<&'a str>,
    /// `method=`
    pub method: Option<&'a str>,
    /// `url=`
    pub url: Option<&'a str>,
    /// `source=`
    pub source: Option<&'a str>,
    /// `key=`
    pub key: Option<&'a str>,
    /// `name=`
    pub name: Option<&'a str>,
    /// `status=`
    pub status: Option<&'a str>,
    /// `outcome=`
    pub outcome: Option<&'a str>,
    /// `reason=`
    pub reason: Option<&'a str>,
    /// `up=`
    pub up: Option<&'a str>,
    /// `down=`
    pub down: Option<&'a str>,
    /// `ms=`
    pub ms: Option<&'a str>,
    /// `id=`
    pub id: Option<&'a str>,
    /// `object=`
    pub object: Option<&'a str>,
    /// `policy=`
    pub policy: Option<&'a str>,
    /// `gen=`
    pub generation: Option<&'a str>,
    /// `rev=`
    pub revision: Option<&'a str>,
    /// `count=`
    pub count: Option<&'a str>,
    /// `seq=`
    pub sequence: Option<&'a str>,
    /// `mac=`
    pub mac: Option<&'a str>,
}

impl<'a> Fields<'a> {
    /// Reads a line; `None` if it is none of ours. Fields that this version does not know are left out.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        if !line::is_begin(line) || !line.iter().all(|b| matches!(b, b' '..=b'~')) {
            return None;
        }
        let text = str::from_utf8(line).ok()?;
        let mut words = text.split(' ');
        let mut fields =
            Self { text, time: words.next()?, door: words.next()?, action: words.next()?, ..Self::default() };
        for word in words {
            let (name, value) = word.split_once('=')?;
            if let Some(field) = fields.field(name) {
                *field = (value != "-").then_some(value);
            }
        }
        fields.outcome.is_some().then_some(fields)
    }

    fn field(&mut self, name: &str) -> Option<&mut Option<&'a str>> {
        Some(match name {
            "credential" => &mut self.credential,
            "method" => &mut self.method,
            "url" => &mut self.url,
            "source" => &mut self.source,
            "key" => &mut self.key,
            "name" => &mut self.name,
            "status" => &mut self.status,
            "outcome" => &mut self.outcome,
            "reason" => &mut self.reason,
            "up" => &mut self.up,
            "down" => &mut self.down,
            "ms" => &mut self.ms,
            "id" => &mut self.id,
            "object" => &mut self.object,
            "policy" => &mut self.policy,
            "gen" => &mut self.generation,
            "rev" => &mut self.revision,
            "count" => &mut self.count,
            "seq" => &mut self.sequence,
            "mac" => &mut self.mac,
            _ => return None,
        })
    }

    /// The number of the record; 0 if it has none.
    pub fn sequence(&self) -> u64 {
        number(self.sequence).unwrap_or_default()
    }

    /// How many requests the line stands for.
    pub fn count(&self) -> u64 {
        number(self.count).unwrap_or(1)
    }

    /// The host of the URL, with its port if it has one.
    pub fn host(&self) -> Option<&'a str> {
        let url = self.url?;
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        rest.split(['/', '?']).next().filter(|it| !it.is_empty())
    }
}

/// A line's fields, as they were before they were written.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Event {
    /// Counts the records of a store.
    pub seq: u64,
    /// Names the record.
    pub id: String,
    /// When it began.
    pub time: String,
    /// Where it came in.
    pub door: String,
    /// What was done.
    pub action: String,
    /// With which credential.
    pub credential: Option<String>,
    /// The request's method.
    pub method: Option<String>,
    /// Where to.
    pub url: Option<String>,
    /// The caller's address and port.
    pub source: Option<String>,
    /// The visible beginning of the caller's key.
    pub key: Option<String>,
    /// The caller's name.
    pub name: Option<String>,
    /// What the caller got.
    pub status: Option<u16>,
    /// How it ended.
    pub outcome: String,
    /// Why it was refused or failed.
    pub reason: Option<String>,
    /// Bytes of the request's body.
    pub up: u64,
    /// Bytes of the answer's body.
    pub down: u64,
    /// How long it took.
    pub ms: Option<u64>,
    /// What a change was about.
    pub object: Option<String>,
    /// The policy that refused.
    pub policy: Option<String>,
    /// What it was judged by.
    pub generation: Option<u64>,
    /// The store's, after a change.
    pub revision: Option<u64>,
    /// Binds it to the record before.
    pub mac: Option<String>,
    /// How many refusals it stands for, where it stands for several.
    pub count: Option<u64>,
}

impl From<&Fields<'_>> for Event {
    fn from(fields: &Fields<'_>) -> Self {
        let text = |value: Option<&str>| value.map(|it| unescape(it).into_owned());
        Self {
            seq: fields.sequence(),
            id: text(fields.id).unwrap_or_default(),
            time: fields.time.to_owned(),
            door: fields.door.to_owned(),
            action: fields.action.to_owned(),
            credential: text(fields.credential),
            method: text(fields.method),
            url: text(fields.url),
            source: text(fields.source),
            key: text(fields.key),
            name: text(fields.name),
            status: number(fields.status),
            outcome: text(fields.outcome).unwrap_or_default(),
            reason: text(fields.reason),
            up: number(fields.up).unwrap_or_default(),
            down: number(fields.down).unwrap_or_default(),
            ms: number(fields.ms),
            object: text(fields.object),
            policy: text(fields.policy),
            generation: number(fields.generation),
            revision: number(fields.revision),
            mac: text(fields.mac),
            count: number(fields.count),
        }
    }
}

impl Event {
    /// Names and values, in the order of the line's beginning.
    pub fn pairs<'a>(&'a self) -> [(&'static str, Option<Cow<'a, str>>); 23] {
        let text = |value: &'a Option<String>| value.as_deref().map(Cow::Borrowed);
        let number = |value: Option<u64>| value.map(|it| Cow::Owned(it.to_string()));
        [
            ("seq", number(Some(self.seq))),
            ("id", Some(Cow::Borrowed(&*self.id))),
            ("time", Some(Cow::Borrowed(&*self.time))),
            ("door", Some(Cow::Borrowed(&*self.door))),
            ("action", Some(Cow::Borrowed(&*self.action))),
            ("credential", text(&self.credential)),
            ("method", text(&self.method)),
            ("url", text(&self.url)),
            ("source", text(&self.source)),
            ("key", text(&self.key)),
            ("name", text(&self.name)),
            ("status", number(self.status.map(u64::from))),
            ("outcome", Some(Cow::Borrowed(&*self.outcome))),
            ("reason", text(&self.reason)),
            ("up", number(Some(self.up))),
            ("down", number(Some(self.down))),
            ("ms", number(self.ms)),
            ("object", text(&self.object)),
            ("policy", text(&self.policy)),
            ("generation", number(self.generation)),
            ("revision", number(self.revision)),
            ("mac", text(&self.mac)),
            ("count", number(self.count)),
        ]
    }

    /// When it began, if the line has a real time.
    pub fn at(&self) -> Option<Timestamp> {
        self.time.parse().ok()
    }
}

fn number<T: std::str::FromStr>(value: Option<&str>) -> Option<T> {
    value.and_then(|it| it.parse().ok())
}

/// Whether a written value is `wanted`.
pub(crate) fn is(value: Option<&str>, wanted: &str) -> bool {
    value.is_some_and(|it| it == wanted || (it.contains('\\') && unescape(it) == Cow::Borrowed(wanted)))
}

#[cfg(test)]
mod tests {
    use crate::audit::event::{Event, Fields, is};

    const LINE: &str = "2026-11-22T10:30:00.123Z PATH http_request credential=github-api method=GET \
                        url=https://api.github.com:8443/user?x= source=127.0.0.1:53122 key=\\x2d name=a\\x20\\xc3\\xa9b \
                        status=200 outcome=ok reason=- up=0 down=1234 ms=12 id=0123456789abcdef object=- policy=- gen=7 \
                        seq=3 mac=00112233445566778899aabbccddeeff";

    #[test]
    fn a_line_is_read_back() {
        let fields = Fields::parse(LINE.as_bytes()).unwrap();
        assert_eq!((fields.sequence(), fields.host()), (3, Some("api.github.com:8443")));
        let event = Event::from(&fields);
        assert_eq!((event.key.as_deref(), event.name.as_deref()), (Some("-"), Some("a éb")));
        assert_eq!((event.status, event.ms, event.generation, event.reason), (Some(200), Some(12), Some(7), None));
        assert_eq!(event.time.parse::<jiff::Timestamp>().ok(), Event::from(&fields).at());
        assert!(is(fields.name, "a éb") && !is(fields.name, "a") && !is(fields.reason, "-") && is(fields.key, "-"));
    }

    #[test]
    fn other_text_is_no_line() {
        let cut = &LINE[..LINE.find(" outcome").unwrap()];
        let odd = [&LINE.replace("GET", "G\u{e9}T"), &LINE.replace("method=", "method"), cut, "", "someone's note"];
        for text in odd {
            assert!(Fields::parse(text.as_bytes()).is_none(), "{text}");
        }
        assert!(Fields::parse(b"\xff\xfe").is_none());
        let later = format!("{LINE} colour=red");
        assert_eq!(Fields::parse(later.as_bytes()).unwrap().sequence(), 3, "a later version says more");
    }
}
