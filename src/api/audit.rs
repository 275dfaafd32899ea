//! The audit log, asked.

use std::time::Duration;

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    api::{
        Api, answer,
        asked::{Asked, time},
        failure::Failure,
    },
    audit::{
        event::Event,
        read::{Filter, Page, page},
    },
    base::capacity::Network,
    exchange::{
        Door, Visitor,
        open::{Call, Word},
    },
    manage::trail,
    policy::{LimitKey, Rate},
};

/// Records of a page, where nothing is said.
const SOME: u16 = 100;
/// For how long a caller that has read the log may go on without another line.
const READING: Duration = Duration::from_mins(10);
/// Most records of a page.
const MOST: u16 = 1000;

/// Which records are wanted: all that is named must fit.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// A pattern of aliases.
    credential: Option<String>,
    /// How the caller's key begins.
    key: Option<String>,
    /// The caller's name.
    name: Option<String>,
    /// PATH, FORWARD, CONNECT, TUNNEL, API, CLI or ADMIN.
    door: Option<String>,
    /// Such as `http_request`.
    action: Option<String>,
    /// Such as `ok` or `denied`.
    outcome: Option<String>,
    /// Such as `policy_denied`.
    reason: Option<String>,
    /// Begun at this time or later.
    #[param(format = DateTime)]
    since: Option<String>,
    /// Begun before this time.
    #[param(format = DateTime)]
    until: Option<String>,
    /// Most records of the answer; 100, where nothing is said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    #[param(pattern = "^[0-9]{1,19}$")]
    cursor: Option<String>,
}

/// Records, the newest first.
#[derive(Serialize, ToSchema)]
struct Records {
    #[schema(value_type = Vec<Object>)]
    events: Vec<Event>,
    /// Gives the records before these; null where there are none.
    next_cursor: Option<String>,
}

/// Query the audit log. A key without the permission `admin` sees what was done with itself.
#[utoipa::path(
    get,
    path = "/v1/audit",
    operation_id = "queryAudit",
    params(Wanted),
    responses((status = 200, description = "Records, the newest first", body = Records)),
)]
pub(crate) async fn query(
    State(api): State<Api>,
    visitor: Visitor,
    Asked(wanted): Asked<Wanted>,
) -> Result<Response, Failure> {
    let limit = wanted.limit.unwrap_or(SOME);
    if !(1..=MOST).contains(&limit) {
        return Err(Failure::invalid(format!("`limit` must be between 1 and {MOST}")));
    }
    let bad = |_| Failure::invalid("`cursor` must be the `next_cursor` of an answer");
    let before = wanted.cursor.as_deref().map(|it| it.parse::<u64>().map_err(bad)).transpose()?;
    let (asked, principal) = (filter(wanted)?, visitor.principal.clone());
    let filter = api.read(move |records| trail::view(&principal, records, asked)).await?;
    let look = move |log: &_| {
        let Page { events, next } = page(log, &filter, before, limit.into())?;
        Ok(answer::json(StatusCode::OK, &Records { events, next_cursor: next.map(|it| it.to_string()) }))
    };
    let answer = api.log(look).await?;
    note(&api, &visitor)?;
    Ok(answer)
}

/// Records that this caller reads the log: a page that is looked at all the time asks for it again and again.
fn note(api: &Api, visitor: &Visitor) -> Result<(), Failure> {
    let (exchange, rate) = (api.exchange(), Rate { max: 1, window: READING });
    let key = match visitor.principal.holder() {
        Some(holder) => LimitKey::of_caller("audit_read", Some(holder.key.id)),
        None => LimitKey::of_stranger("audit_read", Network::of(visitor.arrival.source).as_bytes()),
    };
    if exchange.limiter().room(&key, rate).is_err() {
        return Ok(());
    }
    let call = Call {
        door: Door::Api,
        action: "audit_read",
        source: visitor.arrival.source,
        method: "GET",
        target: "/v1/audit",
        alias: "",
        key: visitor.key,
        principal: Some(&visitor.principal),
    };
    exchange.note(&call, &Word::OK)?;
    // Two at the same time may both have a line.
    exchange.limiter().charge(key, rate.max, rate.window).map(drop).or(Ok(()))
}

fn filter(wanted: Wanted) -> Result<Filter, Failure> {
    let bad = |_| Failure::invalid("`credential` must be a pattern of aliases such as `github-*`");
    Ok(Filter {
        credential: wanted.credential.map(|it| it.parse().map_err(bad)).transpose()?,
        key: wanted.key,
        name: wanted.name,
        door: wanted.door,
        action: wanted.action,
        outcome: wanted.outcome,
        reason: wanted.reason,
        since: time("since", wanted.since.as_deref())?,
        until: time("until", wanted.until.as_deref())?,
        text: None,
    })
}
