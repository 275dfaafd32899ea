//! A client for which there is no room is told so and let go. It costs a descriptor for a moment, and nothing else.

use std::{future::poll_fn, sync::Arc, task::Poll, time::Duration};

use crate::{
    base::{
        head::{Framing, Version},
        task::Piece,
    },
    exchange::Refusal,
    http1::{
        Connection, Shared, Wire,
        wire::{Socket, Stream},
        write,
    },
    proxy::{Worker, respond::Responder, session::LINGER},
};

/// Longest wait for what the client has to say first.
const FIRST_WORD: Duration = Duration::from_secs(1);

/// Most bytes that are read of its fields before it is answered.
const LONGEST_QUESTION: usize = 1024;

/// Answers whatever is asked with this refusal. An answer before the question confuses clients, so the question is waited
/// for.
pub(crate) async fn turn_away(worker: Arc<Worker>, stream: Stream, refusal: Refusal, _counted: Piece) {
    let mut connection = Connection::new(Wire::Plain(Socket::new(stream)), FIRST_WORD);
    connection.limit_heads(LONGEST_QUESTION);
    let connection = Shared::new(connection);
    poll_fn(|cx| {
        let mut connection = connection.lock();
        match connection.poll_head(cx) {
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => connection.idle.poll_over(cx),
        }
    })
    .await;
    connection.lock().distrust();
    let timeout = worker.config.load().timeout;
    let responder =
        Responder { connection: &connection, version: Version::Http11, is_head: false, last: true, timeout };
    if let Err(error) = responder.refuse(&refusal).await {
        tracing::debug!(%error, "could not send 503 to a client over the connection limit");
        return;
    }
    connection.lock().idle.restart(LINGER);
    poll_fn(|cx| connection.lock().poll_close(cx)).await;
}

/// The same in passing: most clients read it even so.
pub(crate) fn turn_away_at_once(stream: &Stream, refusal: &Refusal) {
    let (head, body) = refusal.answer();
    let mut answer = write::answer(&head, Framing::Length(body.len() as u64), true);
    answer.extend_from_slice(&body);
    if let Err(error) = stream.try_write(&answer) {
        tracing::debug!(%error, "could not send 503 to a client over the connection limit");
    }
}
