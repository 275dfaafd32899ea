//! The frames of HTTP/2 (RFC 9113 section 4), byte by byte: for those who say what no library would let them say.

use std::io::{self, ErrorKind};

use crate::support::{certificates, origin::Origin, visit::Visit};

/// Kinds of frames.
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// Flags of frames.
pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What is known of one frame.
#[derive(Debug)]
pub(crate) struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// One connection whose preface has been read.
pub(crate) struct Frames<'a>(&'a mut Visit);

/// An origin server that runs `script` on each connection, once the client has begun with HTTP/2.
pub(crate) fn origin(script: impl Fn(&mut Frames<'_>) -> io::Result<()> + Send + Sync + 'static) -> Origin {
    Origin::tls(certificates::speaking(&["h2"]), move |visit| script(&mut Frames::begin(visit)?))
}

impl<'a> Frames<'a> {
    /// Reads the client's preface.
    pub(crate) fn begin(visit: &'a mut Visit) -> io::Result<Self> {
        while visit.unread.len() < PREFACE.len() {
            visit.more()?;
        }
        assert_eq!(visit.unread.drain(..PREFACE.len()).as_slice(), PREFACE);
        Ok(Self(visit))
    }

    /// Begins as a server does: with its settings.
    pub(crate) fn greet(&mut self) -> io::Result<()> {
        self.write(&frame(SETTINGS, 0, 0, &[]))
    }

    /// The next frame; an error at the end.
    pub(crate) fn next(&mut self) -> io::Result<Frame> {
        let unread = |visit: &mut Visit, length: usize| {
            while visit.unread.len() < length {
                visit.more()?;
            }
            Ok::<_, io::Error>(())
        };
        unread(self.0, 9)?;
        let head: Vec<u8> = self.0.unread.drain(..9).collect();
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        unread(self.0, length)?;
        let payload = self.0.unread.drain(..length).collect();
        Ok(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// Reads on to the next frame of this kind, and confirms settings meanwhile.
    pub(crate) fn until(&mut self, kind: u8) -> io::Result<Frame> {
        loop {
            let next = self.next()?;
            if next.kind == SETTINGS && next.flags & ACK == 0 {
                self.write(&frame(SETTINGS, ACK, 0, &[]))?;
            }
            if next.kind == kind {
                return Ok(next);
            }
        }
    }

    /// Reads on to the next request, and gives the number of its stream; `None` when the client has ended.
    pub(crate) fn request(&mut self) -> io::Result<Option<u32>> {
        match self.until(HEADERS) {
            Ok(head) => Ok(Some(head.stream)),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Answers every request that still comes, as one should.
    pub(crate) fn answer_each(&mut self) -> io::Result<()> {
        while let Some(stream) = self.request()? {
            self.write(&ok(stream))?;
        }
        Ok(())
    }

    /// Sends bytes as they are.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write(bytes)
    }

    /// Reads until the other side ends or breaks off.
    pub(crate) fn drain(&mut self) {
        self.0.drain();
    }
}

/// One frame as bytes.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A head without an end of its stream.
pub(crate) fn head(stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &block(fields))
}

/// A head that is all.
pub(crate) fn bare(stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(fields))
}

/// The last data of a stream.
pub(crate) fn last(stream: u32, data: &[u8]) -> Vec<u8> {
    frame(DATA, END_STREAM, stream, data)
}

/// A whole answer: 200 and `ok`.
pub(crate) fn ok(stream: u32) -> Vec<u8> {
    [head(stream, &[(":status", "200")]), last(stream, b"ok")].concat()
}

/// A reset of one stream.
pub(crate) fn reset(stream: u32, reason: h2::Reason) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &u32::from(reason).to_be_bytes())
}

/// An end of the connection, of whose streams those up to `last` are served.
pub(crate) fn go_away(last: u32, reason: h2::Reason) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), u32::from(reason).to_be_bytes()].concat())
}

/// A field section in which nothing is compressed (RFC 7541 section 6.2.2).
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            length(&mut block, text.len());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// An integer with a prefix of seven bits (RFC 7541 section 5.1).
fn length(block: &mut Vec<u8>, length: usize) {
    if length < 127 {
        return block.push(u8::try_from(length).unwrap());
    }
    block.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    block.push(u8::try_from(rest).unwrap());
}
