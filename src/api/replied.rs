//! What an origin server answered, as JSON; as much of it as fits.

use std::{collections::BTreeMap, future::poll_fn, pin::Pin};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http_body::Body as _;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    api::{body::SMALL, budget::Held},
    base::{body::BodyError, fields::Fields},
    exchange::{Recorded, Refusal, Reply},
};

/// Most bytes of an answer's body. What is longer streams through the proxy.
const MOST: usize = 10 << 20;

/// What the origin server answered.
#[derive(Serialize, ToSchema)]
pub(crate) struct Replied {
    /// Its status.
    #[schema(example = 200)]
    status: u16,
    /// In lower case; several headers of one name are joined with commas.
    headers: BTreeMap<String, String>,
    /// As text, or as `encoding` says.
    body: String,
    /// `base64`, where the body is no UTF-8 text.
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
    /// Whether the body goes on where it ends here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    truncated: bool,
    #[serde(skip)]
    #[schema(ignore)]
    _held: Held,
}

/// The same as it came.
pub(crate) struct Collected {
    status: u16,
    headers: BTreeMap<String, String>,
    bytes: Vec<u8>,
    truncated: bool,
    held: Held,
}

impl Collected {
    /// Reads an answer to its end, or to the bound; then the exchange is over.
    ///
    /// # Errors
    /// It ended before its end, or the right to it was taken away; there is no room for it.
    pub(crate) async fn of(reply: Reply, mut held: Held) -> Result<Self, Refusal> {
        let (status, headers) = (reply.head.status, headers(&reply.head.fields));
        let (bytes, truncated) = read(reply.body, &mut held).await?;
        Ok(Self { status, headers, bytes, truncated, held })
    }

    /// Whether it is written in no time.
    pub(crate) fn is_small(&self) -> bool {
        self.bytes.len() <= SMALL
    }
}

impl From<Collected> for Replied {
    fn from(Collected { status, headers, bytes, truncated, held }: Collected) -> Self {
        let (body, encoding) = match String::from_utf8(bytes) {
            Ok(text) => (text, None),
            Err(error) => (STANDARD.encode(error.as_bytes()), Some("base64")),
        };
        Self { status, headers, body, encoding, truncated, _held: held }
    }
}

async fn read(mut body: Recorded, held: &mut Held) -> Result<(Vec<u8>, bool), Refusal> {
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|error| match error {
            BodyError::Revoked => Refusal::Revoked,
            _ => Refusal::BadAnswer,
        })?;
        let Some(data) = frame.data_ref() else { continue };
        let fits = data.len().min(MOST - bytes.len());
        held.add(fits)?;
        bytes.extend_from_slice(&data[..fits]);
        if data.len() > fits {
            return Ok((bytes, true));
        }
    }
    Ok((bytes, false))
}

/// RFC 9110 section 5.3.
fn headers(fields: &Fields) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for field in fields.iter() {
        let name = String::from_utf8_lossy(field.name).to_ascii_lowercase();
        let value = String::from_utf8_lossy(field.value);
        all.entry(name)
            .and_modify(|it: &mut String| {
                it.push_str(", ");
                it.push_str(&value);
            })
            .or_insert_with(|| value.to_string());
    }
    all
}
