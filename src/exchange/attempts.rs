//! Keys that are not valid: how many may be shown in a minute, from one address and of one key.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use crate::{
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
    let address = LimitKey::new("auth address", &address(caller.source));
    limiter.charge(address, most, MINUTE).map_err(Refusal::RateLimited)?;
    if let Some(key) = &caller.presented.key {
        let key = LimitKey::new("auth key", key.prefix().as_bytes());
        limiter.charge(key, most, MINUTE).map_err(Refusal::RateLimited)?;
    }
    Ok(())
}

/// Whoever has a host on the internet has a /64 of IPv6 addresses.
fn address(source: Option<SocketAddr>) -> [u8; 8] {
    let mut address = [0; 8];
    match source.map(|it| it.ip().to_canonical()) {
        Some(IpAddr::V4(v4)) => address[..4].copy_from_slice(&v4.octets()),
        Some(IpAddr::V6(v6)) => address.copy_from_slice(&v6.octets()[..8]),
        None => {}
    }
    address
}
