//! API keys. A key is in the answer that creates it, and in no other.

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    api::{
        Api,
        answer::{self, Success, time},
        asked::{self, Named},
        body::Text,
        failure::{Failure, Problem},
    },
    base::id::Id,
    exchange::{Refusal, Visitor, budget::SMALL},
    identity::ApiKey,
    manage::keys,
};

/// All keys.
#[derive(Serialize, ToSchema)]
struct Keys {
    keys: Vec<Shown>,
}

/// What is kept of a key.
#[derive(Serialize, ToSchema)]
#[schema(as = Key)]
struct Shown {
    #[schema(value_type = String, format = "uuid")]
    id: Id,
    name: String,
    /// Its visible beginning.
    #[schema(example = "vk_a1b2c3d4")]
    key_prefix: String,
    /// The role may be gone; then the key is good for nothing.
    #[schema(value_type = String, format = "uuid")]
    role_id: Id,
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// May be a minute behind.
    #[schema(format = DateTime)]
    last_used_at: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
}

/// A key to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewKey {
    /// For people.
    #[schema(example = "ci", pattern = "^[!-~]([ -~]{0,62}[!-~])?$")]
    name: String,
    /// Id or name of its role.
    #[schema(example = "executor")]
    role_id: String,
    /// When it ends; without, never.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// The key itself. It is not stored, and not shown again.
#[derive(Serialize, ToSchema)]
struct CreatedKey<'a> {
    #[schema(value_type = String, format = "uuid")]
    id: Id,
    /// `vk_` and 32 letters and digits.
    key: &'a str,
    name: String,
}

/// List keys. Needs the permission `admin`.
#[utoipa::path(
    get,
    path = "/v1/keys",
    operation_id = "listKeys",
    responses((status = 200, description = "All keys, the oldest first", body = Keys)),
)]
pub(crate) async fn list(State(api): State<Api>, visitor: Visitor) -> Result<Response, Failure> {
    let list = move |records: &_| {
        let keys = keys::list(&visitor.principal, records)?.into_iter().map(|it| Shown::from(it.key)).collect();
        Ok(answer::json(StatusCode::OK, &Keys { keys }))
    };
    api.read(list).await
}

/// Create a key. Needs the permission `admin`; a key creates none that can do more than itself, or lives longer.
#[utoipa::path(
    post,
    path = "/v1/keys",
    operation_id = "createKey",
    request_body = NewKey,
    responses(
        (status = 201, description = "It is stored, and shown this once", body = CreatedKey<'_>),
        (status = 404, description = "No such role", body = Problem),
        (status = 413, description = "The body is too long", body = Problem),
    ),
)]
pub(crate) async fn create(State(api): State<Api>, visitor: Visitor, request: Request) -> Result<Response, Failure> {
    let asked: NewKey = Text::read(&api, request, SMALL).await?.json()?;
    let expires_at = asked::time("expires_at", asked.expires_at.as_deref())?;
    let new = keys::New { name: asked.name, role: asked.role_id, expires_at };
    let (key, secret) = api.change(visitor, move |desk, caller| keys::create(desk, caller, &new)).await?;
    let shown = std::str::from_utf8(secret.expose()).or(Err(Refusal::Internal))?;
    Ok(answer::json(StatusCode::CREATED, &CreatedKey { id: key.id, key: shown, name: key.name }))
}

/// Revoke a key. Needs the permission `admin`; it is good for nothing at once, also in what is going on.
#[utoipa::path(
    delete,
    path = "/v1/keys/{key}",
    operation_id = "revokeKey",
    params(("key" = String, Path, description = "Its id, or enough of its beginning to tell it from others")),
    responses(
        (status = 200, description = "It is gone", body = Success),
        (status = 404, description = "No such key", body = Problem),
    ),
)]
pub(crate) async fn revoke(State(api): State<Api>, visitor: Visitor, Named(key): Named) -> Result<Response, Failure> {
    api.change(visitor, move |desk, caller| keys::revoke(desk, caller, &key)).await?;
    Ok(Success::answer())
}

impl From<&ApiKey> for Shown {
    fn from(it: &ApiKey) -> Self {
        Self {
            id: it.id,
            name: it.name.clone(),
            key_prefix: it.prefix.clone(),
            role_id: it.role_id,
            expires_at: it.expires_at.map(time),
            last_used_at: it.last_used_at.map(time),
            created_at: time(it.created_at),
        }
    }
}
