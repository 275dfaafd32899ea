//! What one connection may take: streams at once, and time in which nothing moves.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use h2::Reason;
use tokio::sync::Notify;

use crate::support::{
    Appliance, Http2Client, Http2Origin, Origin,
    frames::{ACK, CONTINUATION, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, SETTINGS, block, frame, head, last},
    http2_client::{Asked, RawClient, answer, head as head_of, run},
    http2_origin::send,
    origin::{Rest, judge},
    swarm::Swarm,
};

#[test]
fn a_stream_too_many_is_refused_and_the_others_go_on() {
    let appliance = Appliance::builder().set("limits.streams", "10").start();
    let origin = Http2Origin::start();
    let (swarm, authority) = (Swarm::of_http2(&appliance, None), origin.authority());
    let fields = [(":method", "POST"), (":scheme", "https"), (":authority", &*authority), (":path", "/")];
    run(async {
        let mut client = RawClient::to(&swarm, &authority).await.unwrap();
        for at in 0..11 {
            client.write(&head(2 * at + 1, &fields)).await.unwrap();
        }
        let refused = client.until(|it| it.reset().is_some()).await.unwrap();
        assert_eq!((refused.stream, refused.reset()), (21, Some(Reason::REFUSED_STREAM)));
        for at in 0..10 {
            client.write(&last(2 * at + 1, b"all")).await.unwrap();
        }
        for _ in 0..10 {
            let answered = client.until(|it| it.kind == HEADERS).await.unwrap();
            assert_eq!(answered.status(), Some(200));
        }
    });
    assert_eq!(origin.heads().len(), 10);
}

#[test]
fn a_head_without_an_end_is_not_waited_for() {
    let appliance = Appliance::builder().set("limits.header_timeout", "1").start();
    let origin = Http2Origin::start();
    let (swarm, authority) = (Swarm::of_http2(&appliance, None), origin.authority());
    let section = block(&[(":method", "GET"), (":scheme", "https"), (":authority", &authority), (":path", "/")]);
    run(async {
        let mut client = RawClient::to(&swarm, &authority).await.unwrap();
        // Its own confirmation would be a frame between the pieces of the head.
        client.until(|it| it.kind == SETTINGS && it.flags & ACK == 0).await.unwrap();
        client.write(&frame(HEADERS, END_STREAM, 1, &section)).await.unwrap();
        let end = client.until(|it| it.kind == GOAWAY).await.unwrap().go_away().unwrap();
        assert_eq!(end.reason, Reason::ENHANCE_YOUR_CALM);
    });
    assert!(origin.heads().is_empty());
}

/// A head of 60 KiB in frames, whose body is to be empty and has not ended.
fn long_head(stream: u32, authority: &str) -> Vec<u8> {
    let long = "y".repeat(60 << 10);
    let fields = [(":method", "POST"), (":scheme", "https"), (":authority", authority), (":path", "/long")];
    let section = block(&[&fields[..], &[("content-length", "0"), ("x-long", &long)]].concat());
    let mut kind = HEADERS;
    let mut pieces = section.chunks(16 << 10).peekable();
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next() {
        let flags = if pieces.peek().is_none() { END_HEADERS } else { 0 };
        bytes.extend(frame(std::mem::replace(&mut kind, CONTINUATION), flags, stream, piece));
    }
    bytes
}

#[test]
fn heads_of_requests_that_wait_for_the_end_of_no_body_use_up_the_share_of_their_client() {
    const STREAMS: u32 = 100;
    // What is beyond 16 MiB.
    const LEAST: usize = 4 * STREAMS as usize - (16 << 20) / (60 << 10);
    let appliance = Appliance::start();
    let origin = Http2Origin::start();
    let (swarm, authority) = (Swarm::of_http2(&appliance, None), origin.authority());
    run(async {
        let waiting = async || {
            let mut client = RawClient::to(&swarm, &authority).await.unwrap();
            client.until(|it| it.kind == SETTINGS && it.flags & ACK == 0).await.unwrap();
            for at in 0..STREAMS {
                // It is sent away if there is no room for a head that arrives.
                if client.write(&long_head(2 * at + 1, &authority)).await.is_err() {
                    break;
                }
            }
            client
        };
        let mut clients = [waiting().await, waiting().await, waiting().await, waiting().await];
        let (refused, enough) = (AtomicUsize::new(0), Notify::new());
        let read = async |client: &mut RawClient| {
            loop {
                // Those that wait have no answer.
                if client.until(|it| it.kind == HEADERS).await.is_err() {
                    return enough.notify_one();
                }
                if refused.fetch_add(1, Ordering::Relaxed) + 1 >= LEAST {
                    enough.notify_one();
                }
            }
        };
        let [a, b, c, d] = &mut clients;
        tokio::select! {
            () = enough.notified() => (),
            () = async { tokio::join!(read(a), read(b), read(c), read(d)); } => (),
        }
        // A head that is short takes nothing of it.
        let short = || Http2Client::to(&appliance, &authority).get("/short").expect_origins(200);
        thread::scope(|scope| drop(scope.spawn(short).join().unwrap()));
    });
    assert_eq!(origin.heads().len(), 1);
}

#[test]
fn a_client_that_pings_and_reads_no_answers_is_let_go() {
    let appliance = Appliance::builder().set("limits.idle_timeout", "1").start();
    let origin = Origin::https();
    let swarm = Swarm::of_http2(&appliance, None);
    run(async {
        let mut client = RawClient::to(&swarm, &origin.authority()).await.unwrap();
        let pings = frame(PING, 0, 0, &[7; 8]).repeat(1000);
        while client.write(&pings).await.is_ok() {}
    });
    Http2Client::to(&appliance, &origin.authority()).get("/").expect_origins(200);
}

#[test]
fn an_upload_that_stands_still_is_given_up_and_never_looks_complete() {
    let appliance = Appliance::builder().set("server.timeout", "1").start();
    let origin = Origin::https();
    let mut client = Http2Client::to(&appliance, &origin.authority());
    let Asked { response, mut body } = client.start("POST", "/upload");
    run(send(&mut body, "part".into()));
    run(answer(response)).unwrap().expect_refusal(400, "invalid_request");
    let line = appliance.audit_of("/upload");
    assert_eq!(line.get("outcome"), "client_abort", "{}", line.text);
    client.get("/").expect_origins(200);
    drop(appliance);
    for seen in origin.closed() {
        let (requests, rest) = judge(&seen.bytes);
        let (upload, other) = (rest == Rest::Cut, requests.len() == 1 && requests[0].method() == "GET");
        assert!(upload || other, "{:?}", String::from_utf8_lossy(&seen.bytes));
    }
}

#[test]
fn a_download_that_nobody_reads_is_given_up() {
    let appliance = Appliance::builder().set("server.timeout", "1").start();
    let origin = Http2Origin::with(|mut call| async move {
        let mut stream = call.answer(200, &[]);
        while send(&mut stream, vec![b'x'; 16 << 10].into()).await {}
        call.is_reset(&mut stream).await;
    });
    let mut client = Http2Client::to(&appliance, &origin.authority());
    let mut asked = client.start("GET", "/unread");
    let mut unread = run(head_of(&mut asked.response)).unwrap().1.into_body();
    origin.until("it is cancelled", |known| known.resets.first().copied());
    let error = run(async {
        loop {
            match unread.data().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => return error,
                None => panic!("it looks whole"),
            }
        }
    });
    assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR));
    let line = appliance.audit_of("/unread");
    assert_eq!(line.get("outcome"), "client_abort", "{}", line.text);
}
