//! An origin server that speaks HTTP/2 over real TLS, and does with each request what a test says.

use std::{
    future::Future,
    net::{SocketAddr, TcpListener},
    pin::Pin,
    sync::{Arc, Condvar, Mutex},
    thread,
};

use bytes::Bytes;
use h2::{
    Reason, RecvStream, SendStream,
    server::{Builder, SendResponse},
};
use http::{HeaderMap, Response, request::Parts};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

use crate::support::{certificates, wait::PATIENCE};

type Script = dyn Fn(Call) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync;

/// A server on a port of its own; it stops when dropped.
pub(crate) struct Http2Origin {
    address: SocketAddr,
    log: Arc<Log>,
    stop: Arc<Notify>,
}

#[derive(Default)]
struct Log {
    known: Mutex<Known>,
    changed: Condvar,
}

/// What an origin has seen so far.
#[derive(Default, Clone, Debug)]
pub(crate) struct Known {
    /// TCP connections accepted.
    pub connections: usize,
    /// Those that are over.
    pub over: usize,
    /// Heads of requests, with the number of their connection.
    pub heads: Vec<(usize, Arc<Parts>)>,
    /// Why streams were reset, as far as scripts have noticed.
    pub resets: Vec<Reason>,
}

/// One request, handed to an origin's script.
pub(crate) struct Call {
    pub head: Arc<Parts>,
    pub body: RecvStream,
    respond: SendResponse<Bytes>,
    log: Arc<Log>,
}

impl Http2Origin {
    /// Answers 200 to each request.
    pub(crate) fn start() -> Self {
        Self::with(|mut call| async move {
            drop(call.whole().await);
            call.answer_whole(200, &[], "ok");
        })
    }

    /// Runs `script` for each request.
    pub(crate) fn with<F>(script: impl Fn(Call) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::built(&Builder::new(), script)
    }

    /// The same with other settings.
    pub(crate) fn built<F>(builder: &Builder, script: impl Fn(Call) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (log, stop) = (Arc::<Log>::default(), Arc::<Notify>::default());
        let origin = Self { address, log: Arc::clone(&log), stop: Arc::clone(&stop) };
        let script: Arc<Script> = Arc::new(move |call| Box::pin(script(call)));
        let builder = builder.clone();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = listen(listener, builder, script, log) => (),
                    () = stop.notified() => (),
                }
            });
        });
        origin
    }

    /// `localhost:PORT`.
    pub(crate) fn authority(&self) -> String {
        format!("localhost:{}", self.address.port())
    }

    /// What it has seen so far.
    pub(crate) fn known(&self) -> Known {
        self.log.known.lock().unwrap().clone()
    }

    /// The heads of all requests so far.
    pub(crate) fn heads(&self) -> Vec<Arc<Parts>> {
        self.known().heads.into_iter().map(|(_, head)| head).collect()
    }

    /// Waits until `ask` finds what it looks for.
    #[track_caller]
    pub(crate) fn until<T>(&self, what: &str, ask: impl Fn(&Known) -> Option<T>) -> T {
        let waiting = |known: &mut Known| ask(known).is_none();
        let guard = self.log.known.lock().unwrap();
        let (known, _) = self.log.changed.wait_timeout_while(guard, PATIENCE, waiting).unwrap();
        ask(&known).unwrap_or_else(|| panic!("waited in vain until {what}; the origin knows {known:#?}"))
    }
}

impl Drop for Http2Origin {
    fn drop(&mut self) {
        self.stop.notify_one();
    }
}

impl Log {
    fn note(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.known.lock().unwrap());
        self.changed.notify_all();
    }
}

impl Call {
    /// The path and query that were asked for.
    pub(crate) fn path(&self) -> &str {
        self.head.uri.path_and_query().map_or("", |it| it.as_str())
    }

    /// The next piece of the body; its window opens again at once.
    pub(crate) async fn piece(&mut self) -> Option<Result<Bytes, h2::Error>> {
        let piece = self.body.data().await;
        if let Some(Ok(data)) = &piece {
            self.body.flow_control().release_capacity(data.len()).unwrap();
        }
        piece
    }

    /// The body and its trailers.
    ///
    /// # Errors
    /// When it is cut off.
    pub(crate) async fn whole(&mut self) -> Result<(Vec<u8>, Option<HeaderMap>), h2::Error> {
        let mut all = Vec::new();
        while let Some(piece) = self.piece().await {
            all.extend_from_slice(&piece?);
        }
        Ok((all, self.body.trailers().await?))
    }

    /// Sends an interim answer.
    pub(crate) fn interim(&mut self, status: u16, fields: &[(&str, &str)]) {
        self.respond.send_informational(response(status, fields)).unwrap();
    }

    /// Sends the head of an answer; a body follows.
    pub(crate) fn answer(&mut self, status: u16, fields: &[(&str, &str)]) -> SendStream<Bytes> {
        self.respond.send_response(response(status, fields), false).unwrap()
    }

    /// Sends an answer that has no body.
    pub(crate) fn answer_bare(&mut self, status: u16, fields: &[(&str, &str)]) {
        self.respond.send_response(response(status, fields), true).unwrap();
    }

    /// Sends an answer that is ready as it is. Nobody need be there any more.
    pub(crate) fn answer_whole(&mut self, status: u16, fields: &[(&str, &str)], body: impl Into<Bytes>) {
        if let Ok(mut stream) = self.respond.send_response(response(status, fields), false) {
            drop(stream.send_data(body.into(), true));
        }
    }

    /// Waits until the other side resets the stream of an answer that has begun, and notes why.
    pub(crate) async fn is_reset(&self, stream: &mut SendStream<Bytes>) {
        if let Ok(reason) = std::future::poll_fn(|cx| stream.poll_reset(cx)).await {
            self.log.note(|known| known.resets.push(reason));
        }
    }
}

/// Sends data as the window opens; false when nobody takes it any more.
pub(crate) async fn send(stream: &mut SendStream<Bytes>, mut data: Bytes) -> bool {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let room = match std::future::poll_fn(|cx| stream.poll_capacity(cx)).await {
            Some(Ok(room)) => room.min(data.len()),
            Some(Err(_)) | None => return false,
        };
        if stream.send_data(data.split_to(room), false).is_err() {
            return false;
        }
    }
    true
}

fn response(status: u16, fields: &[(&str, &str)]) -> Response<()> {
    let mut response = Response::builder().status(status);
    for (name, value) in fields {
        response = response.header(*name, *value);
    }
    response.body(()).unwrap()
}

async fn listen(listener: TcpListener, builder: Builder, script: Arc<Script>, log: Arc<Log>) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let acceptor = TlsAcceptor::from(certificates::speaking(&["h2"]));
    while let Ok((socket, _)) = listener.accept().await {
        socket.set_nodelay(true).unwrap();
        let mut index = 0;
        log.note(|known| {
            index = known.connections;
            known.connections += 1;
        });
        let (acceptor, builder, script, log) =
            (acceptor.clone(), builder.clone(), Arc::clone(&script), Arc::clone(&log));
        spawn(async move {
            if let Ok(tls) = acceptor.accept(socket).await
                && let Ok(mut connection) = builder.handshake::<_, Bytes>(tls).await
            {
                while let Some(Ok((request, respond))) = connection.accept().await {
                    let (head, body) = request.into_parts();
                    let head = Arc::new(head);
                    log.note(|known| known.heads.push((index, Arc::clone(&head))));
                    spawn(script(Call { head, body, respond, log: Arc::clone(&log) }));
                }
            }
            log.note(|known| known.over += 1);
        });
    }
}

#[expect(clippy::disallowed_methods, reason = "an origin of a test is no part of the product")]
fn spawn(work: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(work));
}
