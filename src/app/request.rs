//! One request from the command line: the same exchange as behind the proxy, without a listener.

use std::{
    future::poll_fn,
    io::{self, Write},
    pin::Pin,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use http::Method;
use http_body::Body as _;
use thiserror::Error;
use tokio::runtime::Builder;

use crate::{
    app::{AppError, parts::Parts, trail::open_single_audit},
    audit::Door,
    base::{
        body::{Body, BodyError},
        fields::Fields,
        head::{AnswerHead, Framing},
        target::Target,
    },
    config::Config,
    exchange::{Inbound, Refusal, Reply, gunzip, outgoing::name_ourselves},
    identity::Presented,
    store::FileStore,
};

/// What a person asked for.
#[derive(Debug)]
pub struct Request {
    /// Which credential.
    pub alias: String,
    /// What for.
    pub method: Method,
    /// Where to.
    pub target: Target,
    /// Name and value, in order; already valid.
    pub headers: Vec<(String, String)>,
    /// Sent byte for byte.
    pub body: Vec<u8>,
}

/// Why there is no answer, or not all of it.
#[derive(Debug, Error)]
pub enum RequestError {
    /// Vultrino could not begin.
    #[error(transparent)]
    App(#[from] AppError),
    /// It refused the request, or there was no answer.
    #[error("{}", .refusal.message())]
    Refused {
        /// What the caller of a door would read.
        refusal: Refusal,
        /// Why there was no answer, which only the owner may know: it tells of the network.
        #[source]
        cause: Option<Cause>,
    },
    /// The origin server ended in the middle of its answer.
    #[error("the answer ended before its end")]
    Cut(#[source] BodyError),
    /// What it says is gzip is none.
    #[error("the answer is not the gzip that its Content-Encoding says; -H 'Accept-Encoding: identity' asks for none")]
    Gzip(#[source] io::Error),
}

/// Why there was no answer, with all that lies behind it.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct Cause(String);

/// Runs one request. `head` is called once, then `data` for each piece of the body as it comes. Gzip that the request has not
/// asked for is undone.
///
/// # Errors
/// See [`RequestError`].
pub fn run(
    config: &Config,
    store: &FileStore,
    request: Request,
    head: impl FnOnce(&AnswerHead),
    mut data: impl FnMut(&[u8]),
) -> Result<(), RequestError> {
    let records = store.load().map_err(AppError::from)?;
    let parts = Parts::new(config, store, &records, config.server.bind)?;
    let (audit, recorder) = open_single_audit(config, store)?;
    let runtime = Builder::new_current_thread().enable_all().build().map_err(AppError::from)?;
    let cause = Arc::<OnceLock<String>>::default();
    let done = runtime.block_on(async {
        let mut exchange = parts.exchange(recorder);
        exchange.cause = Some(Arc::clone(&cause));
        let mut inbound = inbound(request);
        let encoded = gunzip::is_asked_for(&inbound.fields);
        let reply = exchange.run(&mut inbound).await;
        let mut reply =
            reply.map_err(|refusal| RequestError::Refused { refusal, cause: cause.get().cloned().map(Cause) })?;
        let is_packed = !encoded && gunzip::is_needed(&reply.head.fields);
        if is_packed {
            gunzip::forget(&mut reply.head.fields);
        }
        head(&reply.head);
        if is_packed {
            return unpack(reply, data).await;
        }
        let pass = |bytes: &Bytes| {
            data(bytes);
            Ok(())
        };
        read(reply, pass).await
    });
    audit.close().map_err(AppError::from)?;
    done
}

async fn read(mut reply: Reply, mut data: impl FnMut(&Bytes) -> io::Result<()>) -> Result<(), RequestError> {
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut reply.body).poll_frame(cx)).await {
        if let Some(bytes) = frame.map_err(RequestError::Cut)?.data_ref() {
            data(bytes).map_err(RequestError::Gzip)?;
        }
    }
    Ok(())
}

async fn unpack(reply: Reply, data: impl FnMut(&[u8])) -> Result<(), RequestError> {
    let mut decoder = MultiGzDecoder::new(Pieces(data));
    read(reply, |bytes| decoder.write_all(bytes).and_then(|()| decoder.flush())).await?;
    decoder.try_finish().map_err(RequestError::Gzip)
}

/// Gives on what is written to it.
struct Pieces<F>(F);

impl<F: FnMut(&[u8])> Write for Pieces<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.0)(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn inbound(request: Request) -> Inbound<'static> {
    let mut fields = Fields::default();
    for (name, value) in &request.headers {
        fields.append(name, value.as_bytes());
    }
    name_ourselves(&mut fields);
    let length = request.body.len() as u64;
    let expects_body = matches!(request.method, Method::POST | Method::PUT | Method::PATCH);
    let framing = if length > 0 || expects_body { Framing::Length(length) } else { Framing::None };
    let body = if request.body.is_empty() { Body::Empty } else { Body::Full(Bytes::from(request.body)) };
    Inbound {
        door: Door::Cli,
        presented: Presented { key: None, alias: Some(request.alias.into()) },
        keyless: true,
        method: request.method,
        target: request.target,
        fields,
        framing,
        body,
        source: None,
        leave: None,
        interim: None,
        upgrade: false,
    }
}
