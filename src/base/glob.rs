//! Patterns over aliases: `github-*`, `*-{test,staging}`. Whatever else looks like a pattern is an error, so that none is
//! ever taken literally.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Most patterns that the braces of one text may stand for.
const MOST_ALTERNATIVES: usize = 64;
/// Longest pattern, in bytes.
const LONGEST: usize = 256;

/// Matches whole aliases in any case, since aliases are unique without regard to it. `*` is any run of characters, also
/// none; `{a,b}` is one of several.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Glob {
    text: Box<str>,
    /// In lower case.
    alternatives: Box<[Box<str>]>,
}

/// Why a text is no pattern.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum GlobError {
    /// It would match no alias.
    #[error("the pattern is empty; `*` matches everything")]
    Empty,
    /// It is too long, or its braces stand for too much.
    #[error("the pattern is too long: at most {LONGEST} characters and {MOST_ALTERNATIVES} alternatives")]
    TooLong,
    /// Neither part of an alias nor of a pattern.
    #[error("a pattern has letters, digits, '.', '_', '-', `*` for any characters and `{{a,b}}` for one of several")]
    Character,
    /// `**` means something else elsewhere.
    #[error("`**` means no more than `*`; write one")]
    DoubleStar,
    /// Braces that do not close, or hold nothing.
    #[error("braces hold alternatives, of which one may be empty, and close: `{{a,b}}`, `{{,/*}}`")]
    Braces,
}

impl Glob {
    /// Whether this alias is meant.
    pub fn matches(&self, alias: &str) -> bool {
        let folded = alias.bytes().map(|b| b.to_ascii_lowercase());
        self.alternatives.iter().any(|it| matches(it.as_bytes(), b'*', None, folded.clone()))
    }

    /// Whether every alias that `other` matches is matched here too. May say no where it could say yes, never the
    /// reverse: a star of `other` is only met by a star.
    pub fn covers(&self, other: &Self) -> bool {
        other.alternatives.iter().all(|it| self.matches(it))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Glob {
    type Err = GlobError;

    fn from_str(text: &str) -> Result<Self, GlobError> {
        let may_stand = |b: u8| b.is_ascii_alphanumeric() || b"._-*{},".contains(&b);
        if text.is_empty() {
            return Err(GlobError::Empty);
        }
        if !text.bytes().all(may_stand) {
            return Err(GlobError::Character);
        }
        let alternatives = expand(&text.to_ascii_lowercase())?;
        if alternatives.iter().any(String::is_empty) {
            return Err(GlobError::Empty);
        }
        if alternatives.iter().any(|it| it.contains("**")) {
            return Err(GlobError::DoubleStar);
        }
        if alternatives.iter().any(|it| it.contains(',')) {
            return Err(GlobError::Character);
        }
        Ok(Self { text: text.into(), alternatives: alternatives.into_iter().map(Into::into).collect() })
    }
}

impl TryFrom<String> for Glob {
    type Error = GlobError;

    fn try_from(text: String) -> Result<Self, GlobError> {
        text.parse()
    }
}

impl From<Glob> for String {
    fn from(glob: Glob) -> Self {
        glob.text.into()
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

/// The texts that a pattern with braces stands for; braces may stand in braces.
///
/// # Errors
/// Braces that do not close or hold empty alternatives alone, and more than can be meant.
pub fn expand(pattern: &str) -> Result<Vec<String>, GlobError> {
    if pattern.len() > LONGEST {
        return Err(GlobError::TooLong);
    }
    let (mut done, mut open) = (Vec::new(), vec![pattern.to_owned()]);
    while let Some(text) = open.pop() {
        let Some((begin, end)) = first_braces(&text)? else {
            done.push(text);
            continue;
        };
        for part in parts(&text[begin + 1..end])?.into_iter().rev() {
            open.push(format!("{}{part}{}", &text[..begin], &text[end + 1..]));
        }
        if done.len() + open.len() > MOST_ALTERNATIVES {
            return Err(GlobError::TooLong);
        }
    }
    Ok(done)
}

/// Whether `text` is what `pattern` describes, where `star` is any run of tokens without `border`. Between two borders
/// there is only one way to go on, so going back to the last star is enough. Takes time in proportion to the product of
/// both lengths at worst.
pub fn matches<T: PartialEq + Copy>(
    pattern: &[T],
    star: T,
    border: Option<T>,
    mut text: impl Iterator<Item = T> + Clone,
) -> bool {
    let mut p = 0;
    // Behind the last star, and what of the text it has not taken.
    let mut last_star = None;
    loop {
        if pattern.get(p) == Some(&star) {
            p += 1;
            if p == pattern.len() {
                return border.is_none_or(|border| text.all(|it| it != border));
            }
            last_star = Some((p, text.clone()));
        }
        match (pattern.get(p), text.next()) {
            (None, None) => return true,
            (Some(wanted), Some(seen)) if *wanted == seen => p += 1,
            (Some(_), None) => return false,
            _ => match &mut last_star {
                None => return false,
                Some((after, rest)) => {
                    if rest.next() == border {
                        return false;
                    }
                    (p, text) = (*after, rest.clone());
                }
            },
        }
    }
}

/// Where the first brace opens, and where it closes.
fn first_braces(text: &str) -> Result<Option<(usize, usize)>, GlobError> {
    let Some(begin) = text.find(['{', '}']) else { return Ok(None) };
    let mut depth = 0;
    for (at, b) in text.bytes().enumerate().skip(begin) {
        match b {
            b'{' => depth += 1,
            b'}' if depth == 0 => return Err(GlobError::Braces),
            b'}' if depth == 1 => return Ok(Some((begin, at))),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    Err(GlobError::Braces)
}

/// What stands between the outer commas.
fn parts(inner: &str) -> Result<Vec<&str>, GlobError> {
    let (mut parts, mut begin, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, b) in inner.bytes().enumerate() {
        match b {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.push(&inner[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inner[begin..]);
    if parts.iter().all(|it| it.is_empty()) { Err(GlobError::Braces) } else { Ok(parts) }
}

#[cfg(test)]
mod tests {
    use crate::base::glob::{Glob, GlobError, matches};

    fn glob(text: &str) -> Glob {
        text.parse().unwrap()
    }

    #[test]
    fn patterns_match_whole_aliases_in_any_case() {
        for (pattern, alias, expected) in [
            ("*", "", true),
            ("*", "github-api", true),
            ("github-*", "github-api", true),
            ("github-*", "github-", true),
            ("github-*", "GitHub-api", true),
            ("GitHub-{API,X*}", "github-api", true),
            ("github-*", "my-github-api", false),
            ("*-test", "a-test", true),
            ("*-test", "a-testing", false),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXcXb", false),
            ("{github,gitlab}-{a,b*}", "gitlab-bcd", true),
            ("{github,gitlab}-{a,b*}", "gitlab-c", false),
            ("x{a,b{c,d}}", "xbd", true),
            ("github{,-api}", "github", true),
            ("github{,-api}", "github-api", true),
            ("github{,-api}", "github-", false),
            ("github-api", "github-api", true),
            ("github-api", "github-api2", false),
        ] {
            assert_eq!(glob(pattern).matches(alias), expected, "{pattern} {alias}");
        }
    }

    #[test]
    fn a_star_takes_no_border() {
        for (pattern, text, expected) in [
            ("api.x.com*", "api.x.com", true),
            ("api.x.com*", "api.x.community", true),
            ("api.x.com*", "api.x.com.evil", false),
            ("*.x.com", "a.x.com", true),
            ("*.x.com", "a.b.x.com", false),
            ("a*c.x*", "abcc.xy", true),
            ("a*c.x*", "ab.c.x", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), b'*', Some(b'.'), text.bytes()), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn what_could_be_misread_is_no_pattern() {
        for (text, why) in [
            ("", GlobError::Empty),
            ("[ab]", GlobError::Character),
            ("a?", GlobError::Character),
            ("a b", GlobError::Character),
            ("a/b", GlobError::Character),
            ("a,b", GlobError::Character),
            ("é", GlobError::Character),
            ("**", GlobError::DoubleStar),
            ("a{*,b}*", GlobError::DoubleStar),
            ("{}", GlobError::Braces),
            ("{,}", GlobError::Braces),
            ("{a,}", GlobError::Empty),
            ("{a", GlobError::Braces),
            ("a}", GlobError::Braces),
            ("{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}", GlobError::TooLong),
        ] {
            assert_eq!(text.parse::<Glob>(), Err(why), "{text}");
        }
    }

    #[test]
    fn a_pattern_covers_narrower_ones_only() {
        for (own, other, expected) in [
            ("*", "github-*", true),
            ("github-*", "github-api", true),
            ("github-*", "github-*-test", true),
            ("github-*", "git*", false),
            ("github-*", "*", false),
            ("github-api", "github-*", false),
            ("github-*", "GitHub-API", true),
            ("GitHub-*", "github-*", true),
            ("{a,b}", "{b,a}", true),
            ("{a,b}", "{a,c}", false),
        ] {
            assert_eq!(glob(own).covers(&glob(other)), expected, "{own} {other}");
        }
    }
}
