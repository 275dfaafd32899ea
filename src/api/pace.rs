//! How often a caller may ask, and how its answers say so.

use http::{HeaderMap, HeaderName};

use crate::{
    api::{Api, asking::MCP, metrics},
    exchange::{Refusal, pace},
    identity::Principal,
    policy::Room,
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
            // It is counted by what it asks for.
            MCP => return Ok(Self::Free),
            _ => {}
        }
        api.exchange().managing(principal).map(Self::Managed)
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
            headers.insert(RESET, pace::unix_seconds(reset).into());
        }
    }
}

const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
