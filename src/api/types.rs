//! Which kinds of credentials there are, and what fields they have.

use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{api::answer, credential::Kind, exchange::Visitor};

/// All kinds.
#[derive(Serialize, ToSchema)]
struct Types {
    types: Vec<Type>,
}

/// A kind of credential.
#[derive(Serialize, ToSchema)]
struct Type {
    /// As `type` has it.
    #[schema(value_type = String, example = "api_key")]
    r#type: Kind,
    /// What `data` holds.
    fields: Vec<Field>,
}

/// A field of `data`.
#[derive(Serialize, ToSchema)]
struct Field {
    #[schema(example = "key")]
    name: &'static str,
    required: bool,
    /// Whether it is shown to nobody.
    secret: bool,
}

/// List the types of credentials and their fields. Any valid key may.
#[utoipa::path(
    get,
    path = "/v1/types",
    operation_id = "listTypes",
    responses((status = 200, description = "All types", body = Types)),
)]
pub(crate) async fn list(_: Visitor) -> Response {
    let types = Kind::ALL.into_iter().map(|kind| Type { r#type: kind, fields: fields(kind) }).collect();
    answer::json(StatusCode::OK, &Types { types })
}

/// The same as `/v1/types`.
#[utoipa::path(
    get,
    path = "/v1/credentials/types",
    operation_id = "listCredentialTypes",
    responses((status = 200, description = "All types", body = Types)),
)]
pub(crate) async fn list_of_credentials(visitor: Visitor) -> Response {
    list(visitor).await
}

fn fields(kind: Kind) -> Vec<Field> {
    let names: &[&'static str] = match kind {
        Kind::ApiKey => &["key"],
        Kind::BasicAuth => &["username", "password"],
    };
    names.iter().map(|name| Field { name, required: true, secret: true }).collect()
}
