//! The request that `http.request` describes.

use std::collections::BTreeMap;

use serde::Deserialize;
use utoipa::ToSchema;

use crate::exchange::outgoing::Described;

/// What to ask of the origin server.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Any method but CONNECT, TRACE and TRACK.
    #[schema(example = "GET")]
    method: String,
    /// `https`; `http` only where the credential's binding permits it.
    #[schema(example = "https://api.github.com/user", pattern = "^[Hh][Tt][Tt][Pp][Ss]?://")]
    url: String,
    /// Names and values. Those that belong to one connection are left out.
    #[serde(default)]
    #[schema(nullable)]
    headers: Option<BTreeMap<String, String>>,
    /// Added to the query of the URL, percent-encoded.
    #[serde(default)]
    #[schema(nullable)]
    query: Option<BTreeMap<String, String>>,
    /// Sent byte for byte.
    #[serde(default)]
    body: Option<String>,
}

impl From<Params> for Described {
    fn from(Params { method, url, headers, query, body }: Params) -> Self {
        Self { method, url, headers: headers.unwrap_or_default(), query: query.unwrap_or_default(), body }
    }
}
