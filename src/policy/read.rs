//! Rules as they are written. What is wrong is said at the smallest place that it stands in.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};

use crate::policy::rule::{Action, Condition, DEEPEST};

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(ActionWord)
    }
}

struct ActionWord;

impl Visitor<'_> for ActionWord {
    type Value = Action;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"allow\" or \"deny\"")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Action, E> {
        match word {
            "allow" => Ok(Action::Allow),
            "deny" => Ok(Action::Deny),
            "prompt" => Err(E::custom("`prompt` is not built yet; write \"allow\" or \"deny\"")),
            other => Err(E::unknown_variant(other, &["allow", "deny"])),
        }
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Nested(0).deserialize(from)
    }
}

/// Reads a condition that stands inside so many others.
#[derive(Clone, Copy)]
struct Nested(usize);

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    UrlMatch,
    MethodMatch,
    TimeWindow,
    RateLimit,
    And,
    Or,
    Not,
}

impl<'de> DeserializeSeed<'de> for Nested {
    type Value = Condition;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Condition, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Nested {
    type Value = Condition;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a condition such as { url_match = \"https://api.example.com/*\" }")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Condition, A::Error> {
        let Some(kind) = map.next_key::<Kind>()? else {
            return Err(A::Error::custom("the condition is empty; leave the rule out and set `default_action`"));
        };
        let inside = self.0 + 1;
        if matches!(kind, Kind::And | Kind::Or | Kind::Not) && inside > DEEPEST {
            return Err(A::Error::custom(format!("`and`, `or` and `not` are nested more than {DEEPEST} deep")));
        }
        let condition = match kind {
            Kind::UrlMatch => Condition::UrlMatch(map.next_value()?),
            Kind::MethodMatch => Condition::MethodMatch(map.next_value()?),
            Kind::TimeWindow => Condition::TimeWindow(map.next_value()?),
            Kind::RateLimit => Condition::RateLimit(map.next_value()?),
            Kind::And => Condition::And(map.next_value_seed(Parts(inside))?),
            Kind::Or => Condition::Or(map.next_value_seed(Parts(inside))?),
            Kind::Not => Condition::Not(Box::new(map.next_value_seed(Self(inside))?)),
        };
        match map.next_key::<Kind>()? {
            None => Ok(condition),
            Some(_) => Err(A::Error::custom("a condition is one thing; join several: and = [{ … }, { … }]")),
        }
    }
}

/// Reads what `and` and `or` join.
struct Parts(usize);

impl<'de> DeserializeSeed<'de> for Parts {
    type Value = Vec<Condition>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Vec<Condition>, D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Parts {
    type Value = Vec<Condition>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of conditions")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<Condition>, A::Error> {
        let mut parts = Vec::new();
        while let Some(part) = seq.next_element_seed(Nested(self.0))? {
            parts.push(part);
        }
        if parts.is_empty() { Err(A::Error::custom("this list joins no conditions")) } else { Ok(parts) }
    }
}
