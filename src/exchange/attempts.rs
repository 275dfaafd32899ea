//! Keys that are not valid: how many may be shown in a minute, from one address and of one key.

use std::time::Duration;

use crate::{
    base::capacity::Network,
    exchange::{Caller, Refusal},
    policy::{LimitKey, Limiter},
};

/// The window of all limits of the appliance itself.
pub const MINUTE: Duration = Duration::from_mins(1);

/// Counts one failed attempt.
///
/// # Errors
/// There were too many before it.
pub fn charge(limiter: &Limiter, most: Option<u32>, caller: &Caller<'_>) -> Result<(), Refusal> {
    let Some(most) = most else { return Ok(()) };
    let address = LimitKey::of_stranger("auth address", Network::of(caller.source).as_bytes());
    limiter.charge(address, most, MINUTE).map_err(Refusal::RateLimited)?;
    if let Some(key) = &caller.presented.key {
        let key = LimitKey::of_stranger("auth key", key.prefix().as_bytes());
        limiter.charge(key, most, MINUTE).map_err(Refusal::RateLimited)?;
    }
    Ok(())
}
