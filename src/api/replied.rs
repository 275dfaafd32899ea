//! What an origin server answered, as JSON; as much of it as fits.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::exchange::{
    budget::Held,
    collected::{Collected, Part, Text},
    header_list::HeaderList,
};

/// What is read of an answer's body. What is longer streams through the proxy.
pub(crate) const MOST: Part = Part { offset: 0, length: 10 << 20 };

/// What the origin server answered.
#[derive(Serialize, ToSchema)]
pub(crate) struct Replied {
    /// Its status.
    #[schema(example = 200)]
    status: u16,
    /// In lower case; several headers of one name are joined with commas, those of `set-cookie` with line feeds.
    headers: BTreeMap<String, String>,
    /// All headers as they came, name and value, where a name is repeated.
    #[serde(skip_serializing_if = "Option::is_none")]
    header_list: Option<Vec<(String, String)>>,
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

impl From<Collected> for Replied {
    fn from(Collected { status, headers, bytes, truncated, held }: Collected) -> Self {
        let Text { text, is_base64, .. } = Text::of(bytes, truncated);
        let HeaderList { by_name: headers, each: header_list } = headers;
        Self {
            status,
            headers,
            header_list,
            body: text,
            encoding: is_base64.then_some("base64"),
            truncated,
            _held: held,
        }
    }
}
