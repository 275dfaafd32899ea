//! Roles: what keys may do, and with which credentials.

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{
    ToSchema,
    openapi::{Array, ArrayBuilder, ObjectBuilder, Type},
};

use crate::{
    api::{
        Api,
        answer::{self, Success, time},
        asked::Named,
        body::Text,
        failure::{Failure, Problem},
        json,
    },
    base::{glob::Glob, id::Id},
    exchange::{Visitor, budget::SMALL},
    identity::{Permission, Permissions, Role},
    manage::{Description, roles},
};

/// All roles.
#[derive(Serialize, ToSchema)]
struct Roles {
    roles: Vec<Shown>,
}

/// A role.
#[derive(Serialize, ToSchema)]
#[schema(as = Role)]
struct Shown {
    #[schema(value_type = String, format = "uuid")]
    id: Id,
    #[schema(example = "executor")]
    name: String,
    description: Option<String>,
    /// Of read, write, update, delete, execute and admin.
    #[schema(value_type = Vec<String>, example = json!(["read", "execute"]))]
    permissions: Permissions,
    /// Patterns of aliases; none is all.
    #[schema(value_type = Vec<String>, example = json!(["github-*"]))]
    credential_scopes: Vec<Glob>,
    #[schema(format = DateTime)]
    created_at: String,
}

/// A role to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRole {
    /// As an alias of a credential.
    #[schema(example = "executor", pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    name: String,
    #[schema(max_length = 1000)]
    description: Option<String>,
    /// At least one.
    #[schema(schema_with = permissions_schema)]
    permissions: Vec<String>,
    /// Patterns of aliases; none is all.
    #[serde(default)]
    #[schema(required = false, example = json!(["github-*"]))]
    credential_scopes: Vec<String>,
}

/// What shall be different. What is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangedRole {
    /// `null` takes it away.
    #[serde(default, deserialize_with = "json::description")]
    #[schema(value_type = Option<String>, max_length = 1000)]
    description: Description,
    /// Take the place of all that it had.
    #[serde(default, deserialize_with = "json::present")]
    #[schema(schema_with = permissions_schema, required = false)]
    permissions: Option<Vec<String>>,
    /// Take the place of all that it had; none is all.
    #[serde(default, deserialize_with = "json::present")]
    #[schema(value_type = Vec<String>, required = false, example = json!(["github-*"]))]
    credential_scopes: Option<Vec<String>>,
}

/// What became of it.
#[derive(Serialize, ToSchema)]
struct CreatedRole {
    #[schema(value_type = String, format = "uuid")]
    id: Id,
    name: String,
}

/// List roles. Needs the permission `admin`.
#[utoipa::path(
    get,
    path = "/v1/roles",
    operation_id = "listRoles",
    responses((status = 200, description = "All roles, by name", body = Roles)),
)]
pub(crate) async fn list(State(api): State<Api>, visitor: Visitor) -> Result<Response, Failure> {
    let list = move |records: &_| {
        let roles = roles::list(&visitor.principal, records)?.into_iter().map(Shown::from).collect();
        Ok(answer::json(StatusCode::OK, &Roles { roles }))
    };
    api.read(list).await
}

/// Get one role. Needs the permission `admin`.
#[utoipa::path(
    get,
    path = "/v1/roles/{role}",
    operation_id = "getRole",
    params(("role" = String, Path, description = "Its name or id")),
    responses(
        (status = 200, description = "The role", body = Shown),
        (status = 404, description = "No such role", body = Problem),
    ),
)]
pub(crate) async fn get(State(api): State<Api>, visitor: Visitor, Named(role): Named) -> Result<Response, Failure> {
    let get = move |records: &_| roles::get(&visitor.principal, records, &role).map(Shown::from);
    Ok(answer::json(StatusCode::OK, &api.read(get).await?))
}

/// Create a role. Needs the permission `admin`; a key creates none that can do more than its own.
#[utoipa::path(
    post,
    path = "/v1/roles",
    operation_id = "createRole",
    request_body = NewRole,
    responses(
        (status = 201, description = "It is stored", body = CreatedRole),
        (status = 409, description = "The name is taken, perhaps in another case", body = Problem),
        (status = 413, description = "The body is too long", body = Problem),
    ),
)]
pub(crate) async fn create(State(api): State<Api>, visitor: Visitor, request: Request) -> Result<Response, Failure> {
    let asked: NewRole = Text::read(&api, request, SMALL).await?.json()?;
    let new = roles::New {
        name: asked.name,
        description: asked.description,
        permissions: permissions(&asked.permissions)?,
        scopes: scopes(&asked.credential_scopes)?,
    };
    let Role { id, name, .. } = api.change(visitor, move |desk, caller| roles::create(desk, caller, new)).await?;
    Ok(answer::json(StatusCode::CREATED, &CreatedRole { id, name }))
}

/// Change a role. Needs the permission `admin`; its keys have the new rights from their next request on.
#[utoipa::path(
    patch,
    path = "/v1/roles/{role}",
    operation_id = "changeRole",
    params(("role" = String, Path, description = "Its name or id")),
    request_body = ChangedRole,
    responses(
        (status = 200, description = "The role as it is now", body = Shown),
        (status = 404, description = "No such role", body = Problem),
        (status = 413, description = "The body is too long", body = Problem),
    ),
)]
pub(crate) async fn change(
    State(api): State<Api>,
    visitor: Visitor,
    Named(role): Named,
    request: Request,
) -> Result<Response, Failure> {
    let asked: ChangedRole = Text::read(&api, request, SMALL).await?.json()?;
    let update = roles::Update {
        description: asked.description,
        permissions: asked.permissions.as_deref().map(permissions).transpose()?,
        scopes: asked.credential_scopes.as_deref().map(scopes).transpose()?,
    };
    let changed = api.change(visitor, move |desk, caller| roles::update(desk, caller, &role, &update));
    Ok(answer::json(StatusCode::OK, &Shown::from(&changed.await?)))
}

/// Delete a role. Needs the permission `admin`. Its keys stay in the list, and are good for nothing.
#[utoipa::path(
    delete,
    path = "/v1/roles/{role}",
    operation_id = "deleteRole",
    params(("role" = String, Path, description = "Its name or id")),
    responses(
        (status = 200, description = "It is gone", body = Success),
        (status = 404, description = "No such role", body = Problem),
    ),
)]
pub(crate) async fn delete(State(api): State<Api>, visitor: Visitor, Named(role): Named) -> Result<Response, Failure> {
    api.change(visitor, move |desk, caller| roles::delete(desk, caller, &role)).await?;
    Ok(Success::answer())
}

impl From<&Role> for Shown {
    fn from(it: &Role) -> Self {
        Self {
            id: it.id,
            name: it.name.clone(),
            description: it.description.clone(),
            permissions: it.permissions,
            credential_scopes: it.credential_scopes.clone(),
            created_at: time(it.created_at),
        }
    }
}

/// For the description.
fn permissions_schema() -> Array {
    let names = Permission::ALL.map(Permission::as_str);
    let permission = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
    ArrayBuilder::new().items(permission).min_items(Some(1)).build()
}

fn permissions(names: &[String]) -> Result<Permissions, Failure> {
    let bad = |_| Failure::invalid("`permissions` must be of read, write, update, delete, execute and admin");
    names.iter().map(|it| it.parse::<Permission>().map_err(bad)).collect()
}

fn scopes(patterns: &[String]) -> Result<Vec<Glob>, Failure> {
    let bad =
        |_| Failure::invalid("`credential_scopes` must be patterns of aliases such as `github-*` or `{a,b}-test`");
    patterns.iter().map(|it| it.parse().map_err(bad)).collect()
}
