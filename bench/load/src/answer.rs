//! The answers that the origin gives and the clients expect, so that comparing it is cheaper than parsing it.

/// A JSON object of 1 KiB.
pub(crate) static BODY: [u8; 1024] = padded(b"{\"padding\":\"", b"\"}\n");

/// The whole answer to a request that carried the right credential.
pub(crate) fn good() -> Vec<u8> {
    let mut answer =
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1024\r\nCache-Control: no-store\r\n\r\n"
            .to_vec();
    answer.extend_from_slice(&BODY);
    answer
}

/// The head of the answer to a download of so many bytes.
pub(crate) fn bulk(length: u64) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {length}\r\nCache-Control: no-store\r\n\r\n"
    )
    .into_bytes()
}

/// The whole answer to any other request.
pub(crate) fn unauthorized() -> Vec<u8> {
    b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n".to_vec()
}

const fn padded<const N: usize>(start: &[u8], end: &[u8]) -> [u8; N] {
    let mut body = [b'x'; N];
    let mut at = 0;
    while at < start.len() {
        body[at] = start[at];
        at += 1;
    }
    at = 0;
    while at < end.len() {
        body[N - end.len() + at] = end[at];
        at += 1;
    }
    body
}

#[cfg(test)]
mod tests {
    use crate::answer::{BODY, good};

    #[test]
    fn the_body_is_json_and_as_long_as_announced() {
        serde_json::from_slice::<serde_json::Value>(&BODY).unwrap();
        let head = good().len() - BODY.len();
        assert!(good()[..head].ends_with(b"\r\n\r\n"));
        assert!(String::from_utf8_lossy(&good()[..head]).contains(&format!("Content-Length: {}\r\n", BODY.len())));
    }
}
