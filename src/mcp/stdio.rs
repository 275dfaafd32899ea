//! Messages over standard input and output.

use std::{
    collections::HashSet,
    convert::Infallible,
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rmcp::{
    RoleServer, ServiceExt as _,
    model::{
        ClientJsonRpcMessage, ClientNotification, ClientRequest, GetMeta as _, JsonRpcMessage, ProtocolVersion,
        RequestId, ServerJsonRpcMessage,
    },
    transport::Transport,
};
use tokio::sync::{Notify, mpsc::Receiver};

use crate::mcp::{
    Identity, Mcp,
    caller::Callers,
    lines::{self, Line, Out},
    message::Malformed,
    server::Server,
};

/// Serves until standard input ends, or `stop` does, and all that came over it before is answered.
///
/// # Errors
/// There is no thread to be had.
pub async fn serve(mcp: Mcp, identity: Identity, stop: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
    let (out, written) = lines::write(io::stdout())?;
    let messages = lines::read(io::stdin(), out.downgrade())?;
    let server = Server::new(mcp, Callers::One(identity));
    let stdio =
        Stdio { messages, out, stop: Box::pin(stop), ended: false, refusal: None, begun: false, open: Arc::default() };
    // The other side has gone before it began, or it ends where the messages do: neither is an error.
    if let Ok(running) = server.serve(stdio).await {
        drop(running.waiting().await);
    }
    // What is answered is also written.
    tokio::task::spawn_blocking(move || written.join()).await.map(drop).map_err(io::Error::other)
}

/// Requests that may be without an answer at once: answers that nobody reads lie in memory.
const MOST_OPEN: usize = 64;
/// Longest time that answers may take behind the end of input.
pub const DRAIN: Duration = Duration::from_secs(30);

/// The SDK's view of the two streams.
struct Stdio {
    messages: Receiver<Line>,
    out: Out,
    stop: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Whether no more messages are taken.
    ended: bool,
    /// An answer that waits for room, before the next message is taken.
    refusal: Option<Vec<u8>>,
    /// Whether the SDK takes more than requests now.
    begun: bool,
    open: Arc<Open>,
}

/// Requests without an answer.
#[derive(Default)]
struct Open {
    ids: Mutex<HashSet<RequestId>>,
    answered: Notify,
}

impl Transport<RoleServer> for Stdio {
    type Error = Infallible;

    fn send(&mut self, message: ServerJsonRpcMessage) -> impl Future<Output = Result<(), Infallible>> + Send + 'static {
        let (out, open) = (self.out.clone(), Arc::clone(&self.open));
        async move {
            let text = serde_json::to_vec(&message).unwrap_or_default();
            // Where nobody reads any more, nobody waits for it.
            let _gone = out.send(text).await;
            match message {
                JsonRpcMessage::Response(it) => open.close(&it.id),
                JsonRpcMessage::Error(it) => it.id.iter().for_each(|id| open.close(id)),
                JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => {}
            }
            Ok(())
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        // The SDK may drop this, and ask again.
        while !self.ended {
            let line = tokio::select! {
                line = self.messages.recv(), if self.refusal.is_none() => line,
                Ok(room) = self.out.reserve(), if self.refusal.is_some() => {
                    room.send(self.refusal.take().unwrap_or_default());
                    continue;
                }
                () = &mut self.stop => None,
                () = self.out.closed() => None,
            };
            let Some(Line { message, .. }) = line else {
                self.ended = true;
                break;
            };
            match &message {
                JsonRpcMessage::Request(it) => {
                    if let Err(why) = self.open.insert(&it.id) {
                        self.refusal = Some(Malformed::refused(&it.id, why).answer());
                        continue;
                    }
                    self.begun |= begins(&it.request);
                    return Some(message);
                }
                // The SDK gives up where one comes too early.
                JsonRpcMessage::Notification(it) if self.begun => {
                    if let ClientNotification::CancelledNotification(it) = &it.notification {
                        it.params.request_id.iter().for_each(|id| self.open.close(id));
                    }
                    return Some(message);
                }
                // We ask nothing, so nothing is an answer.
                JsonRpcMessage::Notification(_) | JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => {}
            }
        }
        tokio::select! {
            () = self.open.all_answered() => {}
            () = self.out.closed() => {}
            () = tokio::time::sleep(DRAIN) => {}
        }
        None
    }

    async fn close(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Whether the SDK takes any message behind this request.
fn begins(request: &ClientRequest) -> bool {
    let stateless = || {
        let meta = request.get_meta();
        let version = meta.protocol_version().filter(|it| ProtocolVersion::KNOWN_VERSIONS.contains(it));
        version.is_some() && meta.missing_required_keys(&ProtocolVersion::V_2026_07_28).is_empty()
    };
    match request {
        ClientRequest::InitializeRequest(_) => true,
        ClientRequest::PingRequest(_) | ClientRequest::DiscoverRequest(_) => false,
        _ => stateless(),
    }
}

impl Open {
    fn insert(&self, id: &RequestId) -> Result<(), &'static str> {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        if ids.contains(id) {
            return Err("a request with this `id` is open already");
        }
        if ids.len() == MOST_OPEN {
            return Err("too many requests are open; wait for an answer, or cancel one");
        }
        ids.insert(id.clone());
        Ok(())
    }

    fn close(&self, id: &RequestId) {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids.remove(id);
        if ids.is_empty() {
            self.answered.notify_one();
        }
    }

    async fn all_answered(&self) {
        while !self.ids.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            self.answered.notified().await;
        }
    }
}
