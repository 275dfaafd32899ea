//! Reading a text by a grammar of ours, so that a refusal is put at this very text, also inside a list.

use std::fmt;

use serde::{
    Deserializer,
    de::{Error, Visitor},
};

/// Reads one text with `parse`.
pub(crate) fn parse<'de, D: Deserializer<'de>, T, E: fmt::Display>(
    from: D,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<T, D::Error> {
    from.deserialize_str(Text(parse))
}

struct Text<F>(F);

impl<T, E: fmt::Display, F: Fn(&str) -> Result<T, E>> Visitor<'_> for Text<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<X: Error>(self, text: &str) -> Result<T, X> {
        (self.0)(text).map_err(X::custom)
    }
}
