//! What the clients have asked through us: a service with long answers, bytes that are no text, and one slow answer.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::support::{Origin, wait::until};

/// Requests that are made at once; one of them is answered when all others have been.
pub(super) const CROWD: usize = 50;
/// An answer in three parts of the length that an agent gets unless it asks for another.
pub(super) const LONG: usize = 600_000;
/// No text in any encoding that we know.
pub(super) const BYTES: [u8; 4] = [0xff, 0x00, 0xfe, 0x80];

pub(super) fn open() -> Origin {
    let quick = Arc::new(AtomicUsize::new(0));
    Origin::https_with(move |visit| {
        while let Some(request) = visit.request()? {
            let path = request.target().split('?').next().unwrap_or_default();
            let (kind, body) = match path {
                "/v1/customers" if request.method() == "POST" => ("text/plain", request.body.clone()),
                "/v1/customers" => ("application/json", br#"{"data":[]}"#.to_vec()),
                "/bytes" => ("application/octet-stream", BYTES.to_vec()),
                "/long" => ("text/plain", long()),
                "/worst" => ("text/plain", worst()),
                "/quick" => ("text/plain", b"quick".to_vec()),
                "/slow" => {
                    until("the others have been answered", || {
                        (quick.load(Ordering::SeqCst) == CROWD - 1).then_some(())
                    });
                    ("text/plain", b"slow".to_vec())
                }
                other => panic!("who asks for {other}?"),
            };
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
            visit.write([head.as_bytes(), &body].concat())?;
            if path == "/quick" {
                quick.fetch_add(1, Ordering::SeqCst);
            }
        }
        Ok(())
    })
}

/// Each byte tells its place, so that no part can be taken for another.
pub(super) fn long() -> Vec<u8> {
    (0..LONG / 8).flat_map(|at| format!("{at:7}\n").into_bytes()).collect()
}

/// Six bytes each in JSON, as long as an agent may ask for.
pub(super) fn worst() -> Vec<u8> {
    vec![1; 768 << 10]
}
