//! Heads as they come.

use std::{
    io,
    task::{Context, Poll, ready},
};

use thiserror::Error;

use crate::http1::{
    Refused,
    connection::{Connection, Reading},
    scan::Scan,
};

/// Why there is no head.
#[derive(Debug, Error)]
pub enum HeadError {
    /// The bytes are no valid head.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The connection ended or failed in the middle.
    #[error("the peer closed the connection")]
    Gone(#[source] Option<io::Error>),
}

impl Connection {
    /// The raw bytes of the next head, blank line included; `None` when the peer ended the connection instead.
    pub fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Vec<u8>>, HeadError>> {
        if !matches!(self.reading, Reading::Head) {
            return Poll::Ready(Ok(None));
        }
        loop {
            match self.scan_head() {
                Ok(None) => {}
                Ok(Some(end)) => {
                    self.empty_line = true;
                    self.scan = Scan::within(self.longest_head);
                    return Poll::Ready(Ok(Some(self.input.take(end))));
                }
                Err(refused) => {
                    self.reading = Reading::Broken;
                    return Poll::Ready(Err(refused.into()));
                }
            }
            match ready!(self.poll_fill(cx)) {
                Ok(0) if self.input.is_empty() => {
                    self.reading = Reading::Closed;
                    return Poll::Ready(Ok(None));
                }
                Ok(0) => return Poll::Ready(Err(self.gone(None))),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(self.gone(Some(error)))),
            }
        }
    }

    /// Looks for the end of a head, behind an empty line where there may be one.
    fn scan_head(&mut self) -> Result<Option<usize>, Refused> {
        if self.empty_line {
            match self.input.rest() {
                [] | [b'\r'] => return Ok(None),
                [b'\r', b'\n', ..] => self.input.skip(2),
                _ => {}
            }
            self.empty_line = false;
        }
        self.scan.advance(self.input.rest())
    }

    fn gone(&mut self, error: Option<io::Error>) -> HeadError {
        self.reading = Reading::Broken;
        HeadError::Gone(error)
    }
}
