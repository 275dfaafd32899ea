//! A request for the world, described in JSON: the same exchange as behind the proxy.

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{
    api::{
        Api, answer,
        body::Text,
        failure::{Failure, Problem},
        json,
        outgoing::Params,
        replied::{self, Replied},
    },
    base::task::heavy,
    exchange::{
        Door, Inbound, Refusal, Visitor,
        budget::{Held, SMALL},
        collected::Collected,
        gunzip,
        outgoing::{self, Outgoing},
    },
    identity::Presented,
};

/// Most bytes of a request, whatever `max_body_size` says: it is held in memory.
const MOST: usize = 10 << 20;

/// Something to be done with a credential.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Execute<'a> {
    /// Alias of the credential to use.
    #[schema(example = "github-api", pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    credential: String,
    /// What to do.
    #[schema(example = "http.request", pattern = "^http\\.request$")]
    action: String,
    /// As the action takes them.
    #[serde(borrow)]
    #[schema(value_type = Params)]
    params: &'a RawValue,
}

/// Make a request with a credential. Needs the permission `execute`.
///
/// Whatever the origin server answers is told with status 200; any other status is Vultrino's own.
#[utoipa::path(
    post,
    path = "/v1/execute",
    operation_id = "execute",
    request_body = Execute<'_>,
    responses(
        (status = 200, description = "What the origin server answered", body = Replied),
        (status = 404, description = "No such credential", body = Problem),
        (status = 405, description = "A method that would reflect the request", body = Problem),
        (status = 413, description = "The body is too long", body = Problem),
        (status = 417, description = "An expectation that cannot be met", body = Problem),
        (status = 502, description = "The origin server cannot be reached, or sent no valid answer", body = Problem),
        (status = 504, description = "The origin server did not answer in time", body = Problem),
    ),
)]
pub(crate) async fn run(State(api): State<Api>, visitor: Visitor, request: Request) -> Result<Response, Failure> {
    let client = visitor.client();
    let leave = api.exchange().leave(&visitor.principal)?;
    let text = Text::read(&api, request, most(&api)).await?;
    let (Order { alias, wanted }, held) = if text.is_small() {
        parse(text)?
    } else {
        heavy(&client, move || parse(text)).await.unwrap_or_else(failed)?
    };
    let mut inbound = Inbound {
        door: Door::Api,
        presented: Presented { key: visitor.key, alias: Some(alias.into()) },
        method: wanted.method,
        target: wanted.target,
        fields: wanted.fields,
        framing: wanted.framing,
        body: wanted.body,
        source: visitor.arrival.source,
        keyless: visitor.arrival.keyless,
        leave: Some(leave),
        interim: None,
        upgrade: false,
    };
    let encoded = gunzip::is_asked_for(&inbound.fields);
    let reply = api.exchange().run(&mut inbound).await.map_err(Failure::on_record)?;
    let memory = api.budget().of_large(client.clone());
    let reply = Collected::of(reply, replied::MOST, encoded, memory).await.map_err(Failure::on_record)?;
    drop(held);
    if reply.bytes.len() <= SMALL {
        return Ok(render(reply));
    }
    heavy(&client, move || Ok(render(reply))).await.unwrap_or_else(failed)
}

/// For work that panicked.
fn failed<T>() -> Result<T, Failure> {
    Err(Failure::Refused(Refusal::Internal))
}

/// What is asked, checked.
struct Order {
    alias: String,
    wanted: Outgoing,
}

/// With what the text takes of the memory, which its body goes on to take.
fn parse(text: Text) -> Result<(Order, Held), Failure> {
    let asked: Execute<'_> = text.json()?;
    check(&asked.action)?;
    let params: Params = json::part("params", asked.params)?;
    let wanted = outgoing::read(params.into())?;
    let order = Order { alias: asked.credential, wanted };
    Ok((order, text.into_held()))
}

fn render(reply: Collected) -> Response {
    answer::json(StatusCode::OK, &Replied::from(reply))
}

fn most(api: &Api) -> usize {
    let most = api.exchange().snapshot().config().max_body_size;
    most.and_then(|it| usize::try_from(it).ok()).map_or(MOST, |it| it.min(MOST))
}

fn check(action: &str) -> Result<(), Failure> {
    match action {
        "http.request" => Ok(()),
        "crypto.sign" => Err(Failure::invalid("the action `crypto.sign` is reserved, and not built yet")),
        _ => Err(Failure::invalid("there is no such action; this version knows `http.request`")),
    }
}
