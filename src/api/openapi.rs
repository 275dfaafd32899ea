//! The description of the API, made from the code that serves it.

use std::sync::LazyLock;

use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use http::header;
use utoipa::{
    PartialSchema as _, ToSchema as _,
    openapi::{
        ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, ResponseBuilder,
        Responses, SecurityRequirement,
        path::{Operation, PathItem},
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::{
    api::{failure::Problem, routes},
    exchange::Visitor,
};

const KEY: &str = "key";

/// The description of the API, as `OpenAPI` 3.1.
#[utoipa::path(
    get,
    path = "/v1/openapi.json",
    operation_id = "describe",
    responses((status = 200, description = "An OpenAPI document", body = Object)),
)]
pub(crate) async fn show(_: Visitor) -> Response {
    static TEXT: LazyLock<String> = LazyLock::new(|| whole().to_json().unwrap_or_default());
    ([(header::CONTENT_TYPE, "application/json")], Body::from(TEXT.as_str())).into_response()
}

/// What stands in the description before any path.
pub(crate) fn beginning() -> OpenApi {
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("vk_…")
        .description(Some("An API key. In local mode none is needed; one that is shown counts, and narrows."))
        .build();
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Vultrino")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some("Credentials, roles, keys and policies of a Vultrino, and requests made with them."))
                .build(),
        )
        .components(Some(
            ComponentsBuilder::new()
                .schema(Problem::name(), Problem::schema())
                .security_scheme(KEY, SecurityScheme::Http(scheme))
                .build(),
        ))
        .security(Some([SecurityRequirement::new::<_, [&str; 0], &str>(KEY, []), SecurityRequirement::default()]))
        .build()
}

/// The paths with what each of them says itself, and what all of them may answer.
fn whole() -> OpenApi {
    let (_, mut whole) = routes::all();
    for (path, item) in &mut whole.paths.paths {
        if path != "/health" {
            operations(item).for_each(|it| add_refusals(&mut it.responses));
        }
    }
    whole
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, patch, delete, .. } = item;
    [get, put, post, patch, delete].into_iter().flatten()
}

/// What may be answered whatever is asked.
fn add_refusals(responses: &mut Responses) {
    for (status, text) in [
        ("400", "The request is not valid"),
        ("401", "The API key is missing, or not valid"),
        ("403", "The key's role or scope, or the page or host that asks, does not permit it"),
        ("429", "Too many requests; `Retry-After` says how long to wait"),
        ("500", "Something went wrong inside Vultrino"),
        ("503", "Nothing can be recorded now, so nothing is done; `Retry-After` says how long to wait"),
    ] {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(Problem::name()))).build();
        let response = ResponseBuilder::new().description(text).content("application/json", content).build();
        responses.responses.entry(status.to_owned()).or_insert(RefOr::T(response));
    }
}
