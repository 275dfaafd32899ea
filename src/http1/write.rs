//! Heads to bytes. What was parsed is written again; nothing is copied through.

use std::io::Write as _;

use http::Method;

use crate::base::{
    fields::Fields,
    head::{AnswerHead, Framing},
};

/// Room that a small body finds behind a head, so that both leave in one write.
pub const ROOM_FOR_BODY: usize = 4_096;

/// How a request head ends: with what is for this connection alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ending {
    /// Whether this is the last request.
    pub last: bool,
    /// Whether trailers are taken (`TE: trailers`).
    pub trailers: bool,
}

/// A request head. `fields` hold neither `Host` nor framing; both are written here.
pub fn request<const N: usize>(
    method: &Method,
    target: &str,
    host: &str,
    fields: [&Fields; N],
    framing: Framing,
    ending: Ending,
) -> Vec<u8> {
    let fields_len: usize = fields.iter().map(|it| it.written_len()).sum();
    let room = method.as_str().len() + target.len() + host.len() + fields_len + 128;
    let mut out = Vec::with_capacity(room + ROOM_FOR_BODY);
    for part in [method.as_str(), " ", target, " HTTP/1.1\r\nHost: ", host, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    for some in fields {
        some.write(&mut out);
    }
    write_framing(&mut out, framing);
    let ending: &[u8] = match (ending.last, ending.trailers) {
        (false, false) => b"\r\n",
        (true, false) => b"Connection: close\r\n\r\n",
        (false, true) => b"TE: trailers\r\nConnection: TE\r\n\r\n",
        (true, true) => b"TE: trailers\r\nConnection: close, TE\r\n\r\n",
    };
    out.extend_from_slice(ending);
    out
}

/// An answer head, with `Connection: close` where this is the last answer.
pub fn answer(head: &AnswerHead, framing: Framing, last: bool) -> Vec<u8> {
    let room = head.reason.len() + head.fields.written_len() + 128;
    let mut out = Vec::with_capacity(room + ROOM_FOR_BODY);
    out.extend_from_slice(b"HTTP/1.1 ");
    write_number(&mut out, u64::from(head.status));
    out.push(b' ');
    out.extend_from_slice(&head.reason);
    out.extend_from_slice(b"\r\n");
    head.fields.write(&mut out);
    write_framing(&mut out, framing);
    out.extend_from_slice(if last { b"Connection: close\r\n\r\n" } else { b"\r\n" });
    out
}

/// An interim answer (RFC 9110 section 15.2).
pub fn interim(head: &AnswerHead) -> Vec<u8> {
    answer(head, Framing::None, false)
}

fn write_framing(out: &mut Vec<u8>, framing: Framing) {
    match framing {
        Framing::None | Framing::UntilClose => {}
        Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        Framing::Length(length) => {
            out.extend_from_slice(b"Content-Length: ");
            write_number(out, length);
            out.extend_from_slice(b"\r\n");
        }
    }
}

fn write_number(out: &mut Vec<u8>, number: u64) {
    // A Vec takes all that is written to it.
    drop(write!(out, "{number}"));
}
