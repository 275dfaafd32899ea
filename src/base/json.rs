//! JSON that means one thing only: no name twice in an object, no endless nesting; and errors that quote nothing, since
//! what is read may be a secret.

use std::{borrow::Cow, collections::HashSet};

use memchr::memchr2;
use serde_json::error::Category;
use thiserror::Error;

/// No document of ours nests deeper; metadata may, for a while.
const DEEPEST: usize = 32;
/// More values than any query or metadata has that could be used. Each takes many times its length in memory.
const MOST_VALUES: usize = 20_000;

/// Why a text that is JSON is not read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Unclear {
    /// No document of ours is so deep.
    #[error("JSON nests more than {DEEPEST} deep")]
    Deep,
    /// No document of ours has so many.
    #[error("JSON with more than {MOST_VALUES} values")]
    Wide,
    /// Two readers could take it for two things.
    #[error("expected every name once in an object")]
    Twice,
    /// A name is no string.
    #[error("the body is not JSON")]
    Broken,
}

/// Looks over a text that a parser has taken already. What the values say is not read.
///
/// # Errors
/// It means two things, or no document of ours is like that.
pub fn check(text: &str) -> Result<(), Unclear> {
    let (mut open, mut values, mut before, mut at) = (Vec::<Option<HashSet<Cow<'_, str>>>>::new(), 0, 0, 0);
    let bytes = text.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        let begin = at;
        at += 1;
        values += usize::from(matches!(byte, b'{' | b'[' | b','));
        if values > MOST_VALUES {
            return Err(Unclear::Wide);
        }
        match byte {
            b'{' | b'[' if open.len() == DEEPEST => {
                return Err(Unclear::Deep);
            }
            b'{' => open.push(Some(HashSet::new())),
            b'[' => open.push(None),
            b'}' | b']' => drop(open.pop()),
            b'"' => {
                at = end(bytes, at);
                if let (b'{' | b',', Some(Some(known))) = (before, open.last_mut())
                    && !known.insert(name(&text[begin..at])?)
                {
                    return Err(Unclear::Twice);
                }
            }
            b',' | b':' => {}
            _ => continue,
        }
        before = byte;
    }
    Ok(())
}

/// Behind the quote that ends the string.
fn end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found + 1;
        if bytes[at - 1] == b'"' {
            return at;
        }
        at += 1;
    }
    bytes.len()
}

/// What a name says: the same one can be written in several ways.
fn name(quoted: &str) -> Result<Cow<'_, str>, Unclear> {
    let plain = quoted.strip_prefix('"').and_then(|it| it.strip_suffix('"')).filter(|it| !it.contains('\\'));
    if let Some(plain) = plain {
        return Ok(Cow::Borrowed(plain));
    }
    serde_json::from_str(quoted).map(Cow::Owned).or(Err(Unclear::Broken))
}

/// Of serde's text only what our own code says: what was expected, not what was found.
pub fn why(error: &serde_json::Error) -> String {
    match error.classify() {
        Category::Data => what_was_expected(&error.to_string()),
        Category::Syntax | Category::Eof | Category::Io => Unclear::Broken.to_string(),
    }
}

fn what_was_expected(text: &str) -> String {
    let text = text.rsplit_once(" at line ").map_or(text, |(text, _)| text);
    // Names of our own fields.
    if text.starts_with("missing field `") {
        return text.to_owned();
    }
    let other = if text.ends_with(", there are no fields") { "none" } else { "something else" };
    let expected = text.rsplit_once("expected ").map_or(other, |(_, expected)| expected);
    let found = if text.starts_with("unknown field `") { "an unknown name; " } else { "" };
    let expected = match expected {
        "u16" | "u32" | "u64" | "usize" => "a whole number",
        other => other,
    };
    format!("{found}expected {expected}")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use crate::base::json::{Unclear, check};

    #[test]
    fn a_name_stands_once_in_an_object_however_it_is_written() {
        for fine in [
            "{}",
            "[]",
            r#"{"a":"a","b":{"a":1},"c":["a","a",{"a":1},{"a":2}]}"#,
            r#" { "a" : "\"," , "b" : "\\" , "c" : "{\"a\":1,\"a\":2}" } "#,
            r#"{"A":1,"a":2,"\u00e9":1,"e":1}"#,
        ] {
            check(fine).unwrap_or_else(|error| panic!("{fine}: {error:?}"));
        }
        for twice in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":[{"b":1 , "b":2}]}"#,
            r#"{"a":{"x":"a"},"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"é":1,"\u00e9":2}"#,
            r#"{"a\"":1,"a\u0022":2}"#,
            r#"{"\ud800":1}"#,
        ] {
            assert!(check(twice).is_err(), "{twice}");
        }
    }

    #[test]
    fn many_values_have_an_end() {
        let list = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
        assert!(check(&list(19_999)).is_ok());
        assert_eq!(check(&list(20_001)), Err(Unclear::Wide));
        assert_eq!(check(&format!("[{}]", "[],".repeat(10_001))), Err(Unclear::Wide));
        assert!(check(&format!("\"{}\"", ",[{".repeat(30_000))).is_ok(), "a text is one value");
    }

    #[test]
    fn nesting_has_an_end_and_costs_no_more_than_width() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(check(&nested(32)).is_ok() && check(&nested(33)).is_err());
        let filled = |depth: usize| {
            "[".repeat(depth) + "\"" + &"x".repeat(5 << 20) + "\"," + &"1".repeat(1 << 20) + &"]".repeat(depth)
        };
        let took = |text: &str| {
            let begun = Instant::now();
            check(text).unwrap();
            begun.elapsed()
        };
        let (flat, deep) = (took(&filled(1)), took(&filled(32)));
        assert!(deep < flat * 8 + Duration::from_millis(200), "{flat:?} {deep:?}");
    }
}
