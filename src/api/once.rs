//! One look over a text that is JSON: no name twice in an object, no endless nesting. What the values say is not read.

use std::{borrow::Cow, collections::HashSet};

use memchr::memchr2;

use crate::api::failure::Failure;

/// No document of ours nests deeper; metadata may, for a while.
const DEEPEST: usize = 32;
/// More names than any query or metadata has that could be used.
const MOST_NAMES: usize = 20_000;

/// Looks over a text that a parser has taken already.
///
/// # Errors
/// It means two things, or no document of ours is like that.
pub(crate) fn check(text: &str) -> Result<(), Failure> {
    let (mut open, mut names, mut before, mut at) = (Vec::<Option<HashSet<Cow<'_, str>>>>::new(), 0, 0, 0);
    let bytes = text.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        let begin = at;
        at += 1;
        match byte {
            b'{' | b'[' if open.len() == DEEPEST => {
                return Err(Failure::invalid(format!("JSON nests more than {DEEPEST} deep")));
            }
            b'{' => open.push(Some(HashSet::new())),
            b'[' => open.push(None),
            b'}' | b']' => drop(open.pop()),
            b'"' => {
                at = end(bytes, at);
                if let (b'{' | b',', Some(Some(known))) = (before, open.last_mut()) {
                    names += 1;
                    if names > MOST_NAMES {
                        return Err(Failure::invalid(format!("JSON with more than {MOST_NAMES} names")));
                    }
                    if !known.insert(name(&text[begin..at])?) {
                        return Err(Failure::invalid("expected every name once in an object"));
                    }
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
fn name(quoted: &str) -> Result<Cow<'_, str>, Failure> {
    let plain = quoted.strip_prefix('"').and_then(|it| it.strip_suffix('"')).filter(|it| !it.contains('\\'));
    if let Some(plain) = plain {
        return Ok(Cow::Borrowed(plain));
    }
    serde_json::from_str(quoted).map(Cow::Owned).or(Err(Failure::invalid("the body is not JSON")))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use crate::api::once::check;

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
    fn nesting_has_an_end_and_costs_no_more_than_width() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(check(&nested(32)).is_ok() && check(&nested(33)).is_err());
        let filled = |depth: usize| {
            "[".repeat(depth) + "\"" + &"x".repeat(5 << 20) + "\"," + &"1,".repeat(1 << 20) + "1" + &"]".repeat(depth)
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
