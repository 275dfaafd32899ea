//! How a record reads: one line of printable ASCII that nothing inside a value can break.

use std::{
    fmt::{self, Write as _},
    net::SocketAddr,
};

use memchr::memmem;

use crate::audit::{
    chain::ChainKey,
    digits::{base_10, base_16, width},
    escape::escape,
    record::{LEAST_URL, Outcome, Record, RequestId},
    text::Text,
};

/// Room for any line.
pub const LONGEST: usize = 3072;

const ID: &[u8] = b" id=";

const LONGEST_OBJECT: usize = 72;
const LONGEST_POLICY: usize = 72;

/// One record at one moment.
#[derive(Debug)]
pub struct Line<'a> {
    /// The facts.
    pub record: &'a Record,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took; `None` before the end.
    pub millis: Option<u64>,
    /// What the MAC of a URL that must be shortened is made with.
    pub key: &'a ChainKey,
}

/// What became of a line in the room it was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fit {
    /// Its length, with the newline.
    pub length: usize,
    /// How much of that does not depend on how it ends.
    pub settled: usize,
    /// Whether the URL had to be shortened.
    pub cut: bool,
}

impl Line<'_> {
    /// Writes the line into `space`. If it is too long there, the URL gives way. What of the line is settled is taken from
    /// `before`, which holds it, unless that is empty.
    pub fn write(&self, space: &mut [u8], before: &[u8]) -> Fit {
        let mut out = Out { space, length: 0 };
        if before.is_empty() {
            self.begin(&mut out, &self.record.url);
        } else {
            out.put(before);
        }
        let settled = out.length;
        self.end(&mut out);
        let Out { space, length: needed } = out;
        if needed <= space.len() {
            return Fit { length: needed, settled, cut: false };
        }
        let keep = self.record.url.len().saturating_sub(needed - space.len());
        let url = self.record.url_within(keep.max(LEAST_URL), self.key);
        let mut out = Out { space, length: 0 };
        self.begin(&mut out, &url);
        self.end(&mut out);
        let Out { space, length } = out;
        let length = length.min(space.len());
        // The other fields are bounded so that this changes nothing; but a line must end.
        if let Some(last) = space[..length].last_mut() {
            *last = b'\n';
        }
        Fit { length, settled: 0, cut: true }
    }

    /// Who wants what.
    fn begin(&self, out: &mut Out<'_>, url: &[u8]) {
        let record = self.record;
        out.put(record.at.as_bytes());
        out.put(b" ");
        out.put(record.door.as_str().as_bytes());
        out.put(b" ");
        out.put(record.action.as_bytes());
        out.put(b" credential=");
        out.text(&record.credential);
        out.put(b" method=");
        out.text(&record.method);
        out.put(b" url=");
        out.put(if url.is_empty() { b"-" } else { url });
        out.put(b" source=");
        out.source(record.source);
        out.put(b" key=");
        out.text(&record.key);
        out.put(b" name=");
        out.text(&record.name);
    }

    /// What came of it.
    fn end(&self, out: &mut Out<'_>) {
        let record = self.record;
        out.put(b" status=");
        out.number((record.status > 0).then_some(record.status.into()));
        out.put(b" outcome=");
        out.put(self.outcome.as_str().as_bytes());
        out.put(b" reason=");
        match record.reason {
            None => out.put(b"-"),
            Some(reason) => out.put(reason.as_bytes()),
        }
        out.put(b" up=");
        out.digits(record.bytes_up);
        out.put(b" down=");
        out.digits(record.bytes_down);
        out.put(b" ms=");
        out.number(self.millis);
        out.put(ID);
        for bytes in record.id.0.to_be_bytes().as_chunks().0 {
            out.put(&base_16(*bytes));
        }
        out.put(b" object=");
        out.value(record.object.as_deref(), LONGEST_OBJECT);
        out.put(b" policy=");
        out.value(record.policy.as_deref(), LONGEST_POLICY);
        out.put(b" gen=");
        out.number((record.generation > 0).then_some(record.generation));
        out.put(b" rev=");
        out.number((record.revision > 0).then_some(record.revision));
        if record.count > 1 {
            out.put(b" count=");
            out.digits(record.count);
        }
        out.put(b"\n");
    }
}

/// Whose line this is, if it is one of ours.
pub fn id_of(line: &[u8]) -> Option<RequestId> {
    // No value can hold a blank, so this is the field.
    let digits = line.get(memmem::rfind(line, ID)? + ID.len()..)?.first_chunk::<16>()?;
    u64::from_str_radix(str::from_utf8(digits).ok()?, 16).ok().map(RequestId)
}

/// Whether text that was torn off somewhere is the begin of a line of ours.
pub fn is_begin(text: &[u8]) -> bool {
    let shape = b"dddd-dd-ddTdd:dd:dd.dddZ ";
    text.iter().zip(shape).all(|(b, s)| if *s == b'd' { b.is_ascii_digit() } else { b == s })
}

/// Writes while there is space, and counts on where there is none.
struct Out<'a> {
    space: &'a mut [u8],
    length: usize,
}

impl Out<'_> {
    // Constants become single stores.
    #[inline]
    fn put(&mut self, text: &[u8]) {
        let end = self.length + text.len();
        if let Some(space) = self.space.get_mut(self.length..end) {
            space.copy_from_slice(text);
        }
        self.length = end;
    }

    /// Copies what is behind the text, too: a copy of constant length is cheaper, and the next text overwrites it.
    fn text<const N: usize>(&mut self, text: &Text<N>) {
        let (bytes, length) = text.padded();
        match self.space.get_mut(self.length..self.length + N) {
            Some(space) => {
                space.copy_from_slice(bytes);
                self.length += length;
            }
            None => self.put(text.as_bytes()),
        }
    }

    fn value(&mut self, value: Option<&str>, limit: usize) {
        match value {
            None | Some("") => self.put(b"-"),
            // What is there and reads so must not look like what is absent.
            Some("-") => self.put(b"\\x2d"),
            Some(text) => escape(text.as_bytes(), limit, |piece| self.put(piece)),
        }
    }

    fn number(&mut self, value: Option<u64>) {
        match value {
            None => self.put(b"-"),
            Some(value) => self.digits(value),
        }
    }

    fn digits(&mut self, value: u64) {
        if value < 10 {
            return self.put(&[b'0' + (value % 10) as u8]);
        }
        let end = self.length + width(value);
        if let Some(space) = self.space.get_mut(self.length..end) {
            base_10(value, space);
        }
        self.length = end;
    }

    /// `core::fmt` takes as long for an address as all else takes for the line, so the common form is done by hand.
    fn source(&mut self, source: Option<SocketAddr>) {
        match source {
            None => self.put(b"-"),
            Some(SocketAddr::V4(address)) => {
                let [first, rest @ ..] = address.ip().octets();
                self.digits(first.into());
                for octet in rest {
                    self.put(b".");
                    self.digits(octet.into());
                }
                self.put(b":");
                self.digits(address.port().into());
            }
            Some(SocketAddr::V6(address)) => {
                // Writing into `Out` cannot fail.
                if write!(self, "{address}").is_err() {
                    self.put(b"-");
                }
            }
        }
    }
}

impl fmt::Write for Out<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use crate::audit::{
        chain::ChainKey,
        journal::ROOM,
        line::{self, Fit, LONGEST, Line},
        record::{Door, Outcome, Record, RequestId},
        stamp::Stamps,
    };

    const ID: RequestId = RequestId(0x0123_4567_89ab_cdef);

    fn key() -> ChainKey {
        ChainKey::new(&[1; 32])
    }

    fn record(door: Door) -> Record {
        let now = Instant::now();
        let at = Stamps::new().at(now, || "2026-11-22T10:30:00.123Z".parse().unwrap());
        Record::new(ID, (at, now), door, "http_request")
    }

    fn full(mut record: Record) -> Record {
        record.set_credential("github-api");
        record.set_method("GET");
        record.set_url("https", "api.github.com", b"/user?x=1", &key());
        record.set_source("127.0.0.1:53122".parse().ok());
        record.set_name("local");
        record.status = 200;
        record.bytes_down = 1234;
        record.generation = 7;
        record
    }

    fn write(record: &Record, outcome: Outcome, millis: Option<u64>, space: usize) -> (String, Fit) {
        let mut text = vec![0; space];
        let fit = Line { record, outcome, millis, key: &key() }.write(&mut text, b"");
        text.truncate(fit.length);
        (String::from_utf8(text).unwrap(), fit)
    }

    #[test]
    fn a_line_reads_as_documented() {
        assert_eq!(
            write(&full(record(Door::Path)), Outcome::Ok, Some(12), LONGEST).0,
            "2026-11-22T10:30:00.123Z PATH http_request credential=github-api method=GET \
             url=https://api.github.com/user?x= source=127.0.0.1:53122 key=- name=local status=200 outcome=ok \
             reason=- up=0 down=1234 ms=12 id=0123456789abcdef object=- policy=- gen=7 rev=-\n"
        );
        let mut refused = record(Door::Tunnel);
        refused.set_authority("[::1]:443", &key());
        refused.set_source("[2001:db8::1]:9".parse().ok());
        refused.reason = Some("sni_mismatch");
        refused.bytes_up = u64::MAX;
        refused.object = Some("role:ci".into());
        refused.policy = Some("read-only/2".into());
        refused.revision = 12;
        refused.count = 345;
        assert_eq!(
            write(&refused, Outcome::Denied, None, LONGEST).0,
            "2026-11-22T10:30:00.123Z TUNNEL http_request credential=- method=- url=[::1]:443 \
             source=[2001:db8::1]:9 key=- name=- status=- outcome=denied reason=sni_mismatch \
             up=18446744073709551615 down=0 ms=- id=0123456789abcdef object=role:ci policy=read-only/2 gen=- rev=12 count=345\n"
        );
    }

    #[test]
    fn values_cannot_make_lines_or_fields() {
        let hostile = "a b\nkey=\"x\"\r\\\u{7f}\u{2028}é";
        let mut record = full(record(Door::Api));
        record.set_credential(hostile);
        record.set_key("-");
        record.set_name(hostile);
        let (text, _) = write(&record, Outcome::Ok, Some(0), LONGEST);
        assert_eq!(text.matches('\n').count(), 1);
        assert!(text.trim_end().bytes().all(|b| b == b' ' || b.is_ascii_graphic()), "{text}");
        let fields: Vec<&str> = text.split(' ').collect();
        assert_eq!(fields.len(), 20);
        assert_eq!(
            fields[3], "credential=a\\x20b\\x0akey=\\x22x\\x22\\x0d\\x5c\\x7f\\xe2\\x80\\xa8\\xc3\\xa9",
            "the fourth field"
        );
        assert_eq!(fields[7], "key=\\x2d");
    }

    #[test]
    fn the_longest_line_fits_a_slot_without_its_url() {
        let mut longest = record(Door::Connect);
        longest.action = "an_action_with_a_long_na";
        longest.set_credential(&"é".repeat(100));
        longest.set_method("é".repeat(100));
        longest.set_url("https", &"h".repeat(250), "/".repeat(4000).as_bytes(), &key());
        longest.set_source("[fe80:1111:2222:3333:4444:5555:6666:7777%4294967295]:65535".parse().ok());
        longest.set_key(&"k".repeat(100));
        longest.set_name(&"\n".repeat(100));
        longest.status = u16::MAX;
        longest.bytes_up = u64::MAX;
        longest.bytes_down = u64::MAX;
        longest.reason = Some("a_reason_that_is_as_long_as_a_reason_is_");
        longest.policy = Some("\n".repeat(100).into());
        longest.generation = u64::MAX;
        longest.count = u64::MAX;
        let (text, fit) = write(&longest, Outcome::UpstreamError, Some(u64::MAX), ROOM);
        assert!(fit.cut && fit.length <= ROOM);
        assert!(
            text.contains("\\.../")
                && text.contains(" source=[fe80")
                && text.ends_with(" count=18446744073709551615\n"),
            "{text}"
        );
        let (_, fit) = write(&longest, Outcome::UpstreamError, Some(u64::MAX), LONGEST);
        assert!(!fit.cut);
        // A change has an object and a revision, and no URL.
        longest.set_authority("", &key());
        (longest.generation, longest.count) = (0, 0);
        longest.object = Some("\n".repeat(100).into());
        longest.revision = u64::MAX;
        let (text, fit) = write(&longest, Outcome::UpstreamError, Some(u64::MAX), ROOM);
        assert!(!fit.cut && text.ends_with(" rev=18446744073709551615\n"), "{text}");
    }

    #[test]
    fn the_url_gives_way_where_space_is_short() {
        let mut record = full(record(Door::Path));
        record.set_url("https", "a.example", "/\n".repeat(400).as_bytes(), &key());
        let (whole, _) = write(&record, Outcome::Ok, Some(1), LONGEST);
        for space in 370..410 {
            let (text, fit) = write(&record, Outcome::Ok, Some(1), space);
            assert!(fit.cut && text.len() <= space && text.len() > space - 8, "{text}");
            let (before, rest) = text.split_once("\\...").unwrap();
            let (mac, after) = rest.split_once("\\...").unwrap();
            assert!(whole.starts_with(before) && whole.ends_with(after) && mac.len() == 32, "{text}");
            for end in [before, after] {
                assert_eq!(end.matches("\\x0a").count(), end.matches('\\').count(), "no half escape: {end}");
            }
        }
    }

    #[test]
    fn lines_are_recognised_again() {
        let (text, _) = write(&full(record(Door::Path)), Outcome::Ok, Some(12), LONGEST);
        assert_eq!(line::id_of(text.as_bytes()), Some(ID));
        assert_eq!(line::id_of(text.split_at(text.find(" object=").unwrap() - 1).0.as_bytes()), None);
        assert_eq!(line::id_of(b"x id=zzzzzzzzzzzzzzzz"), None);
        assert!((0..text.len()).all(|end| line::is_begin(&text.as_bytes()[..end])));
        assert!(!line::is_begin(b"2026 was a good year") && !line::is_begin(b"note"));
    }
}
