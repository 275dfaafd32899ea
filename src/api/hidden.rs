//! A secret in the body of a request: taken out of its JSON by hand, since a parser leaves copies behind.

use std::fmt;

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::base::secret::Secret;

/// A string that goes nowhere but into a [`Secret`].
pub(crate) struct Hidden(pub(crate) Secret);

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        unescape(raw.get()).map(Self).ok_or_else(|| D::Error::custom("expected a string"))
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a JSON string says (RFC 8259 section 7). Its escapes are never shorter than what they stand for, so the buffer
/// does not grow.
fn unescape(text: &str) -> Option<Secret> {
    let mut rest = text.strip_prefix('"')?.strip_suffix('"')?;
    let mut out = Zeroizing::new(Vec::with_capacity(rest.len()));
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        let (escaped, after) = escape(&rest[at + 1..])?;
        out.extend_from_slice(escaped.encode_utf8(&mut [0; 4]).as_bytes());
        rest = after;
    }
    out.extend_from_slice(rest.as_bytes());
    Some(Secret::new(std::mem::take(&mut *out)))
}

/// The character of an escape, and what follows it.
fn escape(text: &str) -> Option<(char, &str)> {
    let letter = text.chars().next()?;
    let rest = &text[letter.len_utf8()..];
    let plain = match letter {
        '"' | '\\' | '/' => letter,
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => {
            let (high, rest) = unit(rest)?;
            let Some((low, after)) =
                rest.strip_prefix("\\u").and_then(unit).filter(|_| (0xd800..0xdc00).contains(&high))
            else {
                return Some((char::from_u32(high)?, rest));
            };
            let pair = char::decode_utf16([u16::try_from(high).ok()?, u16::try_from(low).ok()?]).next()?;
            return Some((pair.ok()?, after));
        }
        _ => return None,
    };
    Some((plain, rest))
}

fn unit(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    let all_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
    Some((u32::from_str_radix(digits, 16).ok().filter(|_| all_hex)?, rest))
}

#[cfg(test)]
mod tests {
    use crate::api::hidden::Hidden;

    #[test]
    fn a_string_says_what_a_parser_reads_in_it() {
        let json = |text: &str| serde_json::to_string(text).unwrap();
        for text in
            [json(""), json("plain"), json("\"q\\b/\u{8}\u{c}\n\r\té😀"), r#""\u0041\u00e9\ud83d\ude00\/x""#.to_owned()]
        {
            let expected: String = serde_json::from_str(&text).unwrap();
            let read: Hidden = serde_json::from_str(&text).unwrap();
            assert_eq!(read.0.expose(), expected.as_bytes(), "{text}");
            assert_eq!(format!("{read:?}"), "[secret]");
        }
        for text in [r#""\ud800""#, r#""\ud800x""#, r#""\ud800\u0041""#, r#""\udc00""#, "1", "null", "{}", "[\"x\"]"] {
            let error = serde_json::from_str::<Hidden>(text).unwrap_err().to_string();
            assert!(error.starts_with("expected a string"), "{text} {error}");
        }
    }
}
