//! Credentials: their facts to be read, their secrets to be set. No answer holds a secret.

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};
use utoipa::ToSchema;

use crate::{
    api::{
        Api,
        answer::{self, Success, time},
        asked::{Asked, Named},
        body::Text,
        failure::{Failure, Problem},
        json,
        material::{self, data_schema, kind_schema},
    },
    base::{host::AuthorityPattern, id::Id},
    credential::{Alias, Credential, Kind, Metadata},
    exchange::{Visitor, budget::SMALL},
    manage::{Description, ManageError, credentials},
};

/// Credentials in the caller's scope.
#[derive(Serialize, ToSchema)]
struct Credentials {
    credentials: Vec<Listed>,
}

/// A credential in a list.
#[derive(Serialize, ToSchema)]
#[schema(as = ListedCredential)]
struct Listed {
    #[schema(value_type = String, format = "uuid")]
    id: Id,
    #[schema(value_type = String, example = "github-api")]
    alias: Alias,
    #[schema(value_type = String, example = "api_key")]
    r#type: Kind,
    description: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

/// A credential.
#[derive(Serialize, ToSchema)]
#[schema(as = Credential)]
struct Shown {
    #[serde(flatten)]
    listed: Listed,
    /// What its owner noted. `header_name` is the header that it is sent in.
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    /// The only hosts that it is used against.
    #[schema(value_type = Vec<String>, example = json!(["api.github.com"]))]
    hosts: Vec<AuthorityPattern>,
    /// Whether the host alone may choose it, where a request names no credential.
    auto: bool,
}

/// Which credentials to list.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// Only those of this type.
    #[param(schema_with = kind_schema)]
    r#type: Option<String>,
}

/// A credential to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewCredential<'a> {
    /// Begins with a letter or digit, goes on with letters, digits, `.`, `_` or `-`; at most 64 characters.
    #[schema(example = "github-api", pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    alias: String,
    /// Which fields `data` has.
    #[schema(schema_with = kind_schema)]
    r#type: String,
    /// The secret, in the fields of its type.
    #[serde(borrow)]
    #[schema(schema_with = data_schema)]
    data: &'a RawValue,
    /// For people.
    #[schema(max_length = 1000)]
    description: Option<String>,
    /// Notes; `header_name` is the header that the key is sent in, `header_prefix` what precedes the key there.
    #[serde(borrow)]
    #[schema(value_type = Option<Object>)]
    metadata: Option<&'a RawValue>,
    /// Where it may be used, as `vultrino add --host` takes them. Without, a token whose service is known binds itself.
    #[schema(example = json!(["api.github.com"]))]
    hosts: Option<Vec<String>>,
    /// Whether the host alone may choose it: true unless this says otherwise, and always false for a key without `admin`.
    auto: Option<bool>,
}

/// What became of it.
#[derive(Serialize, ToSchema)]
struct Added {
    #[schema(value_type = String, format = "uuid")]
    id: Id,
    #[schema(value_type = String, example = "github-api")]
    alias: Alias,
}

/// What shall be different. What is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangedCredential<'a> {
    /// The secret, in the fields of its type; the type stays.
    #[serde(borrow, default, deserialize_with = "json::present")]
    #[schema(schema_with = data_schema, required = false)]
    data: Option<&'a RawValue>,
    /// `null` takes it away.
    #[serde(default, deserialize_with = "json::description")]
    #[schema(value_type = Option<String>, max_length = 1000)]
    description: Description,
    /// Takes the place of all that was noted.
    #[serde(borrow, default, deserialize_with = "json::present")]
    #[schema(value_type = Object, required = false)]
    metadata: Option<&'a RawValue>,
    /// Take the place of all hosts that it was bound to.
    #[serde(default, deserialize_with = "json::present")]
    #[schema(value_type = Vec<String>, required = false)]
    hosts: Option<Vec<String>>,
    /// Whether the host alone may choose it.
    #[serde(default, deserialize_with = "json::present")]
    #[schema(value_type = bool, required = false)]
    auto: Option<bool>,
}

/// List credentials. Needs the permission `read`; lists those in the key's scope.
#[utoipa::path(
    get,
    path = "/v1/credentials",
    operation_id = "listCredentials",
    params(Wanted),
    responses((status = 200, description = "Credentials by alias, without their secrets", body = Credentials)),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    visitor: Visitor,
    Asked(wanted): Asked<Wanted>,
) -> Result<Response, Failure> {
    let kind = wanted.r#type.as_deref().map(kind).transpose()?;
    let listed = move |it: &&Credential| kind.is_none_or(|kind| it.kind == kind);
    let list = move |records: &_| {
        let seen = credentials::list(&visitor.principal, records)?;
        let credentials = seen.into_iter().filter(listed).map(Listed::from).collect();
        Ok(answer::json(StatusCode::OK, &Credentials { credentials }))
    };
    api.read(list).await
}

/// Get one credential. Needs the permission `read`.
#[utoipa::path(
    get,
    path = "/v1/credentials/{alias}",
    operation_id = "getCredential",
    params(("alias" = String, Path, description = "Its alias", pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")),
    responses(
        (status = 200, description = "The credential, without its secret", body = Shown),
        (status = 404, description = "No such credential", body = Problem),
    ),
)]
pub(crate) async fn get(State(api): State<Api>, visitor: Visitor, Named(alias): Named) -> Result<Response, Failure> {
    let alias = alias_of(&alias)?;
    let get = move |records: &_| Ok(Shown::from(&credentials::get(&visitor.principal, records, alias.as_str())?.facts));
    Ok(answer::json(StatusCode::OK, &api.read(get).await?))
}

/// Add a credential. Needs the permission `write`; the alias must be in the key's scope.
#[utoipa::path(
    post,
    path = "/v1/credentials",
    operation_id = "addCredential",
    request_body = NewCredential<'_>,
    responses(
        (status = 201, description = "It is stored", body = Added),
        (status = 409, description = "The alias is taken, perhaps in another case", body = Problem),
        (status = 413, description = "The body is too long", body = Problem),
    ),
)]
pub(crate) async fn add(State(api): State<Api>, visitor: Visitor, request: Request) -> Result<Response, Failure> {
    let text = Text::read(&api, request, SMALL).await?;
    let asked: NewCredential<'_> = text.json()?;
    let new = credentials::New {
        alias: alias_of(&asked.alias)?,
        material: material::of_kind(kind(&asked.r#type)?, asked.data)?,
        description: asked.description,
        metadata: asked.metadata.map(metadata).transpose()?.unwrap_or_default(),
        bindings: hosts(&asked.hosts.unwrap_or_default())?,
        auto: asked.auto.unwrap_or(true),
    };
    let added = api.change(visitor, move |desk, caller| credentials::add(desk, caller, new)).await?;
    let Credential { id, alias, .. } = added.credential;
    Ok(answer::json(StatusCode::CREATED, &Added { id, alias }))
}

/// Change a credential. Needs the permission `update`; the next request uses what it is then.
#[utoipa::path(
    patch,
    path = "/v1/credentials/{alias}",
    operation_id = "changeCredential",
    params(("alias" = String, Path, description = "Its alias", pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")),
    request_body = ChangedCredential<'_>,
    responses(
        (status = 200, description = "The credential as it is now, without its secret", body = Shown),
        (status = 404, description = "No such credential", body = Problem),
        (status = 409, description = "Another caller chose where the new secret would go: repeat `hosts`", body = Problem),
        (status = 413, description = "The body is too long", body = Problem),
    ),
)]
pub(crate) async fn change(
    State(api): State<Api>,
    visitor: Visitor,
    Named(alias): Named,
    request: Request,
) -> Result<Response, Failure> {
    let alias = alias_of(&alias)?;
    let text = Text::read(&api, request, SMALL).await?;
    let asked: ChangedCredential<'_> = text.json()?;
    let update = credentials::Update {
        description: asked.description,
        metadata: asked.metadata.map(metadata).transpose()?,
        bindings: asked.hosts.as_deref().map(hosts).transpose()?,
        auto: asked.auto,
        material: asked.data.map(material::of_its_fields).transpose()?,
    };
    let changed = api.change(visitor, move |desk, caller| credentials::update(desk, caller, alias.as_str(), &update));
    Ok(answer::json(StatusCode::OK, &Shown::from(&changed.await?)))
}

/// Delete a credential. Needs the permission `delete`.
#[utoipa::path(
    delete,
    path = "/v1/credentials/{alias}",
    operation_id = "deleteCredential",
    params(("alias" = String, Path, description = "Its alias", pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")),
    responses(
        (status = 200, description = "It is gone", body = Success),
        (status = 404, description = "No such credential", body = Problem),
    ),
)]
pub(crate) async fn delete(State(api): State<Api>, visitor: Visitor, Named(alias): Named) -> Result<Response, Failure> {
    let alias = alias_of(&alias)?;
    api.change(visitor, move |desk, caller| credentials::delete(desk, caller, alias.as_str())).await?;
    Ok(Success::answer())
}

impl From<&Credential> for Listed {
    fn from(it: &Credential) -> Self {
        Self {
            id: it.id,
            alias: it.alias.clone(),
            r#type: it.kind,
            description: it.description.clone(),
            created_at: time(it.created_at),
            updated_at: time(it.updated_at),
        }
    }
}

impl From<&Credential> for Shown {
    fn from(it: &Credential) -> Self {
        let (metadata, hosts) = (it.metadata.as_map().clone(), it.bindings.clone());
        Self { listed: it.into(), metadata, hosts, auto: it.auto }
    }
}

fn alias_of(text: &str) -> Result<Alias, Failure> {
    Ok(text.parse::<Alias>().map_err(ManageError::from)?)
}

fn kind(text: &str) -> Result<Kind, Failure> {
    let known = Kind::ALL.map(|it| format!("`{it}`")).join(" and ");
    text.parse().or(Err(Failure::invalid(format!("`type` must be one that this version knows: {known}"))))
}

fn metadata(raw: &RawValue) -> Result<Metadata, Failure> {
    Ok(raw.get().parse::<Metadata>().map_err(ManageError::from)?)
}

fn hosts(texts: &[String]) -> Result<Vec<AuthorityPattern>, Failure> {
    let bad = |_| Failure::invalid("`hosts` must be hosts such as `api.github.com`, `*.example.com` or `host:8443`");
    texts.iter().map(|it| it.parse().map_err(bad)).collect()
}
