//! How a verdict comes about: the same functions as for a live request, and what every rule has to say besides.

use std::sync::Arc;

use http::Method;
use jiff::Timestamp;
use serde::Serialize;
use tracing::Level;

use crate::{
    base::target::Target,
    credential::{Alias, Credential},
    identity::Principal,
    policy::{
        decide::{Denial, Facts, check_binding, consider},
        judge::{Basis, Counters, Dues, Outcome, Request, holds, judge},
        limit::Limiter,
        rule::{Action, Condition, Rule},
        set::{Policy, PolicySet},
    },
};

/// What would happen to a request.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Whose key would be used.
    pub alias: &'a Alias,
    /// The credential of this alias, if it is known: without it nothing is said about hosts that it is bound to.
    pub credential: Option<&'a Credential>,
    /// Who would call.
    pub principal: &'a Principal,
    /// Where to.
    pub target: &'a Target,
    /// What would be done there.
    pub method: &'a Method,
    /// When.
    pub now: Timestamp,
}

/// The answer, for people and for programs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Examination {
    /// What would happen.
    pub result: Action,
    /// Why, in a few words.
    pub summary: String,
    /// The alias that was asked for.
    pub credential: Alias,
    /// The method.
    pub method: String,
    /// Where to, in canonical form.
    pub url: String,
    /// The time that was asked for.
    pub at: Timestamp,
    /// Whether the credential may be used there at all.
    pub binding: Binding,
    /// The code of the refusal, as a live request would get it.
    pub error: Option<&'static str>,
    /// The policy that decides: the one that refuses, else the first.
    pub policy: Option<String>,
    /// Its rule that decides; none if it is its default action, or that nothing speaks against it.
    pub rule: Option<u16>,
    /// What that rule asks for.
    pub condition: Option<&'static str>,
    /// When there is room again, if it is a rate that refuses.
    pub retry_after_secs: Option<u64>,
    /// Every policy about this credential.
    pub policies: Vec<Finding>,
}

/// Whether a credential may be used against a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Binding {
    /// It is bound to it.
    Bound,
    /// It is bound to no host at all.
    Unbound,
    /// It is bound to others.
    HostNotBound,
    /// The credential is not known here.
    Unchecked,
}

/// What one policy says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// Its name.
    pub policy: String,
    /// Its verdict.
    pub result: Action,
    /// The rule that decides, if one does.
    pub rule: Option<u16>,
    /// What that rule asks for.
    pub condition: Option<&'static str>,
    /// In words.
    pub because: String,
    /// Each of its rules, whether it had a say or not.
    pub rules: Vec<RuleFinding>,
}

/// What one rule says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RuleFinding {
    /// Counted from 1.
    pub number: u16,
    /// What it asks for, as it is written.
    pub condition: &'static str,
    /// All of the condition.
    pub text: String,
    /// What it says where it matches.
    pub action: Action,
    /// Whether it matches this request.
    pub matched: bool,
}

/// Judges a request that nobody makes: nothing is counted. With a limiter, rates are as full as they are.
pub fn examine(policies: &PolicySet, question: &Question<'_>, limiter: Option<&Limiter>) -> Examination {
    let matching = policies.matching(question.alias);
    let Question { principal, target, method, now, .. } = *question;
    let facts = Facts { principal, credential: question.credential, policies: &matching, target, method, now };
    let counters = match (question.credential, limiter) {
        (Some(credential), Some(limiter)) => Counters::of(&facts, credential, limiter),
        _ => Counters::Fresh,
    };
    let binding = question.credential.map(|it| check_binding(it, target));
    let request = Request::of(&facts);
    let denial = binding.clone().and_then(Result::err).or_else(|| dry_run(&matching, &request, &counters).err());
    let findings: Vec<Finding> = matching.iter().map(|it| Finding::of(it, &request, &counters)).collect();
    let deciding = match &denial {
        None => findings.first(),
        Some(denial) => findings.iter().find(|it| Some(&*it.policy) == denial.policy()),
    };
    Examination {
        result: if denial.is_none() { Action::Allow } else { Action::Deny },
        summary: summary(denial.as_ref(), &findings),
        credential: question.alias.clone(),
        method: method.as_str().to_owned(),
        url: target.to_string(),
        at: now,
        binding: Binding::of(binding.as_ref()),
        error: denial.as_ref().map(Denial::code),
        policy: deciding.map(|it| it.policy.clone()),
        rule: deciding.and_then(|it| it.rule),
        condition: deciding.and_then(|it| it.condition),
        retry_after_secs: denial.as_ref().and_then(Denial::retry_after_secs),
        policies: findings,
    }
}

/// Tells the log what each rule says, for whoever wonders.
pub(crate) fn log(facts: &Facts<'_>, credential: &Credential, counters: &Counters<'_>) {
    if !tracing::enabled!(target: "vultrino::policy", Level::DEBUG) {
        return;
    }
    let request = Request::of(facts);
    for policy in facts.policies {
        let (name, alias) = (&policy.name, credential.alias.as_str());
        tracing::debug!(target: "vultrino::policy", "Evaluating policy {name:?} for credential {alias:?}");
        for (number, Rule { condition, .. }) in policy.numbered() {
            let (kind, matched) = (condition.kind(), holds(condition, &request, counters));
            let detail = match condition {
                Condition::MethodMatch(it) => format!("{} in {it} = {matched}", request.method),
                _ => if matched { "matched" } else { "not matched" }.to_owned(),
            };
            tracing::debug!(target: "vultrino::policy", "Rule {number} {kind}: {detail}");
        }
    }
}

/// As [`consider`], and whether there is room where a grant would be counted.
pub(crate) fn dry_run(policies: &[Arc<Policy>], request: &Request<'_>, counters: &Counters<'_>) -> Result<(), Denial> {
    let mut dues = Dues::new();
    consider(policies, request, counters, &mut dues)?;
    for due in &dues {
        if let Some(exhausted) = counters.exhausted(due.limit) {
            return Err(due.denial(exhausted));
        }
    }
    Ok(())
}

impl Denial {
    /// The code that the refused caller gets.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unbound | Self::HostNotBound | Self::Plaintext => "forbidden",
            Self::Policy(_) => "policy_denied",
            Self::Rate { .. } => "rate_limited",
        }
    }

    fn policy(&self) -> Option<&str> {
        match self {
            Self::Unbound | Self::HostNotBound | Self::Plaintext => None,
            Self::Policy(verdict) | Self::Rate { verdict, .. } => Some(&verdict.policy),
        }
    }

    /// Whole seconds after which it is worth trying again.
    pub fn retry_after_secs(&self) -> Option<u64> {
        match self {
            Self::Rate { room, .. } => Some(room.retry_after_secs()),
            _ => None,
        }
    }
}

impl Binding {
    fn of(binding: Option<&Result<(), Denial>>) -> Self {
        match binding {
            None => Self::Unchecked,
            Some(Err(Denial::Unbound)) => Self::Unbound,
            Some(Err(_)) => Self::HostNotBound,
            Some(Ok(())) => Self::Bound,
        }
    }
}

impl Finding {
    pub(crate) fn of(policy: &Arc<Policy>, request: &Request<'_>, counters: &Counters<'_>) -> Self {
        let outcome = match judge(policy, request, counters, &mut Dues::new()) {
            Outcome::Allow(basis) => match dry_run(std::slice::from_ref(policy), request, counters) {
                Err(Denial::Rate { verdict, room }) => Outcome::Full(verdict.rule.unwrap_or_default(), room),
                _ => Outcome::Allow(basis),
            },
            other => other,
        };
        let (result, rule) = match outcome {
            Outcome::Allow(Basis::Rule(number)) => (Action::Allow, Some(number)),
            Outcome::Allow(_) => (Action::Allow, None),
            Outcome::Deny(Basis::Rule(number)) | Outcome::Full(number, _) => (Action::Deny, Some(number)),
            Outcome::Deny(_) => (Action::Deny, None),
        };
        let rules = policy.numbered().map(|(number, rule)| RuleFinding {
            number,
            condition: rule.condition.kind(),
            text: rule.condition.to_string(),
            action: rule.action,
            matched: holds(&rule.condition, request, counters),
        });
        Self {
            policy: policy.name.as_ref().to_owned(),
            result,
            rule,
            condition: policy.condition(rule).map(Condition::kind),
            because: because(policy, outcome),
            rules: rules.collect(),
        }
    }
}

fn because(policy: &Policy, outcome: Outcome) -> String {
    let kind = |number| policy.condition(Some(number)).map_or("", Condition::kind);
    match outcome {
        Outcome::Allow(Basis::Unopposed) => "no rule denies it".to_owned(),
        Outcome::Allow(Basis::Default) | Outcome::Deny(Basis::Default | Basis::Unopposed) => {
            "default action".to_owned()
        }
        Outcome::Allow(Basis::Rule(number)) => format!("matched rule {number}: {}", kind(number)),
        Outcome::Deny(Basis::Rule(number)) => {
            let guards = policy.rules.get(usize::from(number) - 1).is_some_and(|it| it.action == Action::Allow);
            let verb = if guards { "outside" } else { "matched" };
            format!("{verb} rule {number}: {}", kind(number))
        }
        Outcome::Full(rule, room) => format!("over rule {rule}: {}, {} were let through", kind(rule), room.max),
    }
}

fn summary(denial: Option<&Denial>, findings: &[Finding]) -> String {
    let told = |it: &Finding| match findings {
        [_] => it.because.clone(),
        _ => format!("policy {:?}: {}", it.policy, it.because),
    };
    match denial {
        Some(Denial::Unbound) => "the credential is bound to no host".to_owned(),
        Some(Denial::Plaintext) => "the credential is bound to this host over https only".to_owned(),
        Some(Denial::HostNotBound) => "the credential is not bound to this host".to_owned(),
        Some(denial) => findings.iter().find(|it| Some(&*it.policy) == denial.policy()).map_or(String::new(), told),
        None if findings.is_empty() => "no policy is about this credential".to_owned(),
        None => findings.iter().map(told).collect::<Vec<_>>().join("; "),
    }
}
