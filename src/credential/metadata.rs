//! Notes of an owner beside a credential. `header_name` and `header_prefix` decide how its key is injected, `reuse` whether
//! connections are used again, and `timeout` how long its hosts may be silent.

use std::{str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::base::reuse::{Reuse, ReuseError};

const HEADER_NAME: &str = "header_name";
const HEADER_PREFIX: &str = "header_prefix";
const REUSE: &str = "reuse";
const TIMEOUT: &str = "timeout";
/// The keys that decide something; all others are notes.
const KNOWN: [&str; 4] = [HEADER_NAME, HEADER_PREFIX, REUSE, TIMEOUT];
/// Other names that people give to these.
const MISTAKEN: [(&str, &str); 5] = [
    ("header", HEADER_NAME),
    ("auth_header", HEADER_NAME),
    ("prefix", HEADER_PREFIX),
    ("scheme", HEADER_PREFIX),
    ("auth_scheme", HEADER_PREFIX),
];
/// Longer than any scheme.
const LONGEST_PREFIX: usize = 64;
/// Enough for notes; the whole is read at every load.
const LONGEST: usize = 16 * 1024;

/// Fields that frame the message, belong to one hop, or are ours: a credential in one of them would break the request
/// or never arrive.
const RESERVED: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "via",
];
const RESERVED_PREFIX: &str = "x-vultrino-";

/// A JSON object. Its `header_name`, if there is one, can be injected; its `reuse` is a value of [`Reuse`]; its `timeout` is in
/// seconds, at most a day.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct Metadata(Map<String, Value>);

/// Why metadata is refused.
#[derive(Debug, Error)]
pub enum MetadataError {
    /// It is no JSON.
    #[error("metadata is not valid JSON; write an object such as {{\"header_name\":\"X-API-Key\"}}")]
    Json(#[source] serde_json::Error),
    /// It is JSON, but not an object.
    #[error("metadata must be a JSON object such as {{\"header_name\":\"X-API-Key\"}}")]
    NotAnObject,
    /// It is longer than anything that is a note.
    #[error("metadata is longer than 16 KiB")]
    TooLong,
    /// The name is no RFC 9110 token.
    #[error("`header_name` must be a string that is a header name: letters, digits and !#$%&'*+-.^_`|~")]
    NotAName,
    /// The name is not the owner's to set.
    #[error("`header_name` cannot be `{0}`: that header is set by the proxy or belongs to one connection")]
    Reserved(String),
    /// `timeout` is no time.
    #[error("metadata: `timeout` is a whole number of seconds, from 1 to 86400")]
    Timeout,
    /// The prefix could end the field, or there is no header that it belongs to.
    #[error("`header_prefix` must be at most 64 printable ASCII characters, and needs `header_name` beside it")]
    Prefix,
    /// A note that was probably meant as a key that decides something.
    #[error("metadata: `{given}` means nothing to Vultrino; write `{known}`")]
    Mistaken {
        /// As it was given.
        given: String,
        /// The key with a meaning.
        known: &'static str,
    },
    /// `reuse` has a value that means nothing.
    #[error("metadata: {0}")]
    Reuse(#[from] ReuseError),
}

impl Metadata {
    /// The header that carries the key, if the owner named one.
    pub fn header_name(&self) -> Option<&str> {
        self.0.get(HEADER_NAME).and_then(Value::as_str)
    }

    /// What precedes the key in the header that [`Metadata::header_name`] names, with its blank.
    pub fn header_prefix(&self) -> &str {
        self.0.get(HEADER_PREFIX).and_then(Value::as_str).filter(|it| is_prefix(it)).unwrap_or_default()
    }

    /// Adds the header that carries the key, as `--header` names it.
    ///
    /// # Errors
    /// The header cannot be used, or another one is named already.
    pub fn with_header(self, name: &str, prefix: Option<&str>) -> Result<Self, MetadataError> {
        let mut map = self.0;
        map.insert(HEADER_NAME.to_owned(), name.into());
        if let Some(prefix) = prefix {
            map.insert(HEADER_PREFIX.to_owned(), format!("{prefix} ").into());
        }
        let metadata = Self::try_from(map)?;
        metadata.check().map(|()| metadata)
    }

    /// Whether all keys mean what their owner probably thinks. Stored metadata may fail: they were accepted once.
    ///
    /// # Errors
    /// [`MetadataError::Mistaken`] and [`MetadataError::Prefix`].
    pub fn check(&self) -> Result<(), MetadataError> {
        for given in self.0.keys().filter(|it| !KNOWN.contains(&it.as_str())) {
            if let Some(known) = meant_by(given) {
                return Err(MetadataError::Mistaken { given: given.clone(), known });
            }
        }
        match self.0.get(HEADER_PREFIX) {
            Some(Value::String(it)) if is_prefix(it) && self.header_name().is_some() => Ok(()),
            Some(_) => Err(MetadataError::Prefix),
            None => Ok(()),
        }
    }

    /// After which requests a connection to its origin may be used again, if the owner said so.
    pub fn reuse(&self) -> Option<Reuse> {
        // Checked when it was made.
        self.0.get(REUSE).and_then(Value::as_str)?.parse().ok()
    }

    /// Longest silence of its origin before an answer, if the owner set one.
    pub fn timeout(&self) -> Option<Duration> {
        self.0.get(TIMEOUT).and_then(Value::as_u64).map(Duration::from_secs)
    }

    /// All of it, to be shown.
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for Metadata {
    type Err = MetadataError;

    fn from_str(text: &str) -> Result<Self, MetadataError> {
        if text.len() > LONGEST {
            return Err(MetadataError::TooLong);
        }
        match serde_json::from_str(text).map_err(MetadataError::Json)? {
            Value::Object(map) => {
                let metadata = Self::try_from(map)?;
                metadata.check().map(|()| metadata)
            }
            _ => Err(MetadataError::NotAnObject),
        }
    }
}

impl TryFrom<Map<String, Value>> for Metadata {
    type Error = MetadataError;

    fn try_from(map: Map<String, Value>) -> Result<Self, MetadataError> {
        match map.get(HEADER_NAME) {
            None => (),
            Some(Value::String(name)) => check_name(name)?,
            Some(_) => return Err(MetadataError::NotAName),
        }
        match map.get(REUSE) {
            None => (),
            Some(Value::String(text)) => drop(text.parse::<Reuse>()?),
            Some(other) => return Err(ReuseError(other.to_string()).into()),
        }
        if map.get(TIMEOUT).is_some_and(|it| !it.as_u64().is_some_and(|it| (1..=86_400).contains(&it))) {
            return Err(MetadataError::Timeout);
        }
        Ok(Self(map))
    }
}

impl From<Metadata> for Map<String, Value> {
    fn from(metadata: Metadata) -> Self {
        metadata.0
    }
}

/// The key with a meaning that this one is another spelling of.
fn meant_by(key: &str) -> Option<&'static str> {
    let plain = |it: &str| it.to_ascii_lowercase().replace(['-', ' ', '.', '_'], "");
    let given = plain(key);
    let mistaken = MISTAKEN.iter().find(|(it, _)| plain(it) == given).map(|(_, known)| *known);
    mistaken.or_else(|| KNOWN.into_iter().find(|it| strsim::damerau_levenshtein(&plain(it), &given) <= 1))
}

fn is_prefix(text: &str) -> bool {
    text.len() <= LONGEST_PREFIX && !text.starts_with(' ') && text.bytes().all(|it| matches!(it, b' '..=b'~'))
}

fn check_name(name: &str) -> Result<(), MetadataError> {
    let in_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || name.len() > 256 || !name.bytes().all(in_token) {
        return Err(MetadataError::NotAName);
    }
    // Many servers read `_` as `-`.
    let folded = name.to_ascii_lowercase().replace('_', "-");
    if RESERVED.contains(&folded.as_str()) || folded.starts_with(RESERVED_PREFIX) {
        return Err(MetadataError::Reserved(name.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::{
        base::reuse::Reuse,
        credential::metadata::{Metadata, MetadataError},
    };

    #[test]
    fn a_header_name_is_found() {
        let metadata: Metadata = r#"{"header_name":"X-API-Key","team":{"of":["a"]}}"#.parse().unwrap();
        assert_eq!(metadata.header_name(), Some("X-API-Key"));
        assert_eq!("{}".parse::<Metadata>().unwrap().header_name(), None);
    }

    #[test]
    fn what_could_break_a_request_is_refused() {
        for name in ["", "X Key", "X:Key", "X\\r\\nEvil", "X\\u0000", "Ä"] {
            let text = format!(r#"{{"header_name":"{name}"}}"#);
            assert!(matches!(text.parse::<Metadata>(), Err(MetadataError::NotAName)), "{text}");
        }
        for name in ["Host", "content-LENGTH", "Transfer-Encoding", "connection", "X-Vultrino-Credential", "TE"] {
            let text = format!(r#"{{"header_name":"{name}"}}"#);
            assert!(matches!(text.parse::<Metadata>(), Err(MetadataError::Reserved(_))), "{text}");
        }
        for text in ["", "[]", "\"x\"", "{", r#"{"header_name":1}"#, r#"{"header_name":null}"#] {
            assert!(text.parse::<Metadata>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_prefix_stands_before_the_key_of_a_named_header() {
        let prefix = |text: &str| text.parse::<Metadata>().map(|it| it.header_prefix().to_owned());
        assert_eq!(prefix(r#"{"header_name":"X","header_prefix":"Token "}"#).unwrap(), "Token ");
        assert_eq!(prefix(r#"{"header_name":"X"}"#).unwrap(), "");
        for text in [
            r#"{"header_prefix":"Token "}"#,
            r#"{"header_name":"X","header_prefix":1}"#,
            r#"{"header_name":"X","header_prefix":"a\r\nEvil: "}"#,
            r#"{"header_name":"X","header_prefix":"Ä "}"#,
        ] {
            assert!(matches!(prefix(text), Err(MetadataError::Prefix)), "{text}");
            let stored = serde_json::from_str::<Metadata>(text).unwrap();
            assert!(!stored.header_prefix().contains(['\r', 'Ä']), "{text} opens, and does no harm");
        }
    }

    #[test]
    fn other_spellings_of_known_keys_are_refused_where_they_are_given() {
        for (given, meant) in [
            ("header-name", "header_name"),
            ("Header_Name", "header_name"),
            ("headerName", "header_name"),
            ("heder_name", "header_name"),
            ("header", "header_name"),
            ("prefix", "header_prefix"),
            ("header-prefix", "header_prefix"),
            ("re_use", "reuse"),
        ] {
            let text = format!(r#"{{"{given}":"X"}}"#);
            let error = text.parse::<Metadata>().unwrap_err().to_string();
            assert!(error.contains(given) && error.contains(&format!("write `{meant}`")), "{error}");
            assert!(serde_json::from_str::<Metadata>(&text).is_ok(), "{text} was accepted once");
        }
        for note in ["team", "owner", "house", "headers_seen", "url", "user"] {
            assert!(format!(r#"{{"{note}":"X"}}"#).parse::<Metadata>().is_ok(), "{note}");
        }
    }

    #[test]
    fn reuse_is_one_of_two_words() {
        let reuse = |text: &str| text.parse::<Metadata>().map(|it| it.reuse());
        assert_eq!(reuse(r#"{"reuse":"after-body"}"#).unwrap(), Some(Reuse::AfterBody));
        assert_eq!(reuse(r#"{"reuse":"bodyless"}"#).unwrap(), Some(Reuse::Bodyless));
        assert_eq!(reuse("{}").unwrap(), None);
        for text in [r#"{"reuse":"always"}"#, r#"{"reuse":true}"#] {
            let error = reuse(text).unwrap_err().to_string();
            assert!(error.contains("\"bodyless\" or \"after-body\""), "{error}");
        }
    }

    #[test]
    fn a_timeout_is_in_seconds_up_to_a_day() {
        let timeout = |text: &str| text.parse::<Metadata>().map(|it| it.timeout());
        assert_eq!(timeout(r#"{"timeout":600}"#).unwrap(), Some(Duration::from_mins(10)));
        assert_eq!(timeout("{}").unwrap(), None);
        for value in ["0", "-1", "1.5", "86401", "\"60\"", "null"] {
            assert!(timeout(&format!("{{\"timeout\":{value}}}")).is_err(), "{value}");
        }
    }

    #[test]
    fn the_check_holds_for_stored_facts_too() {
        assert!(serde_json::from_str::<Metadata>(r#"{"header_name":"Host"}"#).is_err());
    }
}
