//! Policies, and all of them together.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    base::glob::Glob,
    credential::Alias,
    policy::rule::{Action, Condition, Rule},
};

/// Rules for the credentials whose alias a pattern matches.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Policy {
    /// Unique among all policies.
    pub name: Arc<str>,
    /// Which credentials it is about.
    pub credential_pattern: Glob,
    /// What happens when no rule says.
    pub default_action: Action,
    /// How rules are put together; `None` where nobody said, which is [`Evaluation::PerDimension`].
    pub evaluation: Option<Evaluation>,
    /// In their order; numbered from 1.
    pub rules: Vec<Rule>,
    traits: Traits,
    digest: u64,
}

/// How the rules of a policy become one verdict.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evaluation {
    /// The first match decides for URLs and for methods, each for itself; limits guard.
    PerDimension,
    /// The first match decides.
    FirstMatch,
}

/// All policies.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PolicySet(Arc<[Arc<Policy>]>);

/// What is asked of a policy for every request, worked out once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Traits {
    /// Whether any rule asks for the method or the URL.
    pub(crate) judges_requests: bool,
    /// Whether no rule is anything but a limit.
    pub(crate) only_limits: bool,
    pub(crate) composites: bool,
}

/// Two policies have one name.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("two policies have the name \"{name}\"")]
pub struct Duplicate {
    /// It.
    pub name: Arc<str>,
    /// The place of the later one.
    pub at: usize,
}

/// As it stands in a file.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a policy")]
struct Written {
    name: Name,
    credential_pattern: Glob,
    #[serde(default = "deny")]
    default_action: Action,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    evaluation: Option<Evaluation>,
    #[serde(default)]
    rules: Vec<Rule>,
}

fn deny() -> Action {
    Action::Deny
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Name(Arc<str>);

#[derive(Debug, Error)]
#[error("a policy's name has 1 to 64 letters, digits, '.', '_', '-' and blanks, and no blank at either end")]
struct NameError;

/// Every request for its credentials asks each of them.
const MOST_RULES: usize = 1000;

#[derive(Debug, Error)]
#[error("a policy has at most {MOST_RULES} rules")]
struct TooManyRules;

impl Policy {
    /// What is known of its rules at once.
    pub(crate) fn traits(&self) -> Traits {
        self.traits
    }

    /// A hash of its name, pattern, default, evaluation and rules: equal for equal policies, also after a reload.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// The rules with their numbers.
    pub fn numbered(&self) -> impl Iterator<Item = (u16, &Rule)> {
        (1..).zip(&self.rules)
    }

    /// What the rule of this number asks for.
    pub(crate) fn condition(&self, number: Option<u16>) -> Option<&Condition> {
        self.rules.get(usize::from(number?).checked_sub(1)?).map(|it| &it.condition)
    }

    fn hashed(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.name, self.credential_pattern.as_str(), self.default_action.as_str(), self.evaluation).hash(&mut hasher);
        for Rule { condition, action } in &self.rules {
            (condition.to_string(), action.as_str()).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// Rates get their names from what their rule says, so that a rule that did not change keeps its counters, wherever
    /// it moves within its policy.
    fn name_rates(&mut self) {
        let mut seen: HashMap<String, u32> = HashMap::new();
        for rule in &mut self.rules {
            let text = format!("{} {}", rule.action, rule.condition);
            let nth = seen.entry(text.clone()).or_default();
            *nth += 1;
            let mut leaf = 0_u32;
            rule.condition.rates_mut(&mut |rate| {
                let mut hasher = DefaultHasher::new();
                (&self.name, &text, *nth, leaf).hash(&mut hasher);
                rate.id = hasher.finish();
                leaf += 1;
            });
        }
    }
}

impl TryFrom<Written> for Policy {
    type Error = TooManyRules;

    fn try_from(written: Written) -> Result<Self, TooManyRules> {
        let Written { name: Name(name), credential_pattern, default_action, evaluation, rules } = written;
        if rules.len() > MOST_RULES {
            return Err(TooManyRules);
        }
        let is_limit = |it: &Condition| matches!(it, Condition::TimeWindow(_) | Condition::RateLimit(_));
        let names_either = |it: &Condition| matches!(it, Condition::MethodMatch(_) | Condition::UrlMatch(_));
        let traits = Traits {
            judges_requests: rules.iter().any(|it| it.condition.any(&names_either)),
            only_limits: !rules.is_empty() && rules.iter().all(|it| is_limit(&it.condition)),
            composites: rules.iter().any(|it| it.condition.is_composite()),
        };
        let mut policy = Self { name, credential_pattern, default_action, evaluation, rules, traits, digest: 0 };
        policy.name_rates();
        policy.digest = policy.hashed();
        Ok(policy)
    }
}

impl From<Policy> for Written {
    fn from(policy: Policy) -> Self {
        Self {
            name: Name(policy.name),
            credential_pattern: policy.credential_pattern,
            default_action: policy.default_action,
            evaluation: policy.evaluation,
            rules: policy.rules,
        }
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        let may_stand = |b: u8| b.is_ascii_alphanumeric() || b"._- ".contains(&b);
        let sound = (1..=64).contains(&text.len()) && text.bytes().all(may_stand) && text.trim() == text;
        if sound { Ok(Self(text.into())) } else { Err(NameError) }
    }
}

impl From<Name> for String {
    fn from(Name(name): Name) -> Self {
        name.as_ref().to_owned()
    }
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::PerDimension => "per_dimension",
            Self::FirstMatch => "first_match",
        })
    }
}

impl PolicySet {
    /// All of these, in their order.
    ///
    /// # Errors
    /// Two have one name.
    pub fn new(policies: impl IntoIterator<Item = Policy>) -> Result<Self, Duplicate> {
        let policies: Arc<[Arc<Policy>]> = policies.into_iter().map(Arc::new).collect();
        let mut names = HashSet::new();
        match policies.iter().position(|it| !names.insert(&it.name)) {
            None => Ok(Self(Arc::clone(&policies))),
            Some(at) => Err(Duplicate { name: Arc::clone(&policies[at].name), at }),
        }
    }

    /// Those that are about this credential. All of them must pass.
    pub fn matching(&self, alias: &Alias) -> Vec<Arc<Policy>> {
        self.iter().filter(|it| it.credential_pattern.matches(alias.as_str())).map(Arc::clone).collect()
    }

    /// All, in the order of the files.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Policy>> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
