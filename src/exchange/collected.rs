//! What an origin server answered, read into memory: as much of it as is wanted.

use std::{future::poll_fn, pin::Pin, string::FromUtf8Error};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http_body::Body as _;

use crate::{
    audit::Outcome,
    base::{body::BodyError, head::Framing, task::heavy},
    exchange::{Recorded, Refusal, Reply, budget::Held, gunzip, header_list::HeaderList},
};

/// An answer whose exchange is over.
#[derive(Debug)]
pub struct Collected {
    /// Of the answer.
    pub status: u16,
    /// Of the answer.
    pub headers: HeaderList,
    /// Of the body.
    pub bytes: Vec<u8>,
    /// Whether the body goes on behind them.
    pub truncated: bool,
    /// What they take of the memory.
    pub held: Held,
}

/// Which bytes of a body are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// So many before them are left out.
    pub offset: u64,
    /// Most of them.
    pub length: usize,
}

/// What is read of a body in gzip.
const PACKED: Part = Part { offset: 0, length: 10 << 20 };

/// A body in a JSON string.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Text {
    /// What it says, or Base64 (RFC 4648) of it.
    pub text: String,
    /// Whether it is the latter, because it is no UTF-8, or holds NUL, which no text does.
    pub is_base64: bool,
    /// How many bytes it stands for: a character that is cut is left out.
    pub length: usize,
}

impl Collected {
    /// Reads an answer to its end, or to the end of the part; then the exchange is over. Gzip that the request has not asked for
    /// (`encoded`) is undone, and the part is one of what was in it.
    ///
    /// # Errors
    /// It ended before its end, or the right to it was taken away; there is no room for it.
    pub async fn of(reply: Reply, part: Part, encoded: bool, mut held: Held) -> Result<Self, Refusal> {
        let Reply { mut head, framing, body } = reply;
        let is_packed = !encoded && gunzip::is_needed(&head.fields);
        let (mut bytes, mut truncated) = read(body, if is_packed { PACKED } else { part }, &mut held).await?;
        let is_unpacked = is_packed && !bytes.is_empty();
        if is_unpacked {
            let client = held.client().clone();
            let unpacked = heavy(&client, move || gunzip::part_of(&bytes, part, truncated)).await;
            (bytes, truncated) = unpacked.ok_or(Refusal::Internal)?.or(Err(Refusal::BadAnswer))?;
            held.add(bytes.len())?;
            gunzip::forget(&mut head.fields);
        }
        let mut headers = HeaderList::of(&head.fields);
        if let (Framing::Length(length), false) = (framing, is_unpacked) {
            headers.by_name.insert("content-length".to_owned(), length.to_string());
        }
        held.add(headers.bytes())?;
        Ok(Self { status: head.status, headers, bytes, truncated, held })
    }
}

impl Text {
    /// For these bytes; `truncated` says whether more follow.
    pub fn of(bytes: Vec<u8>, truncated: bool) -> Self {
        let length = match std::str::from_utf8(&bytes) {
            Err(error) if truncated && error.error_len().is_none() && error.valid_up_to() > 0 => error.valid_up_to(),
            _ => bytes.len(),
        };
        let mut bytes = bytes;
        bytes.truncate(length);
        let text = String::from_utf8(bytes).map_err(FromUtf8Error::into_bytes);
        match text.and_then(|it| if it.contains('\0') { Err(it.into_bytes()) } else { Ok(it) }) {
            Ok(text) => Self { text, is_base64: false, length },
            Err(bytes) => Self { text: STANDARD.encode(bytes), is_base64: true, length },
        }
    }
}

async fn read(mut body: Recorded, part: Part, held: &mut Held) -> Result<(Vec<u8>, bool), Refusal> {
    let (mut bytes, mut before) = (Vec::new(), part.offset);
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|error| match error {
            BodyError::Revoked => Refusal::Revoked,
            _ => Refusal::BadAnswer,
        })?;
        let Some(data) = frame.data_ref() else { continue };
        let left_out = usize::try_from(before).map_or(data.len(), |it| it.min(data.len()));
        before -= left_out as u64;
        let data = &data[left_out..];
        let fits = data.len().min(part.length - bytes.len());
        held.add(fits)?;
        bytes.extend_from_slice(&data[..fits]);
        if data.len() > fits {
            // It is cut because no more is wanted.
            body.close(Outcome::Ok);
            return Ok((bytes, true));
        }
    }
    Ok((bytes, false))
}

#[cfg(test)]
mod tests {
    use crate::exchange::collected::Text;

    #[test]
    fn a_character_that_is_cut_is_left_for_the_next_part() {
        let of = |bytes: &[u8], truncated| {
            let Text { text, is_base64, length } = Text::of(bytes.to_vec(), truncated);
            (text, is_base64, length)
        };
        assert_eq!(of("né".as_bytes(), false), ("né".to_owned(), false, 3));
        assert_eq!(of(b"n\xc3", true), ("n".to_owned(), false, 1));
        assert_eq!(of(b"n\xc3", false), ("bsM=".to_owned(), true, 2));
        assert_eq!(of(b"\xc3", true), ("ww==".to_owned(), true, 1), "never nothing: the next part would be the same");
        assert_eq!(of(b"n\0", false), ("bgA=".to_owned(), true, 2));
        assert_eq!(of(b"n\xc3n", true), ("bsNu".to_owned(), true, 3));
    }
}
