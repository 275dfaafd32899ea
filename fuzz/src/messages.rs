//! A whole connection: one message after the other, wherever the network cuts them.

use std::{cell::RefCell, future::poll_fn, time::Duration};

use tokio::{
    io::AsyncWriteExt as _,
    net::UnixStream,
    runtime::{Builder, Runtime},
};
use vultrino::http1::{
    Connection, Wire, framing, head,
    wire::{Socket, Stream},
};

use super::{chunked, heads, reference::Length};

thread_local! {
    static RUNTIME: RefCell<Runtime> = RefCell::new(Builder::new_current_thread().enable_all().build().unwrap());
}

/// The messages in their order, each with its body; and whether the bytes end where one of them does.
#[derive(PartialEq, Eq, Debug, Default)]
struct Read {
    messages: Vec<(Vec<u8>, Vec<u8>)>,
    whole: bool,
}

/// The first byte says how the others are cut. They are the messages that the slow reader finds: no more, no others.
pub fn messages(bytes: &[u8]) {
    let Some((by, bytes)) = bytes.split_first() else { return };
    let read = RUNTIME.with_borrow(|runtime| runtime.block_on(through_a_socket(bytes, usize::from(*by) + 1)));
    assert_eq!(read, slow(bytes), "the readers disagree");
}

async fn through_a_socket(bytes: &[u8], by: usize) -> Read {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let wire = Wire::Plain(Socket::new(Stream::Unix(ours)));
    let mut connection = Connection::new(wire, Duration::from_mins(1));
    let writing = async {
        for piece in bytes.chunks(by) {
            theirs.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        theirs.shutdown().await.unwrap();
        std::future::pending().await
    };
    // A reader that has seen enough does not wait for the rest.
    tokio::select! {
        read = read(&mut connection, by) => read,
        never = writing => never,
    }
}

async fn read(connection: &mut Connection, by: usize) -> Read {
    let mut read = Read::default();
    loop {
        let bytes = match poll_fn(|cx| connection.poll_head(cx)).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Read { whole: true, ..read },
            Err(_) => return read,
        };
        let Ok(head) = head::request(bytes.clone()) else { return read };
        let Ok(framing) = framing::of_request(&head) else { return read };
        connection.begin_body(framing);
        let whole = if by.is_multiple_of(2) { connection.take_whole_body() } else { None };
        let mut body = whole.map(|it| it.to_vec()).unwrap_or_default();
        while let Some(frame) = poll_fn(|cx| connection.poll_body(cx)).await {
            match frame.map(http_body::Frame::into_data) {
                Ok(Ok(data)) => body.extend_from_slice(&data),
                Ok(Err(_)) => {}
                Err(_) => return read,
            }
        }
        read.messages.push((bytes, body));
    }
}

fn slow(bytes: &[u8]) -> Read {
    let (mut read, mut at) = (Read::default(), 0);
    while at < bytes.len() {
        // One empty line may stand between two messages.
        if at > 0 && bytes[at..].starts_with(b"\r\n") {
            at += 2;
            if at == bytes.len() {
                break;
            }
        }
        let Some(head) = heads::slow_request(&bytes[at..]) else { return read };
        let rest = &bytes[at + head.length..];
        let body = match head.framing {
            Length::Undeclared => Some((Vec::new(), 0)),
            Length::Exactly(length) => {
                let length = usize::try_from(length).ok();
                length.and_then(|length| Some((rest.get(..length)?.to_vec(), length)))
            }
            Length::Chunked => chunked::slow(rest).map(|(body, _, length)| (body, length)),
        };
        let Some((body, length)) = body else { return read };
        read.messages.push((bytes[at..at + head.length].to_vec(), body));
        at += head.length + length;
    }
    Read { whole: true, ..read }
}
