//! The answer on its way to the caller, and the audit record that ends with its last byte.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::Frame;

use crate::{
    audit::Outcome,
    base::{
        body::{Body, BodyError, Meter},
        head::{AnswerHead, Framing},
        splice::Side,
    },
    exchange::{
        Open,
        live::{Ticket, Watch},
    },
};

/// What an exchange gives back to its door.
#[derive(Debug)]
pub struct Reply {
    /// Ready to be written, but for framing.
    pub head: AnswerHead,
    /// How the origin server told the end of the body.
    pub framing: Framing,
    /// Closes the record when it ends; dropped before, it records that the caller went away.
    pub body: Recorded,
}

/// A body with an open record.
#[derive(Debug)]
pub struct Recorded {
    body: Body,
    open: Option<Open>,
    pub(crate) ticket: Ticket,
    uploaded: Arc<Meter>,
}

impl Recorded {
    /// A body that is already at its end closes the record at once.
    pub fn new(body: Body, open: Open, ticket: Ticket, uploaded: Arc<Meter>) -> Self {
        let mut recorded = Self { body, open: Some(open), ticket, uploaded };
        if recorded.body.is_empty() {
            recorded.close(Outcome::Ok);
        }
        recorded
    }

    /// To end the writing of an answer whose right was taken away, also while nobody reads it.
    pub fn watch(&self) -> Watch {
        self.ticket.watch()
    }

    /// Whether the connection goes on with another protocol behind the head.
    pub fn is_switched(&self) -> bool {
        matches!(self.body, Body::Switched(_))
    }

    /// What the other side of it is then.
    pub(crate) fn take_switched(&mut self) -> Option<Side> {
        match std::mem::take(&mut self.body) {
            Body::Switched(side) => Some(*side),
            _ => None,
        }
    }

    /// So many bytes have been passed on so far.
    pub(crate) fn note_passed(&mut self, (up, down): (u64, u64)) {
        if let Some(open) = &mut self.open {
            (open.entry.record.bytes_up, open.entry.record.bytes_down) = (up, down);
        }
    }

    /// Why it ends.
    pub(crate) fn explain(&mut self, reason: &'static str) {
        if let Some(open) = &mut self.open {
            open.entry.record.reason = Some(reason);
        }
    }

    pub(crate) fn close(&mut self, outcome: Outcome) {
        if let Some(mut open) = self.open.take() {
            open.entry.record.bytes_up += self.uploaded.seen();
            open.close(outcome);
        }
    }
}

impl http_body::Body for Recorded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.ticket.is_revoked() {
            self.close(Outcome::RevokedMidstream);
            return Poll::Ready(Some(Err(BodyError::Revoked)));
        }
        let Poll::Ready(polled) = Pin::new(&mut self.body).poll_frame(cx) else {
            // Woken by a sweep, this is polled again.
            return self.ticket.poll_revoked(cx).map(|()| {
                self.close(Outcome::RevokedMidstream);
                Some(Err(BodyError::Revoked))
            });
        };
        match &polled {
            Some(Ok(frame)) => {
                if let (Some(open), Some(data)) = (&mut self.open, frame.data_ref()) {
                    open.entry.record.bytes_down += data.len() as u64;
                }
            }
            Some(Err(BodyError::Upload(_))) => self.close(Outcome::ClientAbort),
            Some(Err(error)) => {
                if let (BodyError::Stalled, Some(open)) = (error, &mut self.open) {
                    open.entry.record.reason = Some(open.silenced_by.reason());
                }
                self.close(Outcome::UpstreamAbort);
            }
            None => self.close(Outcome::Ok),
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_empty()
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        let revoked = self.open.is_some() && self.ticket.is_revoked();
        self.close(if revoked { Outcome::RevokedMidstream } else { Outcome::of_abandoned() });
    }
}
