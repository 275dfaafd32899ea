//! Policies: to be read, and to be asked what they would say.

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    api::{
        Api, answer, asked,
        body::Text,
        failure::{Failure, Problem},
    },
    base::{clock::Clock, target::Target},
    credential::Alias,
    exchange::{Refusal, Visitor, budget::SMALL},
    manage::{ManageError, policies},
    policy::{Action, Examination, Policy, Question, examine, set::Evaluation},
};

/// Policies that the caller may see.
#[derive(Serialize, ToSchema)]
struct Policies {
    policies: Vec<Shown>,
}

/// A policy.
#[derive(Serialize, ToSchema)]
#[schema(as = Policy)]
struct Shown {
    #[schema(example = "github-readonly")]
    name: String,
    /// Which aliases it is about.
    #[schema(example = "github-*")]
    credential_pattern: String,
    #[schema(value_type = String, example = "deny")]
    default_action: Action,
    /// `per_dimension` or `first_match`.
    #[schema(value_type = String, example = "per_dimension")]
    evaluation: Evaluation,
    /// In their order.
    rules: Vec<Rule>,
}

/// A rule of a policy.
#[derive(Serialize, ToSchema)]
struct Rule {
    /// Counted from 1.
    number: u16,
    /// What it asks for.
    #[schema(example = "url_match")]
    condition: &'static str,
    /// All of the condition.
    text: String,
    /// What it says where it matches.
    #[schema(value_type = String, example = "allow")]
    action: Action,
}

/// A request that nobody makes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Tested {
    /// Alias of the credential that would be used.
    #[schema(example = "github-api", pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    credential: String,
    #[schema(example = "https://api.github.com/user", pattern = "^[Hh][Tt][Tt][Pp][Ss]?://")]
    url: String,
    /// GET, where nothing is said.
    #[schema(example = "GET", pattern = "^[A-Za-z]+$")]
    method: Option<String>,
    /// When; now, where nothing is said.
    #[schema(format = DateTime)]
    at: Option<String>,
}

/// List policies. Needs the permission `read`, and lists those about credentials in the key's scope; with `admin`, all.
#[utoipa::path(
    get,
    path = "/v1/policies",
    operation_id = "listPolicies",
    responses((status = 200, description = "Policies in their order", body = Policies)),
)]
pub(crate) async fn list(State(api): State<Api>, visitor: Visitor) -> Result<Response, Failure> {
    let snapshot = api.exchange().snapshot();
    let list = move |records: &_| {
        let seen = policies::list(&visitor.principal, records, snapshot.policies())?;
        let policies = seen.into_iter().map(|it| Shown::from(&**it)).collect();
        Ok(answer::json(StatusCode::OK, &Policies { policies }))
    };
    api.read(list).await
}

/// Ask what would happen to a request. Needs the permission `read`; nothing is sent, and nothing counted.
#[utoipa::path(
    post,
    path = "/v1/policies/test",
    operation_id = "testPolicies",
    request_body = Tested,
    responses(
        (status = 200, description = "The verdict, and what every policy and rule says", body = Object),
        (status = 413, description = "The body is too long", body = Problem),
    ),
)]
pub(crate) async fn test(State(api): State<Api>, visitor: Visitor, request: Request) -> Result<Response, Failure> {
    let asked: Tested = Text::read(&api, request, SMALL).await?.json()?;
    let alias: Alias = asked.credential.parse().map_err(ManageError::from)?;
    let target = Target::parse(&asked.url).map_err(Refusal::from)?;
    let method = asked.method.as_deref().unwrap_or("GET");
    let method: Method = method.parse().or(Err(Failure::invalid("`method` is no HTTP method")))?;
    let now = asked::time("at", asked.at.as_deref())?.unwrap_or_else(|| Clock.now());
    let worker = api.clone();
    let examination: Examination = api
        .read(move |records| {
            let principal = &visitor.principal;
            let credential = policies::subject(Clock.now(), principal, records, alias.as_str())?;
            let question = Question { alias: &alias, credential, principal, target: &target, method: &method, now };
            let (snapshot, limiter) = (worker.exchange().snapshot(), worker.exchange().limiter());
            Ok(examine(snapshot.policies(), &question, Some(limiter)))
        })
        .await?;
    Ok(answer::json(StatusCode::OK, &examination))
}

impl From<&Policy> for Shown {
    fn from(it: &Policy) -> Self {
        let rule = |(number, rule): (u16, &crate::policy::Rule)| Rule {
            number,
            condition: rule.condition.kind(),
            text: rule.condition.to_string(),
            action: rule.action,
        };
        Self {
            name: it.name.to_string(),
            credential_pattern: it.credential_pattern.to_string(),
            default_action: it.default_action,
            evaluation: it.evaluation.unwrap_or(Evaluation::PerDimension),
            rules: it.numbered().map(rule).collect(),
        }
    }
}
