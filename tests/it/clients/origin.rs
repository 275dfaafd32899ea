//! The server behind the proxy: hyper over TLS in both versions of HTTP. It lets in only who shows the credential of its
//! host, keeps every request that it got, and answers at length, as a stream of events, as git, or with files.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    fs,
    io::Write,
    net::TcpListener,
    path::{Path, PathBuf},
    pin::Pin,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    task::{Context, Poll},
    thread,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Collected, Full, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    rt::Executor,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::Acceptor,
};
use tokio::{sync::mpsc, task};
use tokio_rustls::LazyConfigAcceptor;

use crate::support::certificates;

/// One request, as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub version: Version,
    /// Path and query.
    pub target: String,
    pub fields: HeaderMap,
}

/// The server; it runs as long as the process does.
pub(crate) struct Origin {
    /// By host, `NAME VALUE` of the field that lets a client in; of other hosts, the first.
    keys: BTreeMap<String, (String, String)>,
    /// Below a folder of a host's name are its files.
    pub files: PathBuf,
    seen: Mutex<BTreeMap<String, Vec<Seen>>>,
    /// Hosts with which only HTTP/1.1 is spoken.
    old: Mutex<BTreeSet<String>>,
    /// Streams of events that wait for another request of their client before they go on.
    waiting: Mutex<BTreeMap<String, mpsc::Sender<Bytes>>>,
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A long answer: whoever has read it whole has had more than a buffer.
pub(crate) fn whole() -> String {
    (0..20_000).flat_map(|it| ["line ".to_owned(), it.to_string(), "\n".to_owned()]).collect()
}

impl Origin {
    /// Opens this address and port for these names.
    pub(crate) fn open(
        address: &str,
        names: &[&str],
        keys: BTreeMap<String, (String, String)>,
        files: &Path,
    ) -> Arc<Self> {
        let (certificate, key) = certificates::site(names);
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            )
            .unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let old = Arc::new(config.clone());
        config.alpn_protocols.insert(0, b"h2".to_vec());
        let tls = [Arc::new(config), old];
        let files = files.to_owned();
        let (seen, old, waiting) = (Mutex::default(), Mutex::default(), Mutex::default());
        let origin = Arc::new(Self { keys, files, seen, old, waiting });
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let served = origin.clone();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(served.serve(listener, tls));
        });
        origin
    }

    async fn serve(self: Arc<Self>, listener: TcpListener, [both, old]: [Arc<ServerConfig>; 2]) {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        while let Ok((socket, _)) = listener.accept().await {
            let (origin, both, old) = (self.clone(), both.clone(), old.clone());
            spawn(async move {
                let Ok(start) = LazyConfigAcceptor::new(Acceptor::default(), socket).await else { return };
                let is_old =
                    start.client_hello().server_name().is_some_and(|it| origin.old.lock().unwrap().contains(it));
                let Ok(stream) = start.into_stream(if is_old { old } else { both }).await else { return };
                let service = hyper::service::service_fn(move |request| {
                    let origin = origin.clone();
                    async move { Ok::<_, Infallible>(origin.answer(request).await) }
                });
                let mut server = auto::Builder::new(TokioExecutor::new());
                server.http2().max_header_list_size(256 << 10);
                // How a client ends its connection is its own affair.
                drop(server.serve_connection(TokioIo::new(stream), service).await);
            });
        }
    }

    /// Speaks only HTTP/1.1 with whoever asks this host from now on.
    pub(crate) fn age(&self, host: &str) {
        self.old.lock().unwrap().insert(host.to_owned());
    }

    /// Keeps a request.
    pub(crate) fn note(&self, host: &str, seen: Seen) {
        self.seen.lock().unwrap().entry(host.to_owned()).or_default().push(seen);
    }

    /// The requests to a host since the last time.
    pub(crate) fn take(&self, host: &str) -> Vec<Seen> {
        self.seen.lock().unwrap().remove(host).unwrap_or_default()
    }

    /// Whether a request to a host has come since then.
    pub(crate) fn has_seen(&self, host: &str) -> bool {
        self.seen.lock().unwrap().contains_key(host)
    }

    /// The field that lets a client in to a host.
    pub(crate) fn key(&self, host: &str) -> (&str, &str) {
        let (name, value) = self.keys.get(host).unwrap_or(&self.keys[""]);
        (name, value)
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let authority = head.uri.authority().map(|it| it.as_str().to_owned());
        let named = head.headers.get("host").map(|it| String::from_utf8_lossy(it.as_bytes()).into_owned());
        let host = authority.or(named).unwrap_or_default();
        let target = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
        let seen = Seen { version: head.version, target, fields: head.headers.clone() };
        self.note(&host, seen);
        let (name, value) = self.key(&host);
        if head.headers.get(name).is_none_or(|it| it != value) {
            return plain(StatusCode::UNAUTHORIZED, "no credential");
        }
        let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
        match (&head.method, head.uri.path()) {
            (&Method::GET, "/whole") => in_pieces(),
            (&Method::POST, "/echo") => plain(StatusCode::OK, body),
            (&Method::POST, "/v1/chat/completions") => self.events(host, &OPENAI),
            (&Method::POST, "/v1/messages") => self.events(host, &ANTHROPIC),
            (&Method::GET, "/v1/models") => {
                drop(self.waiting.lock().unwrap().remove(&host));
                json(r#"{"object":"list","data":[],"has_more":false,"first_id":null,"last_id":null}"#)
            }
            (&Method::GET, "/accel") => accelerated(),
            (_, path) if path.starts_with("/git/") => self.git(&head, &body).await,
            (_, path) => Self::file(&self.files.join(&host).join(path.trim_start_matches('/'))),
        }
    }

    fn file(path: &Path) -> Response<Body> {
        let index = path.join("index.html");
        let found =
            if index.exists() { fs::read(index).map(html) } else { fs::read(path).map(|it| plain(StatusCode::OK, it)) };
        found.unwrap_or_else(|_| plain(StatusCode::NOT_FOUND, "no such file"))
    }

    /// Server-sent events: after the first, the rest waits until the client has asked for the models.
    fn events(&self, host: String, events: &'static [&'static str]) -> Response<Body> {
        let (pass, mut passed) = mpsc::channel(1);
        self.waiting.lock().unwrap().insert(host, pass);
        let (send, receive) = mpsc::channel::<Bytes>(1);
        spawn(async move {
            for (at, event) in events.iter().enumerate() {
                if at == 1 && tokio::time::timeout(Duration::from_secs(30), passed.recv()).await.is_err() {
                    return;
                }
                if send.send(Bytes::from_static(event.as_bytes())).await.is_err() {
                    return;
                }
            }
        });
        Response::builder().header("content-type", "text/event-stream").body(streamed(receive)).unwrap()
    }

    /// git's own server, as CGI (RFC 3875).
    async fn git(&self, head: &http::request::Parts, body: &[u8]) -> Response<Body> {
        let field = |name: &str| head.headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let mut command = Command::new("git");
        command
            .arg("http-backend")
            .env("GIT_PROJECT_ROOT", &self.files)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("PATH_INFO", head.uri.path())
            .env("QUERY_STRING", head.uri.query().unwrap_or_default())
            .env("REQUEST_METHOD", head.method.as_str())
            .env("CONTENT_TYPE", field("content-type"))
            .env("CONTENT_LENGTH", body.len().to_string())
            .env("HTTP_CONTENT_ENCODING", field("content-encoding"))
            .env("GIT_PROTOCOL", field("git-protocol"))
            .env("REMOTE_USER", "agent")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let body = body.to_vec();
        let said = task::spawn_blocking(move || {
            let mut child = command.spawn().unwrap();
            let mut input = child.stdin.take().unwrap();
            thread::spawn(move || input.write_all(&body));
            child.wait_with_output().unwrap().stdout
        });
        let said = said.await.unwrap();
        let end = said.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
        let mut answer = Response::builder();
        for line in String::from_utf8_lossy(&said[..end]).lines() {
            let (name, value) = line.split_once(": ").unwrap();
            answer = match name {
                "Status" => answer.status(&value[..3]),
                _ => answer.header(name, value),
            };
        }
        answer.body(Full::from(said[end + 4..].to_vec()).boxed_unsync()).unwrap()
    }
}

const OPENAI: [&str; 4] = [
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\
     \"delta\":{\"role\":\"assistant\",\"content\":\"Hello\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\
     \"delta\":{\"content\":\" whole\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\
     \"delta\":{\"content\":\" world\"},\"finish_reason\":\"stop\"}]}\n\n",
    "data: [DONE]\n\n",
];

const ANTHROPIC: [&str; 3] = [
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m1\",\"type\":\"message\",\
     \"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":\
     {\"input_tokens\":1,\"output_tokens\":1}}}\n\n\
     event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\
     \"text\",\"text\":\"\"}}\n\n\
     event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\
     \"text_delta\",\"text\":\"Hello\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\
     \"text_delta\",\"text\":\" whole world\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
     event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\
     \"stop_sequence\":null},\"usage\":{\"output_tokens\":3}}\n\n\
     event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
];

fn plain(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    Response::builder().status(status).body(Full::from(body.into()).boxed_unsync()).unwrap()
}

fn json(body: &'static str) -> Response<Body> {
    Response::builder().header("content-type", "application/json").body(Full::from(body).boxed_unsync()).unwrap()
}

fn html(body: Vec<u8>) -> Response<Body> {
    Response::builder().header("content-type", "text/html").body(Full::from(body).boxed_unsync()).unwrap()
}

/// An answer that tells a reverse proxy to give another.
fn accelerated() -> Response<Body> {
    Response::builder().header("x-accel-redirect", "/inner").body(Full::from("the origin's").boxed_unsync()).unwrap()
}

/// The long answer, without a length.
fn in_pieces() -> Response<Body> {
    let (send, receive) = mpsc::channel(1);
    spawn(async move {
        for piece in whole().into_bytes().chunks(10_000) {
            if send.send(Bytes::copy_from_slice(piece)).await.is_err() {
                return;
            }
        }
    });
    Response::new(streamed(receive))
}

fn streamed(receive: mpsc::Receiver<Bytes>) -> Body {
    Pieces(receive).boxed_unsync()
}

/// A body of what comes out of a channel.
struct Pieces(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|it| it.map(|it| Ok(Frame::data(it))))
    }
}

/// Runs a task of this runtime.
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    TokioExecutor::new().execute(task);
}
