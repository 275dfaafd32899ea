//! Who calls: found out once, before anything else is looked at.

use axum::{
    extract::{FromRequestParts, Request},
    response::{IntoResponse as _, Response},
};
use http::{header, request::Parts};

use crate::{
    api::{Api, asking::Asking, failure::Failure, pace::Pace},
    base::service::Arrival,
    exchange::{Caller, Refusal, Visitor},
    identity::{Presented, PresentedKey, presented},
};

/// Finds out who calls, where that must be known, and leaves the [`Visitor`] among the extensions of the request.
///
/// # Errors
/// A key that is missing or not valid, or stands where it is in logs already; one that asks too often.
pub(crate) fn welcome(api: &Api, request: &mut Request, asking: &mut Asking) -> Result<Pace, Refusal> {
    if asking.door.is_none() {
        return Ok(Pace::Free);
    }
    let arrival = *request.extensions().get::<Arrival>().ok_or(Refusal::Internal)?;
    asking.source = arrival.source;
    asking.key = key(request)?;
    let presented = Presented { key: asking.key, alias: None };
    let caller = Caller { presented: &presented, keyless: arrival.keyless, source: arrival.source };
    let principal = api.exchange().caller(&caller)?;
    asking.principal = Some(principal.clone());
    let pace = Pace::of(api, &principal, &asking.path)?;
    request.extensions_mut().insert(Visitor { principal, key: presented.key, arrival });
    Ok(pace)
}

/// The one key that a request shows.
fn key(request: &Request) -> Result<Option<PresentedKey>, Refusal> {
    let query = request.uri().query().unwrap_or_default();
    if presented::holds_a_key(query.as_bytes()) || presented::holds_a_key(request.uri().path().as_bytes()) {
        return Err(Refusal::Unauthorized);
    }
    let mut fields = request.headers().get_all(header::AUTHORIZATION).iter();
    match (fields.next(), fields.next()) {
        (None, _) => Ok(None),
        (Some(field), None) => Ok(presented::in_authorization(field.as_bytes())),
        (Some(_), Some(_)) => Err(Refusal::Invalid("Authorization stands twice")),
    }
}

impl FromRequestParts<Api> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Response> {
        parts.extensions.remove().ok_or_else(|| Failure::from(Refusal::Internal).into_response())
    }
}
