//! Where a body ends (RFC 9112 section 6.3), refused where two readers could disagree.

use http::Method;

use crate::{
    base::{
        fields::{Fields, Known},
        head::{AnswerHead, Framing, RequestHead, Version},
    },
    http1::Refused,
};

/// The framing of a request.
///
/// # Errors
/// `Content-Length` with `Transfer-Encoding`, either of them twice, a length that is not plain digits, a coding other
/// than `chunked`, a coding in HTTP/1.0.
pub fn of_request(head: &RequestHead) -> Result<Framing, Refused> {
    Ok(declared(&head.fields, head.version)?.unwrap_or(Framing::None))
}

/// The framing of an answer to a request with this method.
///
/// # Errors
/// As [`of_request`].
pub fn of_answer(head: &AnswerHead, method: &Method) -> Result<Framing, Refused> {
    let declared = declared(&head.fields, head.version)?;
    let bodiless = matches!(head.status, 100..=199 | 204 | 304) || method == Method::HEAD;
    Ok(if bodiless { Framing::None } else { declared.unwrap_or(Framing::UntilClose) })
}

fn declared(fields: &Fields, version: Version) -> Result<Option<Framing>, Refused> {
    let mut codings = fields.all(Known::TransferEncoding);
    let mut lengths = fields.all(Known::ContentLength);
    match (codings.next(), lengths.next()) {
        (None, None) => Ok(None),
        (None, Some(length)) if lengths.next().is_none() => Ok(Some(Framing::Length(parse_length(length)?))),
        (None, Some(_)) => Err(Refused::Malformed("Content-Length stands twice")),
        (Some(_), Some(_)) => Err(Refused::Malformed("Content-Length and Transfer-Encoding stand together")),
        (Some(_), None) if version == Version::Http10 => Err(Refused::Malformed("Transfer-Encoding in HTTP/1.0")),
        (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") && codings.next().is_none() => {
            Ok(Some(Framing::Chunked))
        }
        (Some(_), None) => Err(Refused::Malformed("the transfer coding is not exactly one chunked")),
    }
}

/// Plain digits, at most 2^63 - 1.
fn parse_length(text: &[u8]) -> Result<u64, Refused> {
    let plain = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text)
        .ok()
        .filter(|_| plain)
        .and_then(|it| it.parse().ok())
        .filter(|it| i64::try_from(*it).is_ok())
        .ok_or(Refused::Malformed("Content-Length is not a plain number"))
}

#[cfg(test)]
mod tests {
    use crate::{
        base::head::Framing,
        http1::{framing, head},
    };

    fn framing(fields: &str) -> Result<Framing, ()> {
        let head = head::request(format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n").into_bytes()).unwrap();
        framing::of_request(&head).map_err(drop)
    }

    #[test]
    fn ambiguous_framing_is_refused() {
        for fields in [
            "Content-Length: 3\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: identity, chunked",
            "Transfer-Encoding: chunked, identity",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding:",
            "Content-Length: 3\r\nContent-Length: 3",
            "Content-Length: 3\r\nContent-Length: 4",
            "Content-Length: +3",
            "Content-Length: -1",
            "Content-Length: 0x3",
            "Content-Length: 3_0",
            "Content-Length:",
            "Content-Length: 3, 3",
            "Content-Length: 18446744073709551616",
            "Content-Length: 9223372036854775808",
        ] {
            assert!(framing(fields).is_err(), "{fields}");
        }
    }

    #[test]
    fn plain_framing_is_read() {
        assert_eq!(framing("X: y"), Ok(Framing::None));
        assert_eq!(framing("Content-Length: 007"), Ok(Framing::Length(7)));
        assert_eq!(framing("transfer-encoding: ChUnKeD"), Ok(Framing::Chunked));
    }
}
