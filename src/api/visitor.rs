//! Who calls: found out once, before anything else is looked at.

use axum::extract::{FromRequestParts, Request};
use http::{header, request::Parts};

use crate::{
    api::{Api, failure::Failure, metrics, pace::Pace},
    base::service::Arrival,
    exchange::{Caller, Door, Refusal},
    identity::{Presented, PresentedKey, Principal, presented},
};

/// Somebody who may at least ask. What that one may do is for `manage` and `exchange` to say.
#[derive(Clone)]
pub(crate) struct Visitor {
    /// Who that is.
    pub(crate) principal: Principal,
    /// What was shown for it.
    pub(crate) key: Option<PresentedKey>,
    /// Where from.
    pub(crate) arrival: Arrival,
}

impl Visitor {
    /// Finds out who calls, where that must be known, and leaves it among the extensions of the request.
    ///
    /// # Errors
    /// A key that is missing or not valid, or stands where it is in logs already; one that asks too often.
    pub(crate) fn welcome(api: &Api, request: &mut Request) -> Result<Pace, Refusal> {
        let path = request.uri().path();
        if path != metrics::PATH && path != "/v1" && !path.starts_with("/v1/") {
            return Ok(Pace::Free);
        }
        let arrival = *request.extensions().get::<Arrival>().ok_or(Refusal::Internal)?;
        let visitor = Self::of(api, request, arrival)
            .map_err(|it| api.exchange().refuse(Door::Api, arrival.source, request.method(), path, it))?;
        let pace = Pace::of(api, &visitor.principal, path)?;
        request.extensions_mut().insert(visitor);
        Ok(pace)
    }

    fn of(api: &Api, request: &Request, arrival: Arrival) -> Result<Self, Refusal> {
        let query = request.uri().query().unwrap_or_default();
        if presented::holds_a_key(query.as_bytes()) || presented::holds_a_key(request.uri().path().as_bytes()) {
            return Err(Refusal::Unauthorized);
        }
        let mut fields = request.headers().get_all(header::AUTHORIZATION).iter();
        let key = match (fields.next(), fields.next()) {
            (None, _) => None,
            (Some(field), None) => presented::in_authorization(field.as_bytes()),
            (Some(_), Some(_)) => return Err(Refusal::Invalid("Authorization stands twice")),
        };
        let presented = Presented { key, alias: None };
        let caller = Caller { presented: &presented, keyless: arrival.keyless, source: arrival.source };
        let principal = api.exchange().caller(&caller)?;
        Ok(Self { principal, key: presented.key, arrival })
    }
}

impl FromRequestParts<Api> for Visitor {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Failure> {
        parts.extensions.remove().ok_or_else(|| Refusal::Internal.into())
    }
}
