//! What is passed on blind: a connection that has left HTTP behind.

use std::{future::poll_fn, task::Poll, time::Duration};

use crate::{
    audit::Outcome,
    base::splice::{End, Side, Splice},
    exchange::Recorded,
};

impl Recorded {
    /// Joins the client's side to the origin server's, if its answer was to switch. Ends when both have ended, one is
    /// gone, both are silent for as long as `idle`, or the right to it is taken away; that closes the record.
    pub async fn relay(mut self, client: Side, idle: Duration) {
        let Some(origin) = self.take_switched() else { return };
        let mut splice = Splice::new(client, origin, idle);
        let end = poll_fn(|cx| {
            let polled = splice.poll(cx);
            // At every turn, for whoever drops this does not ask first.
            self.note_passed(splice.passed());
            match polled {
                Poll::Ready(end) => Poll::Ready(Some(end)),
                Poll::Pending => self.ticket.poll_revoked(cx).map(|()| None),
            }
        })
        .await;
        let outcome = match end {
            Some(End::Both) => Outcome::Ok,
            Some(End::Client(error)) => {
                tracing::debug!(%error, "a client left its tunnel");
                Outcome::ClientAbort
            }
            Some(End::Origin(error)) => {
                tracing::debug!(%error, "an origin server left its tunnel");
                Outcome::UpstreamAbort
            }
            Some(End::Idle) => {
                self.explain("idle");
                Outcome::Ok
            }
            None => {
                splice.cut();
                Outcome::RevokedMidstream
            }
        };
        self.close(outcome);
    }
}
