//! Whether the client of an exchange is still there to be answered.

use std::task::{Context, Poll, ready};

use crate::http1::connection::{Connection, READ_AHEAD, Reading};

impl Connection {
    /// Ready when nobody is there to be answered: the peer has reset the connection, or ended its side in the middle of a
    /// message. A peer that ends its side behind a whole message still reads. What it sends meanwhile is kept, as far as
    /// there is room.
    pub fn poll_abandoned(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if matches!(self.reading, Reading::UntilClose | Reading::Closed | Reading::Broken) {
            return Poll::Pending;
        }
        while !self.half_closed && self.input.len() < READ_AHEAD {
            match ready!(self.poll_fill_up_to(cx, READ_AHEAD - self.input.len())) {
                Ok(0) if self.has_rest() => self.half_closed = true,
                Ok(0) | Err(_) => {
                    self.reading = Reading::Broken;
                    return Poll::Ready(());
                }
                Ok(_) => {}
            }
        }
        // Reading says nothing more for now.
        if self.closed.is_none() {
            match self.wire.closed() {
                Ok(closed) => self.closed = Some(closed),
                // It is noticed when it is written to.
                Err(error) => tracing::debug!(%error, "a connection cannot be watched"),
            }
        }
        let Some(closed) = &mut self.closed else { return Poll::Pending };
        ready!(closed.poll(cx));
        self.reading = Reading::Broken;
        Poll::Ready(())
    }

    /// Whether the rest of the message that is being read has come.
    fn has_rest(&self) -> bool {
        match &self.reading {
            Reading::Head => true,
            Reading::Length(left) => *left <= self.input.len() as u64,
            Reading::Chunked(decoder) => decoder.clone().ends_within(self.input.rest()),
            Reading::UntilClose | Reading::Closed | Reading::Broken => false,
        }
    }
}
