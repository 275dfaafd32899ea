//! Somebody who asks for something under our own paths.

use crate::{
    base::{capacity::Client, service::Arrival},
    exchange::identify::client,
    identity::{PresentedKey, Principal},
};

/// Somebody who may at least ask. What that one may do is for `manage` and [`Exchange`](crate::exchange::Exchange) to say.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// Who that is.
    pub principal: Principal,
    /// What was shown for it.
    pub key: Option<PresentedKey>,
    /// Where from.
    pub arrival: Arrival,
}

impl Visitor {
    /// Who what it uses is counted for.
    pub fn client(&self) -> Client {
        client(&self.principal, self.arrival.source)
    }
}
