//! A body of a request to our own paths, read before anything is made of it.

use std::{future::poll_fn, pin::Pin, time::Duration};

use bytes::Bytes;
use thiserror::Error;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::exchange::{Refusal, budget::Held};

/// Longest time from a head to the end of its body: whoever asked is known for that long, and no longer.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Most bytes of a buffer that is there from the start.
const AT_ONCE: usize = 64 << 10;

/// Why a body is not read.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Unread {
    /// It goes on after so many bytes.
    #[error("the body exceeds {0} bytes")]
    Longer(usize),
    /// It did not come whole within this time.
    #[error("the body did not come whole within {} s", .0.as_secs())]
    Late(Duration),
    /// It ended before its end, or there is no room for it.
    #[error("{}", .0.message())]
    Refused(Refusal),
}

/// Reads to the end. It may hold a secret, so it is wiped, and never grown where it is small: a copy would stay behind.
///
/// # Errors
/// See [`Unread`].
pub async fn read(
    body: impl http_body::Body<Data = Bytes>,
    most: usize,
    held: &mut Held,
    deadline: Duration,
) -> Result<Zeroizing<Vec<u8>>, Unread> {
    if body.size_hint().lower() > most as u64 {
        return Err(Unread::Longer(most));
    }
    let mut body = std::pin::pin!(body);
    let whole = async {
        let mut bytes = Zeroizing::new(Vec::with_capacity(most.min(AT_ONCE)));
        while let Some(frame) = poll_fn(|cx| Pin::as_mut(&mut body).poll_frame(cx)).await {
            let frame = frame.or(Err(Unread::Refused(Refusal::ClientGone)))?;
            let Some(data) = frame.data_ref() else { continue };
            if data.len() > most - bytes.len() {
                return Err(Unread::Longer(most));
            }
            held.add(data.len()).map_err(Unread::Refused)?;
            bytes.extend_from_slice(data);
        }
        Ok(bytes)
    };
    timeout(deadline, whole).await.unwrap_or(Err(Unread::Late(deadline)))
}
