//! Documents as requests to the API bring them.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::{
    api::failure::Failure,
    base::json::{check, why},
    manage::Description,
};

/// Reads a document.
///
/// # Errors
/// It is no JSON, means two things, or is not what is asked for.
pub(crate) fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Failure> {
    let text = std::str::from_utf8(bytes).or(Err(Failure::invalid("the body is not UTF-8")))?;
    let raw: &RawValue = serde_json::from_str(text).map_err(|it| tell(&it))?;
    check(raw.get()).map_err(|it| Failure::invalid(it.to_string()))?;
    object(raw)?;
    serde_json::from_str(text).map_err(|it| tell(&it))
}

/// Reads the part of this name, of a document that was checked as a whole.
///
/// # Errors
/// It is not what is asked for.
pub(crate) fn part<'a, T: Deserialize<'a>>(name: &str, raw: &'a RawValue) -> Result<T, Failure> {
    object(raw).or(Err(Failure::invalid(format!("`{name}` must be an object"))))?;
    serde_json::from_str(raw.get()).map_err(|it| Failure::invalid(format!("in `{name}`: {}", why(&it))))
}

/// What has names is read by them: a list would be taken in the order of our own code.
fn object(raw: &RawValue) -> Result<(), Failure> {
    if raw.get().starts_with('{') { Ok(()) } else { Err(Failure::invalid("the body must be a JSON object")) }
}

/// A text that may be `null`, which takes it away. Where the name is left out, `default` keeps it.
pub(crate) fn description<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Description, D::Error> {
    Ok(Option::deserialize(deserializer)?.map_or(Description::Clear, Description::Set))
}

/// A value that may be left out, and is not `null`.
pub(crate) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn tell(error: &serde_json::Error) -> Failure {
    Failure::invalid(format!("{} (line {}, column {})", why(error), error.line(), error.column()))
}
