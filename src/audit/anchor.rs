//! A place in the chain: as the trail's own head, and as the store remembers it.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::audit::{digits::base_16, escape::unhex};

/// Bytes of a record's MAC.
pub const MAC: usize = 16;

/// One record's number and MAC. Whoever has them knows whether a log still holds that record, and with it every record
/// before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    /// Counts the records of a store from 1; 0 is before the first.
    pub sequence: u64,
    /// Of that record; zeros before the first.
    #[serde(serialize_with = "write_hex", deserialize_with = "read_hex")]
    pub mac: [u8; MAC],
}

impl Anchor {
    /// Before the first record.
    pub const BEGIN: Self = Self { sequence: 0, mac: [0; MAC] };
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {}", self.sequence)
    }
}

/// As it stands in a line.
pub(crate) fn digits(mac: [u8; MAC]) -> [u8; MAC * 2] {
    let mut text = [0; MAC * 2];
    for (digits, bytes) in text.as_chunks_mut().0.iter_mut().zip(mac.as_chunks().0) {
        *digits = base_16(*bytes);
    }
    text
}

/// Reads what [`digits`] wrote.
pub(crate) fn of_digits(text: &[u8]) -> Option<[u8; MAC]> {
    let text: &[u8; MAC * 2] = text.try_into().ok()?;
    let mut mac = [0; MAC];
    for (b, pair) in mac.iter_mut().zip(text.chunks_exact(2)) {
        *b = unhex(pair[0])? << 4 | unhex(pair[1])?;
    }
    Some(mac)
}

fn write_hex<S: Serializer>(mac: &[u8; MAC], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(&digits(*mac)))
}

fn read_hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; MAC], D::Error> {
    let text = String::deserialize(deserializer)?;
    of_digits(text.as_bytes()).ok_or_else(|| D::Error::custom("a MAC has 32 hexadecimal digits"))
}

#[cfg(test)]
mod tests {
    use crate::audit::anchor::{self, Anchor};

    #[test]
    fn it_is_kept_as_text() {
        let anchor = Anchor { sequence: 7, mac: *b"0123456789\x00\xffcdef" };
        let text = serde_json::to_string(&anchor).unwrap();
        assert_eq!(text, r#"{"sequence":7,"mac":"3031323334353637383900ff63646566"}"#);
        assert_eq!(serde_json::from_str::<Anchor>(&text).unwrap(), anchor);
        assert!(serde_json::from_str::<Anchor>(r#"{"sequence":7,"mac":"30"}"#).is_err());
        assert_eq!(anchor::of_digits(b"3031323334353637383900FF63646566"), None, "written in one way only");
    }
}
