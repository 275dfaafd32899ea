//! The body of a request: bounded, JSON and nothing else, read before anything is made of it.

use std::{future::poll_fn, pin::Pin};

use axum::extract::Request;
use http::{HeaderMap, header, request::Parts};
use http_body::Body as _;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{
    api::{failure::Failure, json},
    exchange::Refusal,
};

/// Most bytes of a request that changes something.
pub(crate) const SMALL: usize = 64 << 10;

/// A whole body. It may hold a secret, so it is wiped.
pub(crate) struct Text(Zeroizing<Vec<u8>>);

impl Text {
    /// Reads to the end.
    ///
    /// # Errors
    /// Another type than JSON, a body that is too long, or one that does not come whole.
    pub(crate) async fn read(request: Request, most: usize) -> Result<Self, Failure> {
        let (Parts { headers, .. }, mut body) = request.into_parts();
        check_type(&headers)?;
        if declared(&headers).is_some_and(|it| it > most as u64) {
            return Err(Failure::TooLarge(most));
        }
        // Never grown where it is small: a copy would stay behind.
        let mut text = Zeroizing::new(Vec::with_capacity(most.min(SMALL)));
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let frame = frame.or(Err(Refusal::ClientGone))?;
            let Some(data) = frame.data_ref() else { continue };
            if data.len() > most - text.len() {
                return Err(Failure::TooLarge(most));
            }
            text.extend_from_slice(data);
        }
        Ok(Self(text))
    }

    /// What it says.
    ///
    /// # Errors
    /// It is no JSON, means two things, or is not what is asked for. The text quotes nothing of it.
    pub(crate) fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Failure> {
        json::read(&self.0)
    }
}

/// A page in a browser cannot send this type to another origin without asking first (CORS).
fn check_type(headers: &HeaderMap) -> Result<(), Failure> {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter().map(|it| it.to_str().unwrap_or_default());
    let essence = |it: &str| it.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json");
    if !(types.next().is_some_and(essence) && types.next().is_none()) {
        return Err(Failure::invalid("the body must be sent with Content-Type: application/json"));
    }
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Failure::invalid("the body must be sent without Content-Encoding"));
    }
    Ok(())
}

fn declared(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
