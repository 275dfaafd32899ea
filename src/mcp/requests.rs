//! `http_request`: a request for the world, the same exchange as behind the proxy.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    base::task::heavy,
    exchange::{
        Door, Inbound, Refusal, Visitor,
        budget::SMALL,
        collected::{Collected, Part, Text},
        gunzip,
        outgoing::{self, Described, Outgoing},
    },
    identity::Presented,
    mcp::{
        Mcp,
        failure::Failure,
        tools::{Told, read},
    },
};

/// What may be asked for.
pub(crate) const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
/// Bytes of an answer's body that an agent gets to read unless it asks for more: they fill its memory.
pub(crate) const LENGTH: usize = 256 << 10;
/// Most bytes that it may ask for. Told twice they are at worst 13 bytes each, and clients take messages of 10 MiB.
pub(crate) const MOST: usize = 768 << 10;

/// Most bytes that are read and left out: they cost as much as those that are wanted.
pub(crate) const FARTHEST: u64 = 1 << 30;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    credential: String,
    method: String,
    url: String,
    headers: Option<BTreeMap<String, String>>,
    body: Option<String>,
    offset: Option<u64>,
    length: Option<usize>,
}

#[derive(Serialize)]
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    header_list: Option<Vec<(String, String)>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<u64>,
    body: String,
}

/// `http_request`. Given up, it ends its exchange.
pub(crate) async fn run(
    mcp: &Mcp,
    visitor: &Visitor,
    arguments: Value,
    gone: impl Future<Output = ()> + Send,
) -> Result<Told, Failure> {
    let leave = mcp.exchange().leave(&visitor.principal)?;
    let arguments: Arguments = read(arguments)?;
    let part = part(&arguments)?;
    let Arguments { credential, method, url, headers, body, .. } = arguments;
    let described = Described { method, url, headers: headers.unwrap_or_default(), body, ..Described::default() };
    let Outgoing { method, target, fields, framing, body } = outgoing::read(described)?;
    let mut inbound = Inbound {
        door: Door::Mcp,
        presented: Presented { key: visitor.key, alias: Some(credential.into()) },
        method,
        target,
        fields,
        framing,
        body,
        source: visitor.arrival.source,
        keyless: visitor.arrival.keyless,
        leave: Some(leave),
        interim: None,
        upgrade: false,
    };
    let recorded = |refusal| Failure::from(refusal).on_record();
    let work = async {
        let encoded = gunzip::is_asked_for(&inbound.fields);
        let reply = mcp.exchange().run(&mut inbound).await?;
        Collected::of(reply, part, encoded, mcp.budget().of_large(visitor.client())).await
    };
    tokio::select! {
        // Work that was counted is begun, and has its record.
        biased;
        answer = work => {
            let answer = answer.map_err(recorded)?;
            let answer = if answer.bytes.len() > SMALL { heavy(&visitor.client(), move || tell(answer, part)).await } else { Some(tell(answer, part)) };
            answer.ok_or_else(|| recorded(Refusal::Internal))
        }
        () = gone => Err(recorded(Refusal::ClientGone)),
    }
}

/// Which part of the answer's body is wanted.
fn part(arguments: &Arguments) -> Result<Part, Failure> {
    let Arguments { method, offset, length, .. } = arguments;
    if !METHODS.contains(&&**method) {
        return Err(Failure::invalid(format_args!("`method` is one of {}", METHODS.join(", "))));
    }
    let part = Part { offset: offset.unwrap_or(0), length: length.unwrap_or(LENGTH) };
    if part.offset > 0 && !matches!(&**method, "GET" | "HEAD") {
        return Err(Failure::invalid("`offset` makes the request again, so it is for GET and HEAD alone"));
    }
    if part.offset > FARTHEST {
        return Err(Failure::invalid(format_args!("`offset` is at most {FARTHEST}")));
    }
    if !(1..=MOST).contains(&part.length) {
        return Err(Failure::invalid(format_args!("`length` is 1 to {MOST}")));
    }
    Ok(part)
}

fn tell(Collected { status, headers, bytes, truncated, held }: Collected, part: Part) -> Told {
    let Text { text, is_base64, length } = Text::of(bytes, truncated);
    let answer = Answer {
        status,
        headers: headers.by_name,
        header_list: headers.each,
        body: text,
        encoding: is_base64.then_some("base64"),
        truncated,
        next_offset: truncated.then_some(part.offset + length as u64),
    };
    let told = Told::of(&answer);
    drop(held);
    told
}
