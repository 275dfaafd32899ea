//! How often a caller may ask, and how its answers say so.

use http::{HeaderMap, HeaderName};

use crate::{
    api::{Api, metrics},
    exchange::{Refusal, attempts::MINUTE, metrics::Limit, pace, refusal::unix_seconds},
    identity::Principal,
    policy::{LimitKey, Room},
};

/// What a request counts as.
pub(crate) enum Pace {
    /// Nothing.
    Free,
    /// Management: it is counted.
    Managed(Option<Room>),
    /// A request for the world, which the exchange counts.
    Proxied(Principal),
}

impl Pace {
    /// Counts what is not counted elsewhere.
    ///
    /// # Errors
    /// There were too many before it.
    pub(crate) fn of(api: &Api, principal: &Principal, path: &str) -> Result<Self, Refusal> {
        match path {
            // Whoever watches over us can do so most when too many ask.
            metrics::PATH => return Ok(Self::Free),
            "/v1/execute" => return Ok(Self::Proxied(principal.clone())),
            _ => {}
        }
        let exchange = api.exchange();
        let Some(max) = exchange.snapshot().config().rate_limits.management else { return Ok(Self::Managed(None)) };
        let whom = principal.holder().map_or(&[][..], |it| it.key.id.as_bytes());
        let room = exchange.limiter().charge(LimitKey::new("management", whom), max, MINUTE);
        room.map(|it| Self::Managed(Some(it))).map_err(|exhausted| {
            exchange.metrics().limited(Limit::Management);
            Refusal::RateLimited(exhausted)
        })
    }

    /// Says in an answer how much is left, unless it says so of something else already.
    pub(crate) fn tell(self, api: &Api, headers: &mut HeaderMap) {
        let room = match self {
            Self::Free => None,
            Self::Managed(room) => room,
            Self::Proxied(principal) => {
                let exchange = api.exchange();
                pace::room(exchange.limiter(), exchange.snapshot().config(), &principal)
            }
        };
        if let Some(Room { max, remaining, reset }) = room
            && !headers.contains_key(LIMIT)
        {
            headers.insert(LIMIT, max.into());
            headers.insert(REMAINING, remaining.into());
            headers.insert(RESET, unix_seconds(reset).into());
        }
    }
}

const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
