//! How often a caller may send requests, whatever the policies of credentials say.

use std::time::Duration;

use crate::{
    base::{clock::Clock, head::AnswerHead, id::Id},
    exchange::{Config, Refusal, attempts::MINUTE},
    identity::Principal,
    policy::{Exhausted, LimitKey, Limiter, Room},
};

/// Counts one request.
///
/// # Errors
/// There were too many before it.
pub fn charge(limiter: &Limiter, config: &Config, principal: &Principal) -> Result<(), Refusal> {
    let Some((key, max)) = counted(config, principal) else { return Ok(()) };
    limiter.charge(key, max, MINUTE).map(drop).map_err(Refusal::RateLimited)
}

/// Counts one request for what is managed, and says how many more are let through; `None` where they are not counted.
///
/// # Errors
/// There were too many before it.
pub fn charge_management(limiter: &Limiter, config: &Config, principal: &Principal) -> Result<Option<Room>, Refusal> {
    let Some(max) = config.rate_limits.management else { return Ok(None) };
    let room = limiter.charge(LimitKey::of_caller("management", caller(principal)), max, MINUTE);
    room.map(Some).map_err(Refusal::RateLimited)
}

/// How many more are let through; `None` where they are not counted.
pub fn room(limiter: &Limiter, config: &Config, principal: &Principal) -> Option<Room> {
    counted(config, principal).map(|(key, max)| limiter.look(key, max, MINUTE))
}

/// Where the requests of this caller are counted, and how many there may be in a minute. Callers without a key count as one.
fn counted(config: &Config, principal: &Principal) -> Option<(LimitKey, u32)> {
    Some((LimitKey::of_caller("proxy", caller(principal)), config.rate_limits.proxy?))
}

fn caller(principal: &Principal) -> Option<Id> {
    principal.holder().map(|it| it.key.id)
}

/// Says in the fields of an answer when the next request is let through, in whole seconds, rounded up.
pub(crate) fn tell(head: &mut AnswerHead, it: &Exhausted) {
    let wait = (it.retry_after.as_millis().div_ceil(1000)).max(1).to_string();
    head.fields.append("Retry-After", wait.as_bytes());
    head.fields.append("X-RateLimit-Limit", it.max.to_string().as_bytes());
    head.fields.append("X-RateLimit-Remaining", b"0");
    head.fields.append("X-RateLimit-Reset", unix_seconds(it.retry_after).to_string().as_bytes());
}

/// When something will be, in whole seconds of Unix time, rounded up.
pub(crate) fn unix_seconds(wait: Duration) -> i64 {
    let now = Clock.now();
    let then = now.checked_add(wait).unwrap_or(now);
    then.as_second() + i64::from(then.subsec_nanosecond() > 0)
}
