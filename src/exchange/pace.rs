//! How often a caller may send requests, whatever the policies of credentials say.

use crate::{
    base::id::Id,
    exchange::{Config, Refusal, attempts::MINUTE},
    identity::Principal,
    policy::{LimitKey, Limiter, Room},
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
