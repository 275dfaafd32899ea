//! One HTTP/1 connection, seen as a reader of messages: heads, then bodies, one after the other.

mod abandoned;
mod heads;

pub use heads::HeadError;

use std::{
    cell::RefCell,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{BufMut as _, Bytes};
use http_body::Frame;
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite as _, ReadBuf};

use crate::{
    base::{body::BodyError, head::Framing, idle::Idle, splice::Side},
    http1::{
        Wire,
        chunked::{Decoder, Step},
        input::Input,
        scan::{LONGEST_HEAD, Scan},
        wire::Closed,
    },
};

/// Most bytes that are read at once.
const SCRATCH_SIZE: usize = 65_536;
/// Most bytes that are read ahead of what is asked for: of a thousand clients who send more than is taken from them, all
/// of this is kept.
const READ_AHEAD: usize = 16_384;
/// From how many bytes on the rest of a body is long; so much of it is read at once.
const BULK: usize = 32_768;
/// Most bytes that are read only so that the peer can read our last answer.
pub const MOST_FORGOTTEN: usize = 1 << 20;

thread_local! {
    /// Every connection reads into this; only what it could not use at once is copied, so an idle one owns no buffer.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_SIZE].into());
}

type Polled = Poll<Option<Result<Frame<Bytes>, BodyError>>>;

/// A connection to a client or to an origin server. It reads; [`crate::http1::send::Outgoing`] writes to its wire.
#[derive(Debug)]
pub struct Connection {
    pub(crate) wire: Wire,
    /// Ends when neither side has moved for too long.
    pub idle: Idle,
    input: Input,
    scan: Scan,
    /// Most bytes of the fields of a head.
    longest_head: usize,
    messages: Messages,
    /// Whether an empty line may come before the next head (RFC 9112 section 2.2).
    empty_line: bool,
    reading: Reading,
    /// How far the wire had moved when its silence was last looked at.
    moved: u64,
    /// Whether the last look at the body found nothing new.
    waiting: bool,
    /// Bytes read after the last message of interest.
    forgotten: usize,
    /// Whether the peer has ended its side behind a whole message.
    half_closed: bool,
    /// Set once reading says no more of the peer while it is awaited.
    closed: Option<Closed>,
}

/// What the peer sends.
#[derive(Clone, Copy, Debug)]
enum Messages {
    Requests,
    Answers,
}

#[derive(Debug)]
enum Reading {
    /// Between messages, or in a head.
    Head,
    Length(u64),
    Chunked(Box<Decoder>),
    UntilClose,
    /// The peer has ended its side, cleanly.
    Closed,
    /// Nothing more may be read: what follows would be guessed.
    Broken,
}

impl Connection {
    /// Takes a wire over.
    pub fn new(wire: Wire, idle: Duration) -> Self {
        Self {
            wire,
            idle: Idle::new(idle),
            input: Input::default(),
            scan: Scan::default(),
            longest_head: LONGEST_HEAD,
            messages: Messages::Requests,
            empty_line: false,
            reading: Reading::Head,
            moved: 0,
            waiting: false,
            forgotten: 0,
            half_closed: false,
            closed: None,
        }
    }

    /// Whether bytes have come that no message has claimed yet.
    pub fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    /// Bytes of memory for what has come and no message has claimed yet.
    pub fn held(&self) -> usize {
        self.input.held()
    }

    /// Heads that begin from here on have at most this many bytes of fields.
    pub fn limit_heads(&mut self, most: usize) {
        self.longest_head = most;
        self.scan = Scan::within(most);
    }

    /// An answer follows, whose head has at most this many bytes of fields.
    pub fn expect_answer(&mut self, most: usize) {
        (self.messages, self.empty_line) = (Messages::Answers, true);
        self.limit_heads(most);
    }

    /// Whether nothing waits below us either.
    pub fn is_quiet(&self) -> bool {
        self.wire.is_quiet()
    }

    /// Whether a message has ended and the next may begin.
    pub fn is_between_messages(&self) -> bool {
        matches!(self.reading, Reading::Head)
    }

    /// Gives the wire back, for another protocol to go on with, if nothing was read ahead.
    pub fn into_wire(self) -> Option<Wire> {
        self.input.is_empty().then_some(self.wire)
    }

    /// The same for a protocol that is not ours, with what was read ahead of it.
    pub fn into_side(mut self) -> Side {
        let read = self.input.take(usize::MAX);
        Side::new(self.wire, read)
    }

    /// Nothing more is read as a message: what follows would be guessed.
    pub fn distrust(&mut self) {
        self.reading = Reading::Broken;
    }

    /// Says how the body after the head that was read is framed.
    pub fn begin_body(&mut self, framing: Framing) {
        self.reading = match framing {
            Framing::None | Framing::Length(0) => Reading::Head,
            Framing::Length(left) => Reading::Length(left),
            Framing::Chunked => Reading::Chunked(Box::new(match self.messages {
                Messages::Requests => Decoder::default(),
                Messages::Answers => Decoder::of_answer(self.longest_head),
            })),
            Framing::UntilClose => Reading::UntilClose,
        };
    }

    /// The whole body, if it came together with its head.
    pub fn take_whole_body(&mut self) -> Option<Bytes> {
        let Reading::Length(left) = self.reading else { return None };
        let length = usize::try_from(left).ok().filter(|it| *it <= self.input.len())?;
        self.reading = Reading::Head;
        Some(self.input.take_frame(length))
    }

    /// The next frame of the body; `None` when it is complete.
    pub fn poll_body(&mut self, cx: &mut Context<'_>) -> Polled {
        let polled = self.poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Err(_))) => self.reading = Reading::Broken,
            Poll::Ready(_) => self.waiting = false,
            Poll::Pending => {
                // The peer's silence counts from here: before, nobody asked it for more.
                if !std::mem::replace(&mut self.waiting, true) {
                    self.idle.touch();
                }
                ready!(self.poll_stalled(cx));
                self.reading = Reading::Broken;
                return Poll::Ready(Some(Err(BodyError::Stalled)));
            }
        }
        polled
    }

    /// Ready when the peer has ended its side, wherever it is in its message. What it sends meanwhile is kept, as far
    /// as there is room.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if matches!(self.reading, Reading::UntilClose | Reading::Closed | Reading::Broken) {
            return Poll::Pending;
        }
        while self.input.len() < READ_AHEAD {
            match ready!(self.poll_fill_up_to(cx, READ_AHEAD - self.input.len())) {
                Ok(0) | Err(_) => {
                    self.reading = Reading::Broken;
                    return Poll::Ready(());
                }
                Ok(_) => {}
            }
        }
        Poll::Pending
    }

    /// Ends our side cleanly, and reads and forgets what the peer still sends until it ends too, has sent too much, or
    /// is silent for too long.
    pub fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Poll::Ready(Err(_)) = Pin::new(&mut self.wire).poll_shutdown(cx) {
            return Poll::Ready(());
        }
        if self.is_between_messages() || matches!(self.reading, Reading::Closed) {
            return Poll::Ready(());
        }
        self.input = Input::default();
        loop {
            match self.poll_fill(cx) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(bytes)) => {
                    self.forgotten += bytes;
                    self.input = Input::default();
                    if self.forgotten > MOST_FORGOTTEN {
                        return Poll::Ready(());
                    }
                }
                Poll::Pending => return self.idle.poll_over(cx),
            }
        }
    }

    /// Ready when no byte has moved on the wire for too long.
    pub fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let moved = self.wire.moved();
        if std::mem::replace(&mut self.moved, moved) != moved {
            self.idle.touch();
        }
        self.idle.poll_over(cx)
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Polled {
        match &mut self.reading {
            Reading::Head | Reading::Closed => Poll::Ready(None),
            Reading::Broken => Poll::Ready(Some(Err(BodyError::Gone(None)))),
            Reading::Length(left) => {
                let left = *left;
                let data = ready!(self.poll_data(cx, left));
                Poll::Ready(Some(data.and_then(|data| self.count(left, data))))
            }
            Reading::Chunked(_) => self.poll_chunked(cx),
            Reading::UntilClose => match ready!(self.poll_data(cx, u64::MAX)) {
                Ok(data) if data.is_empty() => {
                    self.reading = Reading::Closed;
                    Poll::Ready(None)
                }
                data => Poll::Ready(Some(data.map(Frame::data))),
            },
        }
    }

    fn count(&mut self, left: u64, data: Bytes) -> Result<Frame<Bytes>, BodyError> {
        if data.is_empty() {
            return Err(BodyError::Gone(None));
        }
        let left = left - data.len() as u64;
        self.reading = if left == 0 { Reading::Head } else { Reading::Length(left) };
        Ok(Frame::data(data))
    }

    fn poll_chunked(&mut self, cx: &mut Context<'_>) -> Polled {
        loop {
            let Reading::Chunked(decoder) = &mut self.reading else { return Poll::Ready(None) };
            match decoder.step(self.input.rest()) {
                Err(reason) => return Poll::Ready(Some(Err(BodyError::Malformed(reason)))),
                Ok(Step::Skip(bytes)) => self.input.skip(bytes),
                Ok(Step::End(bytes, trailers)) => {
                    self.input.skip(bytes);
                    self.reading = Reading::Head;
                    return Poll::Ready((!trailers.is_empty()).then(|| Ok(Frame::trailers(trailers))));
                }
                Ok(Step::Data(left)) => {
                    let data = match ready!(self.poll_data(cx, left)) {
                        Ok(data) if data.is_empty() => return Poll::Ready(Some(Err(BodyError::Gone(None)))),
                        Ok(data) => data,
                        Err(error) => return Poll::Ready(Some(Err(error))),
                    };
                    if let Reading::Chunked(decoder) = &mut self.reading {
                        decoder.took(data.len());
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Ok(Step::More) => match ready!(self.poll_fill(cx)) {
                    Ok(0) => return Poll::Ready(Some(Err(BodyError::Gone(None)))),
                    Ok(_) => {}
                    Err(error) => return Poll::Ready(Some(Err(BodyError::Gone(Some(error))))),
                },
            }
        }
    }

    /// Some bytes, at most `most`; none at all is the end of the connection.
    fn poll_data(&mut self, cx: &mut Context<'_>, most: u64) -> Poll<Result<Bytes, BodyError>> {
        if self.input.is_empty() && most >= BULK as u64 {
            return self.poll_bulk(cx, most);
        }
        if self.input.is_empty()
            && let Err(error) = ready!(self.poll_fill(cx))
        {
            return Poll::Ready(Err(BodyError::Gone(Some(error))));
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        Poll::Ready(Ok(self.input.take_frame(most)))
    }

    /// The same for a long body: read where it stays, so that it is not copied.
    fn poll_bulk(&mut self, cx: &mut Context<'_>, most: u64) -> Poll<Result<Bytes, BodyError>> {
        let mut bytes = Vec::with_capacity(BULK);
        let mut room = (&mut bytes).limit(usize::try_from(most).unwrap_or(usize::MAX));
        let read = ready!(pin!(self.wire.read_buf(&mut room)).poll(cx));
        Poll::Ready(match read {
            Ok(_) => Ok(Bytes::from(bytes)),
            Err(error) => Err(BodyError::Gone(Some(error))),
        })
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.poll_fill_up_to(cx, SCRATCH_SIZE)
    }

    fn poll_fill_up_to(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<usize>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut room = ReadBuf::new(&mut scratch[..most]);
            ready!(Pin::new(&mut self.wire).poll_read(cx, &mut room))?;
            self.input.append(room.filled());
            Poll::Ready(Ok(room.filled().len()))
        })
    }
}
