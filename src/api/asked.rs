//! What stands in the path and in the query of a request.

use axum::extract::{FromRequestParts, Path, Query};
use http::request::Parts;
use jiff::Timestamp;
use serde::de::DeserializeOwned;

use crate::api::{Api, failure::Failure};

/// The last segment of the path, decoded: the name of something.
pub(crate) struct Named(pub(crate) String);

impl FromRequestParts<Api> for Named {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Failure> {
        let path = Path::from_request_parts(parts, api).await;
        path.map(|Path(name)| Self(name)).or(Err(Failure::invalid("the name in the path is not UTF-8")))
    }
}

/// The parameters of the query: each known, and none twice.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<Api> for Asked<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Failure> {
        let query = Query::try_from_uri(&parts.uri);
        query
            .map(|Query(it)| Self(it))
            .or(Err(Failure::invalid("the query holds a parameter that is unknown, repeated or malformed")))
    }
}

/// A time as RFC 3339 has it.
///
/// # Errors
/// The text, named `name`, is none.
pub(crate) fn time(name: &str, text: Option<&str>) -> Result<Option<Timestamp>, Failure> {
    let bad = |_| Failure::invalid(format!("`{name}` must be a time such as 2026-12-31T23:59:59Z"));
    text.map(|it| it.parse().map_err(bad)).transpose()
}
