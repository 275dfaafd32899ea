//! Authentication, permission and rate checks.

use std::sync::Arc;

use jiff::Timestamp;

use crate::{
    audit::Entry,
    base::{
        capacity::{Client, Network, Share},
        fields::{Fields, Known},
        peer::Peer,
    },
    exchange::{
        Caller, Config, Door, Exchange, Inbound, Refusal, Snapshot, attempts,
        metrics::{Authentication, Limit},
        pace,
        snapshot::Unauthenticated,
    },
    identity::{Permission, Presented, PresentedKey, Principal, presented},
    policy::Room,
};

/// Proof that one request was authorised and counted before its body was read.
#[derive(Debug)]
pub struct Leave(());

impl Exchange {
    /// Whether this caller may make a request at all, and again so soon. Counts it.
    ///
    /// # Errors
    /// No permission; too many before it.
    pub fn leave(&self, principal: &Principal) -> Result<Leave, Refusal> {
        self.pace(self.snapshot.load().config(), principal, Permission::Execute)?;
        Ok(Leave(()))
    }

    /// Counts a request for what is managed, and says how many more are let through; `None` where they are not counted.
    ///
    /// # Errors
    /// Too many before it.
    pub fn managing(&self, principal: &Principal) -> Result<Option<Room>, Refusal> {
        let room = pace::charge_management(&self.shared.limiter, self.snapshot.load().config(), principal);
        room.inspect_err(|_| self.metrics.limited(Limit::Management))
    }

    /// Who calls, for what is no exchange.
    ///
    /// # Errors
    /// A key that is missing or not valid; too many that were not.
    pub fn caller(&self, caller: &Caller<'_>) -> Result<Principal, Refusal> {
        self.authenticate(&self.snapshot.load(), caller, self.shared.clock.now())
    }

    /// Who sends this request; on the record, whether or not it is known.
    pub(crate) fn identify(
        &self,
        snapshot: &Snapshot,
        inbound: &Inbound<'_>,
        entry: &mut Entry,
        now: Timestamp,
    ) -> Result<Principal, Refusal> {
        let presented = Presented { key: self.shown_key(inbound)?, alias: None };
        let caller = Caller { presented: &presented, keyless: inbound.keyless, source: inbound.source };
        let principal = self.authenticate(snapshot, &caller, now);
        let in_style = |it: Refusal| if inbound.door == Door::Forward { it.in_proxy_style() } else { it };
        let principal = principal.map_err(in_style)?;
        entry.record.set_name(principal.name());
        entry.record.set_key(principal.prefix());
        Ok(principal)
    }

    /// A valid key is always taken: failures of others, from the same address, cost the others only.
    pub(crate) fn authenticate(
        &self,
        snapshot: &Snapshot,
        caller: &Caller<'_>,
        now: Timestamp,
    ) -> Result<Principal, Refusal> {
        let key = caller.presented.key.as_ref();
        let (result, refusal) = match snapshot.authenticate(key, caller.keyless, now) {
            Ok(principal) => {
                if principal.holder().is_some() {
                    self.metrics.authenticated(Authentication::Ok);
                }
                return Ok(principal);
            }
            Err(Unauthenticated::Missing) => (Authentication::Missing, Refusal::KeyMissing),
            Err(Unauthenticated::Keyless) => (Authentication::Invalid, Refusal::KeylessKey),
            Err(Unauthenticated::Invalid) => {
                let most = snapshot.config().rate_limits.auth_failures;
                match attempts::charge(&self.shared.limiter, most, caller) {
                    Ok(()) => (Authentication::Invalid, Refusal::Unauthorized),
                    Err(limited) => {
                        self.metrics.limited(Limit::Authentication);
                        (Authentication::Limited, limited)
                    }
                }
            }
        };
        self.metrics.authenticated(result);
        Err(refusal)
    }

    /// Whether the caller may do this at all, and again so soon.
    pub(crate) fn pace(&self, config: &Config, principal: &Principal, permission: Permission) -> Result<(), Refusal> {
        permitted(principal, permission)?;
        pace::charge(&self.shared.limiter, config, principal).inspect_err(|_| self.metrics.limited(Limit::Proxy))
    }

    /// A share of what may be open at once, for as long as this caller's request or tunnel is.
    ///
    /// # Errors
    /// The caller has as many as one may have, or all have as many as there may be.
    pub(crate) fn share(&self, config: &Config, principal: &Principal, source: Option<Peer>) -> Result<Share, Refusal> {
        self.shared.open.take(client(principal, source), config.requests).map_err(Refusal::from)
    }

    /// The one key that a request shows. A key in the URL is in logs already: it is not taken.
    fn shown_key(&self, inbound: &Inbound<'_>) -> Result<Option<PresentedKey>, Refusal> {
        if presented::holds_a_key(inbound.target.path_and_query().as_bytes()) {
            self.metrics.authenticated(Authentication::Invalid);
            return Err(Refusal::Unauthorized);
        }
        let own = inbound.fields.all(Known::Authorization).filter_map(presented::in_authorization);
        let mut all = own.chain(inbound.presented.key);
        let first = all.next();
        if all.any(|it| Some(it) != first) {
            return Err(Refusal::Invalid("the request shows two API keys"));
        }
        Ok(first)
    }
}

/// The key in the fields of a request, where it shows one; of several the first.
pub fn key_in(fields: &Fields) -> Option<PresentedKey> {
    let own = fields.all(Known::Authorization).filter_map(presented::in_authorization);
    let of_proxy = fields.all(Known::ProxyAuthorization);
    let of_proxy = of_proxy.filter_map(|it| Presented::from_proxy_authorization(it).ok()?.key);
    own.chain(of_proxy).next()
}

/// The client whose limits the use of this caller counts against: its key, wherever it calls from, else its network.
pub fn client(principal: &Principal, source: Option<Peer>) -> Client {
    let key = principal.holder().map(|it| Client::Key(Arc::clone(it.held())));
    key.unwrap_or_else(|| Client::Network(Network::of(source)))
}

/// Whether the caller's role has this permission.
pub(crate) fn permitted(principal: &Principal, permission: Permission) -> Result<(), Refusal> {
    if principal.may(permission) { Ok(()) } else { Err(Refusal::Forbidden(permission)) }
}
