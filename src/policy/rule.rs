//! What stands in a policy: rules, each a condition and an action.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::policy::{pattern::UrlPattern, rate::RateLimit, window::TimeWindow};

/// Deepest nesting of `and`, `or` and `not`.
pub const DEEPEST: usize = 32;

/// One rule.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a rule: a condition and an action")]
pub struct Rule {
    /// When it applies.
    pub condition: Condition,
    /// What it says then.
    pub action: Action,
}

/// What a rule says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Let it happen.
    Allow,
    /// Do not.
    Deny,
}

/// What a rule asks of a request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Where to.
    UrlMatch(UrlPattern),
    /// What is done there.
    MethodMatch(Methods),
    /// When.
    TimeWindow(TimeWindow),
    /// How often.
    RateLimit(RateLimit),
    /// All of these.
    And(Vec<Self>),
    /// At least one of these.
    Or(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
}

/// A list of methods, in whatever case.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Methods(Vec<String>);

/// Why a list is no list of methods.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum MethodError {
    /// It could never match.
    #[error("`method_match` names no method")]
    None,
    /// No token of RFC 9110.
    #[error("`{0}` is not an HTTP method")]
    Token(String),
}

impl Action {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Condition {
    /// The word that it is written with.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::UrlMatch(_) => "url_match",
            Self::MethodMatch(_) => "method_match",
            Self::TimeWindow(_) => "time_window",
            Self::RateLimit(_) => "rate_limit",
            Self::And(_) => "and",
            Self::Or(_) => "or",
            Self::Not(_) => "not",
        }
    }

    /// The conditions right inside this one.
    pub fn parts(&self) -> &[Self] {
        match self {
            Self::And(parts) | Self::Or(parts) => parts,
            Self::Not(part) => std::slice::from_ref(part),
            _ => &[],
        }
    }

    /// Whether it is one of `and`, `or` and `not`.
    pub fn is_composite(&self) -> bool {
        matches!(self, Self::And(_) | Self::Or(_) | Self::Not(_))
    }

    /// Whether it, or a condition inside it, is one for which `ask` says yes.
    pub fn any(&self, ask: &impl Fn(&Self) -> bool) -> bool {
        ask(self) || self.parts().iter().any(|it| it.any(ask))
    }

    /// Every rate in it, from left to right.
    pub fn rates_mut(&mut self, each: &mut impl FnMut(&mut RateLimit)) {
        match self {
            Self::RateLimit(rate) => each(rate),
            Self::And(parts) | Self::Or(parts) => parts.iter_mut().for_each(|it| it.rates_mut(each)),
            Self::Not(part) => part.rates_mut(each),
            Self::UrlMatch(_) | Self::MethodMatch(_) | Self::TimeWindow(_) => (),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = |f: &mut fmt::Formatter<'_>, parts: &[Self]| {
            parts.iter().enumerate().try_for_each(|(at, it)| write!(f, "{}{it}", if at == 0 { "" } else { ", " }))
        };
        write!(f, "{} ", self.kind())?;
        match self {
            Self::UrlMatch(it) => it.fmt(f),
            Self::MethodMatch(it) => it.fmt(f),
            Self::TimeWindow(it) => it.fmt(f),
            Self::RateLimit(it) => it.fmt(f),
            Self::And(_) | Self::Or(_) | Self::Not(_) => {
                f.write_str("(")?;
                parts(f, self.parts())?;
                f.write_str(")")
            }
        }
    }
}

impl Methods {
    /// Whether this method is one of them. Origin servers differ about its case, so that does not matter.
    pub fn contains(&self, method: &str) -> bool {
        self.0.iter().any(|it| it.eq_ignore_ascii_case(method))
    }

    /// Whether all of `other` are among these.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|it| self.contains(it))
    }

    /// In upper case, as written.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl TryFrom<Vec<String>> for Methods {
    type Error = MethodError;

    fn try_from(mut names: Vec<String>) -> Result<Self, MethodError> {
        let is_token = |it: &String| http::Method::from_bytes(it.as_bytes()).is_ok();
        if let Some(bad) = names.iter().find(|it| !is_token(it)) {
            return Err(MethodError::Token(bad.clone()));
        }
        for name in &mut names {
            name.make_ascii_uppercase();
        }
        if names.is_empty() { Err(MethodError::None) } else { Ok(Self(names)) }
    }
}

impl fmt::Display for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]", self.0.join(", "))
    }
}
