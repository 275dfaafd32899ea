//! A client that speaks HTTP/2 through the interception: over a tunnel, real TLS and ALPN. One keeps to the rules, the other
//! says whatever a test wants, frame by frame.

use std::{
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    sync::{Arc, Condvar, Mutex, mpsc},
    task::{Poll, ready},
    thread,
};

use bytes::Bytes;
use h2::{
    RecvStream, SendStream,
    client::{Builder, ResponseFuture, SendRequest},
};
use http::{HeaderMap, Request, Response};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf, split},
    net::TcpStream,
    sync::Notify,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::support::{
    Agent, Answer, Appliance,
    agent::trusting,
    frames::{ACK, Frame, GOAWAY, HEADERS, PREFACE, RST_STREAM, SETTINGS, frame},
    http2_origin::send,
    swarm::{Line, Swarm, runtime},
    wait::PATIENCE,
    wire::Message,
};

/// One connection, driven by a thread of its own.
pub(crate) struct Http2Client {
    send: SendRequest<Bytes>,
    authority: String,
    end: Arc<End>,
    stop: Arc<Notify>,
}

#[derive(Default)]
struct End {
    how: Mutex<Option<Result<(), h2::Error>>>,
    known: Condvar,
}

/// One request whose answer is still to come.
pub(crate) struct Asked {
    pub response: ResponseFuture,
    /// What is sent behind its head.
    pub body: SendStream<Bytes>,
}

impl Http2Client {
    /// Through a tunnel to this authority.
    pub(crate) fn to(appliance: &Appliance, authority: &str) -> Self {
        Self::built(&Swarm::of_http2(appliance, None), authority, &Builder::new())
    }

    /// The same, with settings and perhaps a key of its own.
    pub(crate) fn built(swarm: &Swarm, authority: &str, builder: &Builder) -> Self {
        let (end, stop) = (Arc::<End>::default(), Arc::<Notify>::default());
        let (sender, receiver) = mpsc::channel();
        let of_thread = (swarm.clone(), authority.to_owned(), builder.clone(), Arc::clone(&end), Arc::clone(&stop));
        thread::spawn(move || {
            let (swarm, authority, builder, end, stop) = of_thread;
            let how = runtime().block_on(async {
                let line = swarm.tunnel(&authority).await.unwrap();
                let (send, connection) = builder.handshake(line).await.unwrap();
                sender.send(send).unwrap();
                tokio::select! {
                    how = connection => how,
                    () = stop.notified() => Ok(()),
                }
            });
            *end.how.lock().unwrap() = Some(how);
            end.known.notify_all();
        });
        let send = receiver.recv_timeout(PATIENCE).unwrap();
        Self { send, authority: authority.to_owned(), end, stop }
    }

    /// A request for `path` of the tunnel's host.
    pub(crate) fn request(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> Request<()> {
        let uri = format!("https://{}{path}", self.authority);
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    /// Sends a head; `ends` says that nothing follows. It waits until the server lets one more stream in.
    pub(crate) fn begin(&mut self, request: Request<()>, ends: bool) -> Result<Asked, h2::Error> {
        run(poll_fn(|cx| self.send.poll_ready(cx)))?;
        let (response, body) = self.send.send_request(request, ends)?;
        Ok(Asked { response, body })
    }

    /// The same for `path` of the tunnel's host.
    #[track_caller]
    pub(crate) fn start(&mut self, method: &str, path: &str) -> Asked {
        let request = self.request(method, path, &[]);
        self.begin(request, method == "GET").unwrap()
    }

    /// Sends a request without a body and reads its answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, method: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.try_ask(method, path, fields).unwrap_or_else(|error| panic!("no answer to {path}: {error}"))
    }

    /// The same, which may come to nothing.
    pub(crate) fn try_ask(&mut self, method: &str, path: &str, fields: &[(&str, &str)]) -> Result<Answer, h2::Error> {
        let request = self.request(method, path, fields);
        run(answer(self.begin(request, true)?.response))
    }

    /// Gets `path`.
    #[track_caller]
    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path, &[])
    }

    /// Sends a request with a body and perhaps trailers, and reads its answer.
    #[track_caller]
    pub(crate) fn post(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        content: impl Into<Bytes>,
        trailers: Option<HeaderMap>,
    ) -> Answer {
        let request = self.request("POST", path, fields);
        let Asked { response, mut body } = self.begin(request, false).unwrap();
        let sending = async {
            if send(&mut body, content.into()).await {
                drop(match trailers {
                    Some(trailers) => body.send_trailers(trailers),
                    None => body.send_data(Bytes::new(), true),
                });
            }
        };
        run(async { tokio::join!(answer(response), sending) }).0.unwrap()
    }

    /// How many streams the server lets us have at once.
    pub(crate) fn most_streams(&self) -> usize {
        self.send.current_max_send_streams()
    }

    /// Waits until the connection is over.
    ///
    /// # Errors
    /// Why, where it did not end in good order.
    #[track_caller]
    pub(crate) fn ended(&self) -> Result<(), h2::Error> {
        let how = self.end.how.lock().unwrap();
        let (mut how, _) = self.end.known.wait_timeout_while(how, PATIENCE, |it| it.is_none()).unwrap();
        how.take().expect("the connection ends")
    }

    /// Ends the connection without a farewell.
    pub(crate) fn break_off(self) {
        self.stop.notify_one();
    }
}

/// Opens a tunnel to this authority and sends one request without a body in it, on a connection of its own. The refusal of the
/// tunnel is an answer, too.
#[track_caller]
pub(crate) fn ask(appliance: &Appliance, authority: &str, request: Request<()>) -> Answer {
    let mut agent = Agent::dial(appliance.address());
    if let Err(refused) = agent.connect(authority, &[]) {
        return *refused;
    }
    let socket = agent.into_socket();
    socket.set_nonblocking(true).unwrap();
    let mut config = trusting(&appliance.ca_file());
    config.alpn_protocols = vec![b"h2".to_vec()];
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host).trim_matches(['[', ']']).to_owned();
    run(async {
        let name = ServerName::try_from(host).unwrap();
        let socket = TcpStream::from_std(socket).unwrap();
        let tls = TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap();
        let (mut requests, connection) = h2::client::handshake(tls).await.unwrap();
        let answering = async {
            let (response, _) = requests.send_request(request, true).unwrap();
            answer(response).await.unwrap()
        };
        tokio::select! {
            answer = answering => answer,
            ended = connection => panic!("the connection ended before the answer: {ended:?}"),
        }
    })
}

/// The answer to a request, read to its end.
///
/// # Errors
/// When it is cut off.
pub(crate) async fn answer(mut response: ResponseFuture) -> Result<Answer, h2::Error> {
    let (interim, head) = head(&mut response).await?;
    let (parts, mut stream) = head.into_parts();
    let mut message = message(&Response::from_parts(parts, ()));
    while let Some(piece) = piece(&mut stream).await {
        message.body.extend_from_slice(&piece?);
    }
    message.trailers = stream.trailers().await?.map(|it| lines(&it)).unwrap_or_default();
    Ok(Answer { message, interim })
}

/// The head of an answer, and the interim ones before it.
///
/// # Errors
/// When it is not to come.
pub(crate) async fn head(response: &mut ResponseFuture) -> Result<(Vec<Message>, Response<RecvStream>), h2::Error> {
    let mut interim = Vec::new();
    let head = poll_fn(|cx| {
        while let Poll::Ready(Some(one)) = response.poll_informational(cx) {
            interim.push(message(&one?));
        }
        Poll::Ready(ready!(Pin::new(&mut *response).poll(cx)))
    });
    let head = head.await?;
    Ok((interim, head))
}

/// The next piece of a body; its window opens again at once.
pub(crate) async fn piece(stream: &mut RecvStream) -> Option<Result<Bytes, h2::Error>> {
    let piece = stream.data().await;
    if let Some(Ok(data)) = &piece {
        stream.flow_control().release_capacity(data.len()).unwrap();
    }
    piece
}

/// Waits for something, though not for ever.
#[track_caller]
pub(crate) fn run<T>(work: impl Future<Output = T>) -> T {
    let work = pin!(work);
    runtime().block_on(async { timeout(PATIENCE, work).await }).expect("it happens in time")
}

/// A head as HTTP/1 would tell it.
fn message(response: &Response<()>) -> Message {
    let start = format!("HTTP/1.1 {}", response.status().as_str());
    Message { start, fields: lines(response.headers()), body: Vec::new(), trailers: Vec::new() }
}

fn lines(map: &HeaderMap) -> Vec<(String, String)> {
    let latin_1 = |value: &[u8]| value.iter().copied().map(char::from).collect();
    map.iter().map(|(name, value)| (name.as_str().to_owned(), latin_1(value.as_bytes()))).collect()
}

/// A connection on which anything can be said.
pub(crate) struct RawClient {
    from: ReadHalf<Line>,
    to: WriteHalf<Line>,
}

/// What a server says when it ends a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GoAway {
    /// The last stream that it has served, or may have.
    pub last: u32,
    pub reason: h2::Reason,
}

impl RawClient {
    /// Through a tunnel to this authority; it has said its preface and its settings.
    pub(crate) async fn to(swarm: &Swarm, authority: &str) -> io::Result<Self> {
        let (from, to) = split(swarm.tunnel(authority).await?);
        let mut client = Self { from, to };
        client.write(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await?;
        Ok(client)
    }

    /// Sends bytes as they are.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to.write_all(bytes).await?;
        self.to.flush().await
    }

    /// The next frame; an error at the end. Settings are confirmed.
    pub(crate) async fn next(&mut self) -> io::Result<Frame> {
        let next = read(&mut self.from).await?;
        if next.kind == SETTINGS && next.flags & ACK == 0 {
            self.write(&frame(SETTINGS, ACK, 0, &[])).await?;
        }
        Ok(next)
    }

    /// Reads on to a frame that `is` meant.
    pub(crate) async fn until(&mut self, is: impl Fn(&Frame) -> bool) -> io::Result<Frame> {
        loop {
            let next = self.next().await?;
            if is(&next) {
                return Ok(next);
            }
        }
    }

    /// Sends all of it, for as long as somebody takes it, and reads meanwhile. How the server ended the connection, if it did.
    pub(crate) async fn flood(self, pieces: impl Iterator<Item = Vec<u8>>) -> Option<GoAway> {
        let Self { mut from, mut to } = self;
        let over = Notify::new();
        let reading = async {
            let mut end = None;
            while let Ok(frame) = read(&mut from).await {
                end = frame.go_away().or(end);
            }
            over.notify_one();
            end
        };
        let writing = async {
            for piece in pieces {
                tokio::select! {
                    () = over.notified() => break,
                    sent = to.write_all(&piece) => if sent.is_err() { break },
                }
            }
            drop(to.shutdown().await);
        };
        tokio::join!(reading, writing).0
    }
}

async fn read(from: &mut ReadHalf<Line>) -> io::Result<Frame> {
    let mut head = [0; 9];
    from.read_exact(&mut head).await?;
    let [a, b, c, kind, flags, stream @ ..] = head;
    let mut payload = vec![0; usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)];
    from.read_exact(&mut payload).await?;
    Ok(Frame { kind, flags, stream: u32::from_be_bytes(stream), payload })
}

impl Frame {
    /// What it says of the end of the connection.
    pub(crate) fn go_away(&self) -> Option<GoAway> {
        let (last, reason) = (self.number(0)?, self.number(4)?);
        (self.kind == GOAWAY).then(|| GoAway { last, reason: reason.into() })
    }

    /// Why it resets its stream.
    pub(crate) fn reset(&self) -> Option<h2::Reason> {
        Some(self.number(0)?.into()).filter(|_| self.kind == RST_STREAM)
    }

    /// The status with which a head begins, in the forms that RFC 7541 has for it.
    pub(crate) fn status(&self) -> Option<u16> {
        const INDEXED: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
        match *self.payload.as_slice() {
            _ if self.kind != HEADERS => None,
            [first @ 0x88..=0x8e, ..] => Some(INDEXED[usize::from(first - 0x88)]),
            [0x48 | 0x08, length, ref rest @ ..] if length & 0x80 != 0 => Some(digits(rest)),
            _ => panic!("{self:?}"),
        }
    }

    fn number(&self, at: usize) -> Option<u32> {
        self.payload.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
    }
}

/// Three digits in the code of Huffman (RFC 7541 appendix B).
fn digits(bytes: &[u8]) -> u16 {
    let mut bits =
        bytes.iter().take(3).fold(0u32, |all, byte| all << 8 | u32::from(*byte)) << (8 * (4 - bytes.len().min(3)));
    (0..3).fold(0, |number, _| {
        let (digit, length) = if bits >> 27 <= 2 { (bits >> 27, 5) } else { ((bits >> 26) - 0x19 + 3, 6) };
        bits <<= length;
        number * 10 + u16::try_from(digit).unwrap()
    })
}
