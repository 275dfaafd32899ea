//! Tunnels: whether one may be opened, whether it is looked into, and what is passed on unseen.

use std::{pin::pin, sync::Arc};

use http::Method;

use crate::{
    base::{
        body::{Body, Meter},
        fields::Fields,
        host::{Host, Scheme},
        peer::Peer,
        target::Origin,
    },
    exchange::{
        Caller, Config, Door, Exchange, Intercept, Recorded, Refusal, Ticket, Unmatched,
        failure::refuse_dial,
        identify::{client, permitted},
        live::Rights,
        run::Guarded,
    },
    identity::{Permission, Principal},
};

/// A tunnel that may be opened.
#[derive(Debug)]
pub enum Admitted {
    /// The requests in it are judged one by one. The ticket is revoked when the caller's key is.
    Intercepted(Ticket),
    /// Nobody looks into it.
    Blind(Blind),
}

/// What [`Exchange::tunnel`] needs to know of it.
#[derive(Debug)]
pub struct Blind {
    principal: Principal,
    ticket: Ticket,
}

impl Exchange {
    /// Whether a tunnel may be opened, before anything is signed or dialled for it.
    ///
    /// # Errors
    /// A key that is missing or not valid, a port that nothing permits, a host that would be refused anyway.
    pub fn admit(&self, caller: &Caller<'_>, origin: &Arc<Origin>, ports: &[u16]) -> Result<Admitted, Refusal> {
        let (snapshot, now) = (self.snapshot.load(), self.shared.clock.now());
        let config = snapshot.config();
        let principal = self.authenticate(&snapshot, caller, now).map_err(Refusal::in_proxy_style)?;
        permitted(&principal, Permission::Execute)?;
        if self.upstream.forbids(&origin.authority) {
            return Err(Refusal::Address);
        }
        // Clients that tunnel everything speak HTTP in clear inside, too. Also credentials that are used only by name count:
        // a field inside the tunnel may name them.
        let in_clear = Origin::new(Scheme::Http, origin.authority.clone());
        let reaches = |origin| snapshot.usable_at(origin).any(|it| principal.reaches(&it.alias));
        let bound = reaches(origin) || reaches(&in_clear);
        if !bound && !ports.contains(&origin.authority.port) {
            return Err(Refusal::Port);
        }
        let pinned = is_pinned(config, &origin.authority.host);
        if !bound && !pinned && config.unmatched == Unmatched::Deny {
            return Err(Refusal::Unmatched);
        }
        let ticket = self.live.enter();
        ticket.uses(Rights { holder: principal.holder().cloned(), ..Rights::default() });
        let intercepted = match config.intercept {
            _ if pinned => false,
            Intercept::All => true,
            Intercept::Bound => bound,
            Intercept::Off => false,
        };
        Ok(if intercepted { Admitted::Intercepted(ticket) } else { Admitted::Blind(Blind { principal, ticket }) })
    }

    /// Dials for a tunnel that nobody looks into, asked for with these fields. Its one record begins here, and ends with it.
    ///
    /// # Errors
    /// The refusal to answer with. Its record is already closed.
    pub async fn tunnel(
        &self,
        blind: Blind,
        origin: &Origin,
        connect: &Fields,
        source: Option<Peer>,
    ) -> Result<Recorded, Refusal> {
        let Blind { principal, ticket } = blind;
        let mut open = self.open(Door::Tunnel, "connect")?;
        let snapshot = self.snapshot.load_full();
        open.entry.set_authority(&origin.authority.to_string());
        let record = &mut open.entry.record;
        record.generation = snapshot.generation();
        record.set_source(source.and_then(Peer::address));
        record.set_method(Method::CONNECT.as_str());
        record.set_name(principal.name());
        record.set_key(principal.prefix());
        let config = snapshot.config();
        let share = self.share(config, &principal, source);
        match share.and_then(|it| self.pace(config, &principal, Permission::Execute).map(|()| it)) {
            Ok(share) => open.share = Some(share),
            Err(refusal) => return Err(self.close_refused(open, refusal)),
        }
        let client = client(&principal, source);
        open.entry.arm();
        let dialled = pin!(async {
            self.upstream.tunnel(&origin.authority, &client, connect).await.map_err(|error| refuse_dial(&error))
        });
        match (Guarded { attempt: dialled, ticket: &ticket }).await {
            Ok(side) => {
                open.entry.record.status = 200;
                let nothing = Arc::new(Meter::new(u64::MAX));
                Ok(Recorded::new(Body::Switched(Box::new(side)), open, ticket, nothing))
            }
            Err(refusal) => Err(self.close_refused(open, refusal)),
        }
    }
}

/// Whether the configuration keeps out of what is said to this host.
fn is_pinned(config: &Config, host: &Host) -> bool {
    config.tunnel_hosts.iter().any(|it| it.matches(host))
}
