//! One client: sends a request, reads the whole answer, and sends the next on the same connection.

use std::{
    future::poll_fn,
    time::{Duration, Instant},
};

use http::Method;
use serde_json::Value;
use tokio::{io::AsyncWriteExt as _, time::timeout};

use crate::{
    app::bench::{BenchError, route::Route},
    base::head::{AnswerHead, Framing, Version},
    http1::{Connection, framing, head},
};

/// The longest that connecting, or an answer, may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// The most that is kept of a refusal.
const REFUSAL: usize = 4_096;

/// A client and its connection.
#[derive(Debug)]
pub(crate) struct Client<'a> {
    route: &'a Route,
    connection: Connection,
    used: bool,
}

/// One answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    /// From the first byte of the request to the last of the answer.
    pub(crate) took: Duration,
}

impl<'a> Client<'a> {
    pub(crate) async fn connected(route: &'a Route) -> Result<Self, BenchError> {
        let connection = timeout(PATIENCE, route.dial()).await.or(Err(BenchError::Silent(PATIENCE)))??;
        Ok(Self { route, connection, used: false })
    }

    /// Asks once. A connection that ended while it was idle is replaced first; that time does not count.
    pub(crate) async fn ask(&mut self) -> Result<Answered, BenchError> {
        match self.ask_on_this().await {
            Err(BenchError::Gone(_)) if self.used => {
                *self = Self::connected(self.route).await?;
                self.ask_on_this().await
            }
            other => other,
        }
    }

    async fn ask_on_this(&mut self) -> Result<Answered, BenchError> {
        let start = Instant::now();
        let asked = timeout(PATIENCE, exchange(&mut self.connection, self.route.request()));
        let answer = asked.await.or(Err(BenchError::Silent(PATIENCE)))??;
        let took = start.elapsed();
        self.used = true;
        if !answer.persists {
            *self = Self::connected(self.route).await?;
        }
        Ok(Answered { status: answer.status, took })
    }
}

struct Answer {
    status: u16,
    persists: bool,
}

/// One request and its whole answer.
async fn exchange(connection: &mut Connection, request: &[u8]) -> Result<Answer, BenchError> {
    let (head, framing) = begin(connection, request, &Method::GET).await?;
    connection.begin_body(framing);
    let mut refusal = head.fields.named("proxy-status").any(|it| it.starts_with(b"vultrino")).then(Vec::new);
    while let Some(frame) = poll_fn(|cx| connection.poll_body(cx)).await {
        if let (Some(data), Some(kept)) = (frame.map_err(BenchError::Cut)?.data_ref(), &mut refusal) {
            let room = REFUSAL - kept.len();
            kept.extend_from_slice(&data[..data.len().min(room)]);
        }
    }
    let status = head.status;
    match refusal {
        Some(body) => Err(BenchError::Refused { status, message: message(&body) }),
        None => Ok(Answer { status, persists: persists(&head, framing) }),
    }
}

/// Sends a head without a body and reads the head of the final answer.
pub(crate) async fn begin(
    connection: &mut Connection,
    request: &[u8],
    method: &Method,
) -> Result<(AnswerHead, Framing), BenchError> {
    let wire = &mut connection.wire;
    let sent = async { wire.write_all(request).await.and(wire.flush().await) };
    sent.await.map_err(|error| BenchError::Gone(Some(error)))?;
    loop {
        let bytes = poll_fn(|cx| connection.poll_head(cx)).await?.ok_or(BenchError::Gone(None))?;
        let head = head::answer(bytes)?;
        if head.status >= 200 {
            let framing = framing::of_answer(&head, method)?;
            return Ok((head, framing));
        }
    }
}

fn persists(head: &AnswerHead, framing: Framing) -> bool {
    head.version == Version::Http11 && !head.fields.closes() && framing != Framing::UntilClose
}

/// What the proxy says for people.
pub(crate) fn message(body: &[u8]) -> String {
    let told = serde_json::from_slice(body).ok().and_then(|it: Value| Some(it.get("message")?.as_str()?.to_owned()));
    told.unwrap_or_else(|| "it does not say why".to_owned())
}
